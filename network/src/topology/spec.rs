//! A topology as checked data: every name stands for something, groups are taken apart.

use std::fmt;

use ferrymq_openwire::destination::Destination;
use ferrymq_transport::endpoint::Endpoint;

use crate::config::NetworkConnectorConfig;
use crate::destination_pattern::DestinationPattern;
use crate::document::source::Span;

pub use super::sections::Kind;

/// A network of brokers and what goes on in it.
#[derive(Debug, Clone)]
pub struct Topology {
    /// What it is called.
    pub name: String,
    /// The brokers, in the order of the file; no name and no address twice.
    pub brokers: Vec<BrokerSpec>,
    /// The network connectors, in the order of the file.
    pub links: Vec<LinkSpec>,
    /// What sends.
    pub producers: Vec<ProducerSpec>,
    /// What receives.
    pub consumers: Vec<ConsumerSpec>,
}

/// A broker of a topology: its place in [`Topology::brokers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerIndex(pub usize);

/// One broker.
#[derive(Debug, Clone)]
pub struct BrokerSpec {
    /// Its name.
    pub name: String,
    /// What software it is.
    pub kind: Kind,
    /// Where it listens, or is reached when others run it.
    pub endpoint: Endpoint,
    /// Messages that it can handle in a second, where that is known.
    pub messages_per_second: Option<f64>,
    /// Where the file declares it.
    pub span: Span,
}

/// One network connector.
#[derive(Debug, Clone)]
pub struct LinkSpec {
    /// The broker that has it.
    pub from: BrokerIndex,
    /// The brokers that it bridges to.
    pub to: Vec<BrokerIndex>,
    /// The connector as its broker's configuration has it, with the addresses of `to`.
    pub connector: NetworkConnectorConfig,
    /// Where the file declares it.
    pub span: Span,
}

/// One producer.
#[derive(Debug, Clone)]
pub struct ProducerSpec {
    /// The broker that it sends to.
    pub at: BrokerIndex,
    /// Where it sends.
    pub to: Destination,
    /// Messages in a second.
    pub rate: f64,
    /// Bytes of each body.
    pub size: u64,
    /// Messages until it is done; `None`: it goes on.
    pub count: Option<u64>,
    /// Where the file declares it.
    pub span: Span,
}

/// One consumer.
#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    /// The broker that it receives from.
    pub at: BrokerIndex,
    /// What it receives.
    pub from: DestinationPattern,
    /// Messages that it can work off in a second; `None`: as many as come.
    pub rate: Option<f64>,
    /// Where the file declares it.
    pub span: Span,
}

impl Topology {
    /// The broker at an index of this topology.
    pub fn broker(&self, index: BrokerIndex) -> Option<&BrokerSpec> {
        self.brokers.get(index.0)
    }

    /// A broker's name, for messages.
    pub fn name_of(&self, index: BrokerIndex) -> &str {
        self.broker(index).map_or("?", |broker| &broker.name)
    }

    /// The network connectors that a broker has.
    pub fn links_of(&self, index: BrokerIndex) -> impl Iterator<Item = &LinkSpec> {
        self.links.iter().filter(move |link| link.from == index)
    }
}

impl BrokerSpec {
    /// The address at which others on this machine reach it.
    pub fn dialled(&self) -> Endpoint {
        dialled(self.kind, &self.endpoint)
    }
}

/// The address to dial for one that a broker of this kind has in the file.
pub(super) fn dialled(kind: Kind, endpoint: &Endpoint) -> Endpoint {
    if kind == Kind::ActiveMq {
        return endpoint.clone();
    }
    // Its options are the listener's. A broker on every interface is on the loopback, too.
    let host = match endpoint.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    Endpoint { host: host.to_owned(), ..endpoint.bare() }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FerryMq => "FerryMQ",
            Self::ActiveMq => "ActiveMQ",
        })
    }
}
