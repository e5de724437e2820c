//! The tables of a broker's configuration file, as they are written.

use std::num::NonZeroU32;
use std::time::Duration;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::document::addresses::{AnnounceAddress, ListenAddress, PeersAddress};
use ferrymq_network::document::connector_options::ConnectorOptions;
use ferrymq_network::document::names::Name;
use ferrymq_network::document::units::ByteSize;
use ferrymq_network::section;

use super::admin::{AdminListen, HostName};
use super::store::{DataDir, SyncStrategy};

section! {
    /// A broker's configuration file.
    pub struct BrokerFile {
        /// The broker as a whole.
        optional broker: BrokerSection,
        /// The addresses that it listens on; the default is one, `tcp://127.0.0.1:61616`.
        repeated transport_connector: TransportConnectorSection,
        /// The connectors that bridge it to others.
        repeated network_connector: NetworkConnectorSection,
        /// Settings by destination.
        repeated destination_policy: PolicySection,
        /// Topics whose messages also go to queues that are named after them; the default is one table
        /// of defaults.
        repeated virtual_topic: VirtualTopicSection,
        /// How what must outlive the broker is kept.
        optional store: StoreSection,
        /// What the broker may use of its machine.
        optional system_usage: SystemUsageSection,
        /// The admin API: status and metrics over HTTP.
        optional admin: AdminSection,
    }
}

section! {
    /// The broker as a whole.
    pub struct BrokerSection {
        /// Its name, unique in its network; without it, the host's name.
        optional name ("name", "broker_name"): Name,
        /// Whether persistent messages (of queues and durable subscriptions) and durable subscriptions
        /// outlive the broker. Without it, they do if there is a `data_dir`.
        optional persistent: bool,
        /// The folder that they are kept in, which no other broker may use; `ferrymq-data` with
        /// `persistent = true` alone.
        optional data_dir ("data_dir", "data_directory"): DataDir,
        /// Whether there are virtual topics: those of the tables `virtual_topic`.
        optional use_virtual_topics: bool = "true",
    }
    refused {
        "network_connector_start_async" => "connectors always start side by side",
        "use_virtual_dest_subs" => "virtual destinations need no flag",
        "use_virtual_dest_subs_on_creation" => "virtual destinations need no flag",
    }
}

section! {
    /// One address that the broker listens on.
    pub struct TransportConnectorSection {
        /// The connector's name, for logs.
        optional name: Name = "\"openwire\"",
        /// The address: `tcp://HOST:PORT`, with options.
        required uri: ListenAddress,
        /// Whether clients that fail over learn which brokers the network has.
        optional update_cluster_clients: bool = "false",
        /// Whether clients that fail over are sent to brokers that have fewer, a few at a time.
        optional rebalance_cluster_clients: bool = "false",
        /// Whether they learn of brokers that are gone, too.
        optional update_cluster_clients_on_remove: bool = "false",
        /// Of which brokers they learn: regular expressions between commas, one of which must match
        /// the broker's whole name; without it, of all.
        optional update_cluster_filter: String,
        /// How many clients are sent elsewhere in a second, at most.
        optional rebalance_rate: NonZeroU32 = "10",
        /// Where the address is made known to other brokers, and to clients: `multicast://default`, or a
        /// registry such as `http://HOST:8161/discovery-registry/default`.
        optional discovery_uri: AnnounceAddress,
    }
    refused {
        "audit_network_producers" => "what bridges bring is always audited; `enable_audit` of a destination policy decides",
    }
}

section! {
    /// One connector to other brokers.
    pub struct NetworkConnectorSection {
        /// Its name, unique in this broker; part of client ids at both ends.
        optional name: Name = "\"network\"",
        /// Where the others are, each with a bridge of its own: `static:(tcp://HOST:PORT,…)`,
        /// `masterslave:(…)` for one broker that is at one of several addresses,
        /// `multicast://default` for those that announce themselves, `dns:(…)` for those that a name
        /// server knows, `file:PATH` for those that a file lists, `http://HOST:PORT/PATH/GROUP` for
        /// those that have registered.
        required uri: PeersAddress,
        /// What it forwards, and how.
        shared options: ConnectorOptions,
    }
}

