//! What the API answers, as it stands in JSON: names in snake_case, units in the names.
//!
//! Names and meanings stay; what is new is added. `…_unix_ms` are milliseconds since 1970, other
//! `…_ms` are durations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Who a broker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerName {
    /// The name that people gave it.
    pub name: String,
    /// Unique, and the same for as long as it runs.
    pub id: String,
    /// Where it says that clients reach it; empty if nowhere.
    pub url: String,
    /// Where it says that its admin API answers, as `HOST:PORT`, `*` for any host of its machine;
    /// null if it does not say, as ActiveMQ.
    #[serde(default)]
    pub admin: Option<String>,
}

/// `/api/v1/broker`: the broker as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerAnswer {
    /// Who it is.
    #[serde(flatten)]
    pub broker: BrokerName,
    /// The program's version.
    pub version: String,
    /// `starting`, `ready` or `stopping`.
    pub state: String,
    /// Where it listens.
    pub listening: Vec<String>,
    /// When it started.
    pub started_unix_ms: i64,
    /// How long it has been running.
    pub uptime_ms: u64,
    /// Bytes that messages hold.
    pub memory_used_bytes: u64,
    /// Bytes at which producers have to wait.
    pub memory_limit_bytes: u64,
    /// Messages of queues that brokers beyond bridges may have, and that are held for them: at most.
    #[serde(default)]
    pub in_doubt: u64,
    /// Bytes of what audits remember of messages that bridges brought, so as to take none twice.
    #[serde(default)]
    pub audit_bytes: u64,
    /// Open connections, those of its own bridges included.
    pub connections: u64,
    /// Living destinations, temporary ones and those of advisories included.
    pub destinations: u64,
    /// Links of network connectors, live or not.
    pub links: u64,
    /// What was counted since the start, also at destinations that are gone.
    pub messages: MessageCounts,
}

/// What became of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCounts {
    /// Taken in.
    pub enqueued: u64,
    /// Handed to consumers, each time that one was.
    pub dispatched: u64,
    /// Acknowledged by consumers.
    pub acknowledged: u64,
    /// Expired; for durable subscriptions once for each.
    pub expired: u64,
    /// Refused by a consumer for good, or on its behalf; for durable subscriptions once for each.
    pub dead_lettered: u64,
    /// Brought again by a bridge, and not taken again.
    #[serde(default)]
    pub duplicates: u64,
    /// Brought by a bridge and taken, though the audit could not tell whether they were new.
    #[serde(default)]
    pub doubtful: u64,
    /// Producers that audits have forgotten, because there were too many.
    #[serde(default)]
    pub audit_forgotten_producers: u64,
    /// Not given to consumers of topics because their frames are too small, each time that one was
    /// not.
    #[serde(default)]
    pub too_large: u64,
}

/// `/api/v1/connections`: the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsAnswer {
    /// How many there are.
    pub total: u64,
    /// The first of them, up to the limit.
    pub connections: Vec<ConnectionAnswer>,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionAnswer {
    /// Where the peer is.
    pub remote: String,
    /// `client`, `broker` (another broker's bridge to here) or `in_process` (the near end of an own
    /// bridge, or an embedded client).
    pub kind: String,
    /// The client's name for itself; null until it has opened the connection.
    pub client_id: Option<String>,
    /// The broker at the far end, if it is one.
    pub broker: Option<BrokerName>,
    /// When it came.
    pub since_unix_ms: i64,
    /// Its consumers.
    pub consumers: u64,
    /// Its producers.
    pub producers: u64,
    /// Messages taken from it.
    pub messages_in: u64,
    /// Messages handed to it, advisories included.
    pub messages_out: u64,
    /// Commands that wait for it to read.
    pub pending_commands: u64,
}

/// `/api/v1/destinations`: those where most messages wait first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationsAnswer {
    /// How many there are.
    pub total: u64,
    /// The first of them, up to the limit.
    pub destinations: Vec<DestinationAnswer>,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationAnswer {
    /// `queue://orders`.
    pub address: String,
    /// `queue`, `topic`, `temp-queue` or `temp-topic`.
    pub kind: String,
    /// `orders`.
    pub name: String,
    /// Messages that wait for a consumer.
    pub waiting: u64,
    /// How many of those are on disk only.
    #[serde(default)]
    pub on_disk: u64,
    /// Messages that are damaged on disk: nobody gets them, and the store has them until
    /// `POST /api/v1/destinations/release?queue=…`.
    #[serde(default)]
    pub damaged: u64,
    /// Messages dispatched and not acknowledged.
    pub in_flight: u64,
    /// Subscriptions, those of bridges included.
    pub consumers: u64,
    /// Bytes that its messages hold.
    pub memory_used_bytes: u64,
    /// What was counted here since it came to life.
    #[serde(flatten)]
    pub messages: MessageCounts,
}

/// `/api/v1/subscriptions`: the durable ones, those where most messages wait first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsAnswer {
    /// How many there are.
    pub total: u64,
    /// The first of them, up to the limit.
    pub subscriptions: Vec<SubscriptionAnswer>,
}

/// One durable subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionAnswer {
    /// The client whose it is.
    pub client_id: String,
    /// The name that the client gave it.
    pub name: String,
    /// `topic://prices.>`.
    pub address: String,
    /// Which messages it wants; null for all.
    pub selector: Option<String>,
    /// The consumer that is there; null while it is offline.
    pub consumer: Option<String>,
    /// Whether it is a bridge's: what is wanted beyond it.
    pub network: bool,
    /// Messages that wait for the consumer.
    pub waiting: u64,
    /// How many of those are on disk only.
    #[serde(default)]
    pub on_disk: u64,
    /// Messages that are damaged on disk: nobody gets them, and the store has them as long as the
    /// subscription lasts.
    #[serde(default)]
    pub damaged: u64,
    /// Messages dispatched and not acknowledged.
    pub in_flight: u64,
    /// Messages kept since it was made.
    pub enqueued: u64,
    /// Messages handed to consumers, each time that one was.
    pub dispatched: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
}

