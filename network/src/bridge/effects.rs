//! What a bridge wants done.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;

use super::phase::BridgeEnd;
use crate::local_broker::BrokerIdentity;
use crate::rules::verdict::Verdict;

/// Commands to send, each list in its order, and what is worth knowing.
#[derive(Debug, Default)]
pub struct Effects {
    /// For the local broker.
    pub to_local: Vec<Command>,
    /// For the remote broker.
    pub to_remote: Vec<Command>,
    /// For the owner of the bridge.
    pub events: Vec<Event>,
}

/// Something that the owner of a bridge acts on or tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The remote broker is known: open the local link, before what is for it is sent.
    RemoteKnown(BrokerIdentity),
    /// The bridge is up.
    Live(BrokerIdentity),
    /// A subscription was made for demand.
    DemandAdded(Destination),
    /// Nobody wants a destination any more.
    DemandRemoved(Destination),
    /// A remote consumer wants a destination, and that is not followed.
    DemandIgnored {
        /// The destination wanted.
        destination: Destination,
        /// Why.
        verdict: Verdict,
    },
    /// The local broker refused a demand subscription.
    DemandRefused {
        /// The destination wanted.
        destination: Destination,
        /// What the local broker said.
        reason: String,
    },
    /// The remote broker refused a message, which will be tried again or was given up.
    ForwardRefused {
        /// The message's destination.
        destination: Destination,
        /// What the remote broker said.
        reason: String,
        /// The same as one of a few words.
        word: &'static str,
        /// Whether it went to the local dead letters.
        given_up: bool,
    },
    /// The local broker dispatched what may not cross, and keeps it until the bridge ends.
    Held {
        /// The message's destination.
        destination: Destination,
        /// Why it may not cross.
        reason: String,
    },
    /// The bridge ended.
    Over(BridgeEnd),
}