section! {
    /// Settings for the destinations that a pattern matches; of several that match, the most
    /// specific one counts.
    pub struct PolicySection {
        /// The destinations: `queue://orders.>`, `topic://prices.*`.
        required pattern ("match"): DestinationPattern,
        /// What each such destination may hold in memory before its producers wait; without it, as much
        /// as the broker may. Persistent messages of queues at a broker with a store go to disk instead:
        /// 70 % of this stay in memory, or 8 MiB without it.
        optional memory_limit: ByteSize,
        /// What the store may keep of each such queue before its producers of persistent messages wait;
        /// without it, as much as `store_limit` of `[system_usage]` leaves.
        optional store_limit: ByteSize,
        /// Whether a send to such a destination is refused at once when there is no room for it: when
        /// this limit or another one is reached. Without it, as `[system_usage]` says.
        optional send_fail_if_no_space: bool,
        /// How long such a send waits before it is refused; `0s`: for ever. Without it, as
        /// `[system_usage]` says.
        optional send_fail_if_no_space_after_timeout: Duration,
        /// Whether each such destination recognises messages that a bridge brings again, and drops
        /// them.
        optional enable_audit: bool = "true",
        /// How many messages back, by the number that their producer gave them, a queue does so.
        optional max_queue_audit_depth: NonZeroU32 = "10000",
        /// How many messages back a topic does so.
        optional max_audit_depth: NonZeroU32 = "10000",
        /// For how many producers it does so, those of the latest messages.
        optional max_producers_to_audit: NonZeroU32 = "1024",
        /// How long such a queue holds a persistent message that was forwarded, and not answered before
        /// the link was lost, for the broker that may have it: given to anybody else it might arrive
        /// twice. `0s`: not at all.
        optional in_doubt_hold: Duration = "\"30s\"",
        /// How such a queue sends messages back over bridges.
        optional replay: ReplaySection,
        /// How such a queue tries messages again that a consumer refused.
        optional redelivery: RedeliverySection,
        /// What becomes of messages that nobody will get.
        optional dead_letter ("dead_letter", "dead_letter_strategy"): DeadLetterSection,
    }
    refused {
        "network_bridge_filter_factory" => "its options are those of the table `replay`",
    }
}

section! {
    /// How a queue tries messages again that a consumer refused for good, after its own attempts:
    /// ActiveMQ's broker-side redelivery.
    pub struct RedeliverySection {
        /// How often, before a message is a dead letter; 0 is not at all, -1 for ever.
        optional maximum_redeliveries: i32 = "0",
        /// How long a message rests the first time.
        optional initial_redelivery_delay: Duration = "\"1s\"",
        /// How long it rests later, unless that grows.
        optional redelivery_delay: Duration = "\"1s\"",
        /// Whether it rests longer each time.
        optional use_exponential_back_off: bool = "false",
        /// How many times longer.
        optional back_off_multiplier: f64 = "5.0",
        /// How long it rests at most while that grows; without it, any time.
        optional maximum_redelivery_delay: Duration,
    }
}

section! {
    /// What becomes of messages that nobody will get, because they expired or a consumer refused
    /// them. The cause goes into the property `dlqDeliveryFailureCause`.
    pub struct DeadLetterSection {
        /// Where they go, all together (`sharedDeadLetterStrategy`).
        optional dead_letter_queue: DestinationPattern = "\"queue://ActiveMQ.DLQ\"",
        /// Whether those of each destination have a place of their own instead
        /// (`individualDeadLetterStrategy`).
        optional individual: bool = "false",
        /// What stands before a queue's name in that of its place.
        optional queue_prefix: String = "\"ActiveMQ.DLQ.Queue.\"",
        /// What stands behind it.
        optional queue_suffix: String = "\"\"",
        /// What stands before a topic's name in that of its place.
        optional topic_prefix: String = "\"ActiveMQ.DLQ.Topic.\"",
        /// What stands behind it.
        optional topic_suffix: String = "\"\"",
        /// Whether the place of a queue is a queue, not a topic.
        optional use_queue_for_queue_messages: bool = "true",
        /// Whether the place of a topic is a queue, not a topic.
        optional use_queue_for_topic_messages: bool = "true",
        /// Whether expired messages are kept; without it they are dropped.
        optional process_expired: bool = "true",
        /// Whether non-persistent messages are kept.
        optional process_non_persistent: bool = "false",
        /// How long they are kept; 0 is for ever.
        optional expiration: Duration = "\"0s\"",
        /// Whether a message of a topic has one dead letter, at however many durable subscriptions it
        /// dies; without it there is one for each of them.
        optional enable_audit: bool = "true",
    }
    refused {
        "max_audit_depth" => "a message that has died is known by its place at the broker, not by its producer",
        "max_producers_to_audit" => "a message that has died is known by its place at the broker, not by its producer",
        "destination_per_durable_subscriber" => "dead letters of durable subscriptions go to the place of their topic",
    }
}

