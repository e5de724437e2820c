//! A broker's configuration as plain data, checked: what the node is built from.
//!
//! How the text of a file or of a command line becomes this is the business of the neighbouring
//! modules; nothing here knows about files.

use std::time::Duration;

use ferrymq_discovery::announce::Announce;
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::endpoint::Endpoint;

use super::admin::AdminConfig;
use super::cluster_clients::ClusterClients;
use super::store::StoreConfig;
use super::virtual_topic::VirtualTopic;

/// Everything that decides what one broker does.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The broker's name, unique in its network.
    pub name: String,
    /// Where it listens; never empty, and no name twice.
    pub listen: Vec<TransportConnectorConfig>,
    /// The connectors that bridge it to others; no name twice.
    pub network_connectors: Vec<NetworkConnectorConfig>,
    /// How much the broker may hold.
    pub limits: Limits,
    /// Where what must outlive it is kept, which whoever starts the broker opens; `None`: nothing is.
    pub store: Option<StoreConfig>,
    /// The topics whose messages also go to queues.
    pub virtual_topics: Vec<VirtualTopic>,
    /// Its admin API, which whoever starts the broker's process serves.
    pub admin: AdminConfig,
}

/// One address that the broker listens on.
#[derive(Debug, Clone)]
pub struct TransportConnectorConfig {
    /// The connector's name, for logs and status.
    pub name: String,
    /// The address, with the options of its connections (`?wireFormat.…`).
    pub endpoint: Endpoint,
    /// What its clients learn of other brokers.
    pub clients: ClusterClients,
    /// How it is made known, if it is.
    pub announce: Option<Announce>,
}

/// How much the broker may hold in memory before producers have to wait.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of messages, over all destinations.
    pub memory: u64,
    /// Whether a message for which there is no room is refused at once (ActiveMQ's
    /// `sendFailIfNoSpace`).
    pub send_fail_if_no_space: bool,
    /// Else, how long it waits before it is refused; zero: for ever.
    pub send_fail_if_no_space_after_timeout: Duration,
    /// Settings by destination, the most specific pattern first: the first one that matches a
    /// destination and has the setting decides.
    pub policies: Vec<DestinationPolicy>,
}

impl Limits {
    /// The memory of a broker whose configuration names none.
    pub const DEFAULT_MEMORY: u64 = 512 * 1024 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Self::DEFAULT_MEMORY,
            send_fail_if_no_space: false,
            send_fail_if_no_space_after_timeout: Duration::ZERO,
            policies: Vec::new(),
        }
    }
}

/// Settings for the destinations that a pattern matches. What is `None` is left to the next pattern
/// that matches, and at last to the default.
#[derive(Debug, Clone)]
pub struct DestinationPolicy {
    /// The destinations that this is about.
    pub pattern: DestinationPattern,
    /// Bytes of messages that one such destination may hold; `None`: as much as the broker may.
    pub memory_limit: Option<u64>,
    /// Bytes that the store may keep of one such queue before its producers of persistent messages
    /// wait; `None`: as much as it has room for.
    pub store_limit: Option<u64>,
    /// Whether a message for which there is no room is refused at once.
    pub send_fail_if_no_space: Option<bool>,
    /// Else, how long it waits before it is refused; zero: for ever.
    pub send_fail_if_no_space_after_timeout: Option<Duration>,
    /// What such a destination remembers, to recognise what bridges bring again.
    pub audit: AuditPolicy,
    /// How such a queue sends messages back over bridges.
    pub replay: ReplaySettings,
    /// How such a queue tries messages again that a consumer refused.
    pub redelivery: RedeliverySettings,
    /// What becomes of messages that nobody will get.
    pub dead_letter: DeadLetterSettings,
    /// How long such a queue holds what was forwarded and not answered before the link was lost for
    /// the broker that may have it; zero: not at all.
    pub in_doubt_hold: Option<Duration>,
}

/// How a queue tries messages again that a consumer refused.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RedeliverySettings {
    /// How often; 0: not; -1: for ever.
    pub maximum_redeliveries: Option<i32>,
    /// How long a message rests the first time.
    pub initial_redelivery_delay: Option<Duration>,
    /// How long it rests later.
    pub redelivery_delay: Option<Duration>,
    /// Whether it rests longer each time.
    pub use_exponential_back_off: Option<bool>,
    /// How much longer.
    pub back_off_multiplier: Option<f64>,
    /// How long at most.
    pub maximum_redelivery_delay: Option<Duration>,
}

/// What becomes of messages that nobody will get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// Where they go, all together.
    pub dead_letter_queue: Option<Destination>,
    /// Whether those of each destination have a place of their own instead.
    pub individual: Option<bool>,
    /// What stands before a queue's name in that of its place.
    pub queue_prefix: Option<String>,
    /// What stands behind it.
    pub queue_suffix: Option<String>,
    /// The same for a topic's.
    pub topic_prefix: Option<String>,
    /// The same for a topic's.
    pub topic_suffix: Option<String>,
    /// Whether that of a queue is a queue.
    pub use_queue_for_queue_messages: Option<bool>,
    /// Whether that of a topic is a queue.
    pub use_queue_for_topic_messages: Option<bool>,
    /// Whether expired messages are kept.
    pub process_expired: Option<bool>,
    /// Whether non-persistent messages are kept.
    pub process_non_persistent: Option<bool>,
    /// How long they are kept.
    pub expiration: Option<Duration>,
    /// Whether a message that dies at many durable subscriptions has one letter.
    pub enable_audit: Option<bool>,
}

/// How a queue sends messages back to brokers that they have visited, when no consumer is here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplaySettings {
    /// Whether it does.
    pub replay_when_no_consumers: Option<bool>,
    /// How long a message stays at least.
    pub replay_delay: Option<Duration>,
    /// How many messages each demand gets back within `rate_duration`; 0: any number.
    pub rate_limit: Option<u32>,
    /// See `rate_limit`.
    pub rate_duration: Option<Duration>,
    /// Whether a consumer here counts only for messages that its selector matches.
    pub selector_aware: Option<bool>,
}

/// What a destination remembers of the messages that bridges bring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditPolicy {
    /// Whether anything.
    pub enable_audit: Option<bool>,
    /// Of a queue: how many numbers of a producer, back from the highest.
    pub max_queue_audit_depth: Option<usize>,
    /// Of a topic: the same.
    pub max_audit_depth: Option<usize>,
    /// How many producers.
    pub max_producers_to_audit: Option<usize>,
}

impl DestinationPolicy {
    /// A policy that sets nothing.
    pub fn new(pattern: DestinationPattern) -> Self {
        Self {
            pattern,
            memory_limit: None,
            store_limit: None,
            send_fail_if_no_space: None,
            send_fail_if_no_space_after_timeout: None,
            audit: AuditPolicy::default(),
            replay: ReplaySettings::default(),
            redelivery: RedeliverySettings::default(),
            dead_letter: DeadLetterSettings::default(),
            in_doubt_hold: None,
        }
    }
}
