//! The tables of a topology file, as they are written.

use crate::document::addresses::{DialAddress, ListenAddress};
use crate::document::connector_options::ConnectorOptions;
use crate::document::located::Located;
use crate::document::names::Name;
use crate::document::node::Node;
use crate::document::reader::Reader;
use crate::document::text::{Text, TextError};
use crate::document::units::ByteSize;
use crate::document::value::{OneOrMore, Value};
use crate::section;
use ferrymq_transport::names::nearest;

use super::addresses::{Address, Interest};

section! {
    /// A topology file.
    pub struct TopologySection {
        /// The whole network.
        optional topology: HeadSection,
        /// The brokers.
        repeated broker: BrokerSection,
        /// Brokers that are all alike.
        repeated broker_group: GroupSection,
        /// The network connectors between them.
        repeated link: LinkSection,
        /// What sends.
        repeated producer: ProducerSection,
        /// What receives.
        repeated consumer: ConsumerSection,
    }
    refused {
        "client" => "clients that fail over from broker to broker are not supported yet",
        "fault" => "faults are for simulation, which is not supported yet",
    }
}

section! {
    /// The network as a whole.
    pub struct HeadSection {
        /// What the network is called; the default is the file's name.
        optional name: Name,
    }
}

section! {
    /// One broker.
    pub struct BrokerSection {
        /// Its name, unique in the topology.
        required name: Name,
        /// `ferrymq` (the default), or `activemq` for a broker that runs already and is only
        /// dialled.
        optional kind: Kind,
        /// Where it listens; the default is the next free port of 127.0.0.1 from 61616.
        optional listen: ListenAddress,
        /// Where a broker of kind `activemq` is reached.
        optional url: DialAddress,
        /// What it can do, for `check`.
        optional capacity: CapacitySection,
    }
}

section! {
    /// What a broker can do.
    pub struct CapacitySection {
        /// Messages that it can take in, pass on or hand out in a second.
        optional messages_per_second: Rate,
    }
}

section! {
    /// Brokers that are all alike, with names `NAME-1`, `NAME-2`, …; the group's name stands for
    /// all of them.
    pub struct GroupSection {
        /// What the names start with.
        required name: Name,
        /// How many there are.
        required count: u16,
        /// What each can do, for `check`.
        optional capacity: CapacitySection,
    }
}

section! {
    /// A network connector on one broker to one or more others.
    pub struct LinkSection {
        /// The broker (or group) that has the connector.
        required from: Name,
        /// The brokers (or groups) that it bridges to, each by a bridge of its own.
        required to: OneOrMore<Located<Name>>,
        /// The connector's name; the default is `to-` and the names in `to`.
        optional name: Name,
        /// What it forwards, and how.
        shared options: ConnectorOptions,
    }
    refused {
        "latency" => "it models a link for simulation, which is not supported yet",
        "bandwidth" => "it models a link for simulation, which is not supported yet",
    }
}

section! {
    /// A producer.
    pub struct ProducerSection {
        /// The broker (or group) that it sends to.
        required at: Name,
        /// The destination: `queue://NAME`, `topic://NAME`, or a queue's name.
        required to: Address,
        /// Messages in a second; the default is 1.
        optional rate: Rate,
        /// Each message's body; the default is 1KiB.
        optional size: ByteSize,
        /// Messages until it is done; the default is no end.
        optional count: u64,
    }
}

section! {
    /// A consumer.
    pub struct ConsumerSection {
        /// The broker (or group) that it receives from.
        required at: Name,
        /// The destination; `*` and `>` are allowed.
        required from: Interest,
        /// Messages that it can work off in a second; the default is no limit.
        optional rate: Rate,
    }
}

/// What software a broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A FerryMQ broker: `up` starts it.
    FerryMq,
    /// An ActiveMQ Classic broker: it runs already, and is only dialled.
    ActiveMq,
}

impl Text for Kind {
    const EXPECTED: &'static str = "\"ferrymq\" or \"activemq\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        match text {
            "ferrymq" => Ok(Self::FerryMq),
            "activemq" => Ok(Self::ActiveMq),
            _ => {
                let error = TextError::at(0, format!("unknown kind of broker `{text}`"));
                Err(match nearest(text, &["ferrymq", "activemq"]) {
                    Some(name) => error.hint(format!("did you mean `{name}`?")),
                    None => error.hint("kinds are ferrymq and activemq"),
                })
            }
        }
    }
}

/// Messages in a second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

impl Value for Rate {
    const EXPECTED: &'static str = "messages per second: a number above 0, at most 10 million";

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let rate = f64::read(node, reader)?;
        if rate > 0.0 && rate <= 1e7 {
            return Some(Self(rate));
        }
        reader.report(&node.span(), format!("expected {}", Self::EXPECTED), None);
        None
    }
}