section! {
    /// How a queue sends messages back to brokers that they have visited. A message goes back when no
    /// consumer here wants it and no other bridge leads to one that it has not visited, or nearer.
    pub struct ReplaySection {
        /// Whether it does; without it, messages strand where their last consumer left.
        optional replay_when_no_consumers: bool = "true",
        /// How long a message stays at least.
        optional replay_delay: Duration = "\"0s\"",
        /// How many messages each demand gets back within `rate_duration`; 0 is any number.
        optional rate_limit: u32 = "0",
        /// The time that `rate_limit` is about.
        optional rate_duration: Duration = "\"1s\"",
        /// Whether a consumer here keeps only those messages from going back that its selector
        /// matches.
        optional selector_aware: bool = "true",
    }
}

section! {
    /// Topics whose messages also go to queues that are named after them, so that several consumers
    /// can share one subscription.
    pub struct VirtualTopicSection {
        /// The topics: a name or a pattern.
        optional name: String = "\"VirtualTopic.>\"",
        /// What stands before a topic's name in that of its queue: levels, each followed by a dot, `*`
        /// for any one.
        optional prefix: String = "\"Consumer.*.\"",
        /// What stands behind it: levels, each preceded by a dot.
        optional postfix: String = "\"\"",
        /// Whether a queue gets only what one of its consumers selects; without a consumer, nothing.
        optional selector_aware: bool = "false",
        /// Whether messages that come over a bridge are not copied.
        optional local: bool = "false",
    }
    refused {
        "concurrent_send" => "copies are made one after the other",
        "transacted_send" => "copies are always part of the transaction in which their message is sent",
        "drop_on_resource_limit" => "producers wait while a queue that gets a copy is full",
        "set_original_destination" => "a copy always says where its message was sent",
    }
}

section! {
    /// How what must outlive the broker is kept.
    pub struct StoreSection {
        /// When what is written is made to survive a loss of power: `always` (before it is confirmed),
        /// `interval` (at least every `sync_interval`) or `never` (when the system likes). The end of
        /// the process, however sudden, loses nothing that was confirmed in any case.
        optional sync ("sync", "journal_disk_sync_strategy"): SyncStrategy = "\"always\"",
        /// With `sync = "interval"`: what a loss of power may take at most; a second, if it is not said.
        optional sync_interval ("sync_interval", "journal_disk_sync_interval"): Duration,
        /// The length of one of its files, from 16 KiB to 1 GiB, and to a fifth of `store_limit`;
        /// if it is not said, an eighth of a small `store_limit`.
        optional segment_size ("segment_size", "journal_max_file_length"): ByteSize = "\"32MiB\"",
    }
}

section! {
    /// What the broker may use of its machine.
    pub struct SystemUsageSection {
        /// Memory for messages, over all destinations. Persistent messages of queues at a broker with a
        /// store go to disk before it is used up, and wait for `store_limit` only.
        optional memory_limit ("memory_limit", "memory_usage"): ByteSize = "\"512MiB\"",
        /// Disk for what must outlive the broker, before producers of persistent messages wait.
        optional store_limit ("store_limit", "store_usage"): ByteSize = "\"100GiB\"",
        /// Disk for non-persistent messages of queues, which wait there for want of memory, in the folder
        /// `tmp` of `data_dir`; it is emptied at each start. Without a store they wait for memory.
        optional temp_limit ("temp_limit", "temp_usage"): ByteSize = "\"50GiB\"",
        /// Whether a send is refused at once when a limit leaves no room for it, with a
        /// `ResourceAllocationException` that names the limit; without it the send waits. Bridges wait
        /// in any case.
        optional send_fail_if_no_space: bool = "false",
        /// How long such a send waits before it is refused; `0s`: for ever.
        optional send_fail_if_no_space_after_timeout: Duration = "\"0s\"",
    }
}

section! {
    /// The admin API: status and metrics over HTTP, read-only.
    pub struct AdminSection {
        /// Where it answers, or `none`; without it, at `127.0.0.1:8161` unless another process has
        /// that.
        optional address: AdminListen,
        /// Names of this machine that requests may use, beside addresses and `localhost`.
        optional host_names: Vec<HostName> = "[]",
        /// Where other brokers are told that it answers, or `none`; without it, where it does. It is
        /// how `status --network` finds its way, and is told to whoever connects.
        optional announce: AdminListen,
        /// Whether brokers can register there for others to find, at `/discovery-registry/GROUP`, as
        /// ActiveMQ's `http:` discovery agent does it. Whoever reaches the address may register.
        optional discovery_registry: bool = "false",
    }
}
