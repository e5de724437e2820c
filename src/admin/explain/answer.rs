//! The answer in JSON.

use serde::{Deserialize, Serialize};

use crate::admin::answers::BrokerName;

/// `/api/v1/explain?queue=NAME&message=ID`: why a message of a queue waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainAnswer {
    /// The broker that answers.
    pub broker: BrokerName,
    /// `queue://orders`.
    pub queue: String,
    /// Whether there is such a queue.
    pub exists: bool,
    /// Messages that wait for a consumer.
    pub waiting: u64,
    /// Messages dispatched and not acknowledged.
    pub in_flight: u64,
    /// Whether producers wait for room in it.
    pub full: bool,
    /// In one sentence, how it stands.
    pub summary: String,
    /// The message that this is about: the one that was asked for, or else the first that waits, or
    /// else the first that is on its way; null where there is none.
    pub message: Option<HeldMessageAnswer>,
    /// Every consumer and every link that could take it.
    pub considered: Vec<Considered>,
    /// Consumers that are not listed.
    pub further_consumers: u64,
    /// What would move the message, each once.
    pub would_move_it: Vec<String>,
    /// The first messages that wait, put together where every consumer has the same verdict on
    /// them; most first.
    pub groups: Vec<GroupAnswer>,
    /// How many messages were looked at for that.
    pub looked_at: u64,
}

/// A message that a queue holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMessageAnswer {
    /// JMSMessageID.
    pub id: String,
    /// Where it stands.
    pub place: MessagePlace,
    /// When its sender sent it, by the sender's clock.
    pub sent_unix_ms: i64,
    /// When this broker took it in.
    pub arrived_unix_ms: i64,
    /// For how long it has been here.
    pub here_ms: u64,
    /// When it expires; null if never.
    pub expires_unix_ms: Option<i64>,
    /// Whether that was before now, by this broker's clock.
    #[serde(default)]
    pub expired: bool,
    /// Whether it is persistent.
    pub persistent: bool,
    /// JMSPriority.
    pub priority: i8,
    /// How often it was delivered before and not acknowledged.
    pub redeliveries: i32,
    /// Its size.
    pub size_bytes: u64,
    /// Why it is a dead letter (`dlqDeliveryFailureCause`), if it is one.
    #[serde(default)]
    pub dead_because: Option<String>,
    /// The brokers that forwarded it to here, in order, by their ids.
    pub path: Vec<String>,
    /// Their names, as far as this broker knows them.
    #[serde(default)]
    pub path_names: Vec<Option<String>>,
    /// When each of those took it in, by its own clock; null for one that did not note it, as
    /// ActiveMQ.
    pub path_unix_ms: Vec<Option<i64>>,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagePlace {
    /// It waits for a consumer.
    Waiting,
    /// A consumer has it and has not acknowledged it.
    InFlight,
    /// It is a probe: it is nowhere, and nobody gets it.
    Probe,
}

/// A consumer or a link, and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// `consumer` or `link`.
    pub kind: String,
    /// The client's name for itself, or `CONNECTOR -> BROKER`.
    pub name: String,
    /// Where it is.
    pub remote: String,
    /// The broker that it would go to; null for a consumer, and where no broker is known.
    pub next_broker: Option<BrokerName>,
    /// The consumer's identifier; null for a link without one, since nobody beyond it asks.
    pub consumer_id: Option<String>,
    /// The verdict as one word: `selector`, `hop_limit`, `window_full`, `no_demand`, `link_down`…
    pub verdict: String,
    /// The verdict in words.
    pub reason: String,
    /// What would change it; null where nothing would.
    pub would_move_it: Option<String>,
    /// Until the next attempt of a link that is down.
    pub next_try_in_ms: Option<u64>,
}

/// Messages with the same verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAnswer {
    /// How many.
    pub messages: u64,
    /// The first of them, to ask about by `message=ID`.
    pub first_id: String,
    /// What each consumer says to them.
    pub findings: Vec<GroupFinding>,
}

/// A consumer's verdict on a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupFinding {
    /// The consumer or link.
    pub name: String,
    /// The verdict as one word.
    pub verdict: String,
}