/// `/api/v1/transactions`: branches of distributed transactions that wait for their coordinators, in
/// the order in which they began. `POST /api/v1/transactions/commit?id=…`, `…/rollback?id=…` and
/// `…/forget?id=…` end one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionsAnswer {
    /// How many there are.
    pub total: u64,
    /// The first of them, up to the limit.
    pub transactions: Vec<TransactionAnswer>,
}

/// One branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionAnswer {
    /// `XID:[FORMAT,globalId=HEX,branchId=HEX]`.
    pub id: String,
    /// `prepared`, or, ended by an operator and not forgotten, `heuristically_committed` or
    /// `heuristically_rolled_back`.
    pub state: String,
    /// The connection that began it.
    pub connection_id: String,
    /// When it came into this state.
    pub since_unix_ms: i64,
    /// How long it has been in this state.
    pub in_state_ms: u64,
}

/// What became of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionAnswer {
    /// Which.
    pub id: String,
    /// `commit`, `rollback` or `forget`.
    pub decision: String,
}

/// `/api/v1/links`: in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinksAnswer {
    /// All of them.
    pub links: Vec<LinkAnswer>,
}

/// One link of a network connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAnswer {
    /// The connector's name.
    pub connector: String,
    /// The address that it dials; of a link that the remote broker made, where that is.
    pub remote_uri: String,
    /// `connector`, or `peer` for the way back over a duplex link that the remote broker made.
    pub made_by: String,
    /// The broker there, as it last introduced itself; null before it has.
    pub remote_broker: Option<BrokerName>,
    /// `connecting`, `handshaking`, `live`, `waiting_to_retry`, `standby`, `given_up` or `stopped`.
    pub state: String,
    /// Why it is down; null when it is not.
    pub reason: Option<String>,
    /// When it came into this state.
    pub since_unix_ms: i64,
    /// How long it has been in this state.
    pub in_state_ms: u64,
    /// How long ago the remote broker last proved, by an answer, that it lives; null before it has.
    pub proven_ms_ago: Option<u64>,
    /// Until the next attempt; null when none is waited for.
    pub next_try_in_ms: Option<u64>,
    /// Messages that the remote broker has.
    pub forwarded: u64,
    /// Messages that it has not confirmed yet.
    pub in_flight: u64,
    /// Messages that it may have from before, and that are held until it has been asked: at most.
    #[serde(default)]
    pub in_doubt: u64,
    /// Destinations with demand beyond the link.
    pub demands: u64,
    /// Refusals by the remote broker, each try counted.
    pub refused: u64,
    /// The same by reason: `security`, `no_destination`, `full`, `remote_failing` or `other`.
    pub refused_by_reason: BTreeMap<String, u64>,
    /// Consumers beyond the link that were announced and not followed, by the verdict on them.
    pub demand_ignored_by_reason: BTreeMap<String, u64>,
    /// Bytes sent over the link, former connections included.
    pub bytes_sent: u64,
    /// Bytes received over it.
    pub bytes_received: u64,
    /// How long ago the remote broker was heard over the present connection, be it a sign of life
    /// alone; null before.
    pub heard_ms_ago: Option<u64>,
    /// Messages given to the local dead letters after refusals.
    pub given_up: u64,
    /// Copies that overlapping demands brought and that did not cross.
    pub duplicates: u64,
    /// Messages that could not cross and returned to their queues.
    pub held: u64,
    /// What went wrong last, also when the link is up again.
    pub last_error: Option<String>,
}

/// `/api/v1/network`: the network as this broker knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAnswer {
    /// This broker.
    pub broker: BrokerName,
    /// The links that it makes: messages leave over them.
    pub bridges_to: Vec<BridgeTo>,
    /// The brokers that bridged to it: messages come in from them.
    pub bridged_from: Vec<BridgedFrom>,
}

/// A link to another broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeTo {
    /// The connector's name.
    pub connector: String,
    /// The address that it dials.
    pub remote_uri: String,
    /// The broker there, as it last introduced itself; null before it has.
    pub remote_broker: Option<BrokerName>,
    /// The software there, where it says: `ActiveMQ 5.17.2`.
    pub remote_product: Option<String>,
    /// As in `/api/v1/links`.
    pub state: String,
    /// Why it is down; null when it is not.
    pub reason: Option<String>,
    /// How long it has been in this state.
    pub in_state_ms: u64,
    /// Until the next attempt; null when none is waited for.
    pub next_try_in_ms: Option<u64>,
    /// Messages that the remote broker has.
    pub forwarded: u64,
    /// Messages that it has not confirmed yet.
    pub in_flight: u64,
}

/// A bridge of another broker to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgedFrom {
    /// The other broker.
    pub broker: BrokerName,
    /// Its software, where it says: `ActiveMQ 5.17.2`.
    pub product: Option<String>,
    /// Where its connection comes from.
    pub remote: String,
    /// When it came.
    pub since_unix_ms: i64,
}

/// What stands in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong, and what to do.
    pub error: String,
}

/// `POST /api/v1/destinations/release`: damaged messages of a queue are forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseAnswer {
    /// `queue://orders`.
    pub queue: String,
    /// How many there were.
    pub released: u64,
}
