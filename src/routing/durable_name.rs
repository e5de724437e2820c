//! What durable subscriptions are called, and what is said of them.

use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::text::Text;

/// What a durable subscription is called: the client's identifier and the name that it chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurableName {
    /// The client's identifier.
    pub client: Text,
    /// The subscription's name, unique for the client.
    pub name: Text,
}

/// What a subscription was made with. Whoever comes with another wish replaces it (JMS 2.0, 8.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) address: Destination,
    pub(super) selector: Option<Text>,
    pub(super) no_local: bool,
}

impl Wanted {
    pub(super) fn of(info: &ConsumerInfo, address: &Destination) -> Self {
        Self {
            address: address.clone(),
            selector: info.selector.clone().filter(|text| !text.as_bytes().is_empty()),
            no_local: info.no_local,
        }
    }
}

/// Why a durable subscription is not made, taken up or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// It has a consumer, and may have only one.
    #[error("durable consumer is in use for client: {} and subscriptionName: {}", .0.client, .0.name)]
    InUse(DurableName),
    /// There is no such subscription.
    #[error(
        "no durable subscription exists for clientID: {} and subscriptionName: {}",
        .0.client, .0.name
    )]
    Unknown(DurableName),
    /// Its name says nothing.
    #[error("the name of the durable subscription is empty")]
    Unnamed,
    /// Nothing that lives on can be kept of this destination.
    #[error("a durable subscription cannot be to {address}: {reason}")]
    NotKept {
        /// The address.
        address: Destination,
        /// Why not.
        reason: &'static str,
    },
    /// The broker keeps no more.
    #[error(
        "no room for another durable subscription: the broker keeps {most}, and {bytes} bytes of their descriptions"
    )]
    TooMany {
        /// How many it keeps.
        most: usize,
        /// How long their descriptions may be together.
        bytes: usize,
    },
}

/// A durable subscription at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableSnapshot {
    /// What it is called.
    pub name: DurableName,
    /// Its topic, pattern or composite name.
    pub address: Destination,
    /// Which messages it wants; none: all.
    pub selector: Option<Text>,
    /// The consumer that is there; none while it is offline.
    pub consumer: Option<ConsumerId>,
    /// Whether it is a bridge's.
    pub network: bool,
    /// Messages that wait for the consumer.
    pub waiting: usize,
    /// How many of those are on disk only.
    pub on_disk: usize,
    /// Messages that are damaged on disk, and that nobody gets.
    pub set_aside: usize,
    /// Messages dispatched and not settled.
    pub in_flight: usize,
    /// Messages kept since it was made.
    pub enqueued: u64,
    /// Messages handed to consumers, each time that one was.
    pub dispatched: u64,
    /// Messages acknowledged.
    pub settled: u64,
}
