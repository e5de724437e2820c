//! What a broker's configuration file may contain, for a reference.

use ferrymq_network::document::table::{Field, Fields};

use super::sections::{
    AdminSection, BrokerSection, DeadLetterSection, NetworkConnectorSection, PolicySection,
    RedeliverySection, ReplaySection, StoreSection, SystemUsageSection, TransportConnectorSection,
    VirtualTopicSection,
};

/// One table of a configuration file.
#[derive(Debug)]
pub struct ConfigTable {
    /// Its name: `network_connector`.
    pub name: &'static str,
    /// As it stands in a file: `[[network_connector]]`.
    pub heading: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What it may contain, in the order of its declaration.
    pub fields: Vec<Field>,
}

/// The tables of a broker's configuration file.
pub fn tables() -> Vec<ConfigTable> {
    vec![
        ConfigTable {
            name: "broker",
            heading: "[broker]",
            about: "The broker as a whole.",
            fields: BrokerSection::fields(),
        },
        ConfigTable {
            name: "transport_connector",
            heading: "[[transport_connector]]",
            about: "An address that the broker listens on. Without any it listens on \
                    `tcp://127.0.0.1:61616`.",
            fields: TransportConnectorSection::fields(),
        },
        ConfigTable {
            name: "network_connector",
            heading: "[[network_connector]]",
            about: "A connector that bridges the broker to others. A topology's `[[link]]` takes \
                    the same options, in place of `name` and `uri` its own.",
            fields: NetworkConnectorSection::fields(),
        },
        ConfigTable {
            name: "destination_policy",
            heading: "[[destination_policy]]",
            about: "Settings for the destinations that a pattern matches. Of several that match, \
                    the most specific one that has a setting decides it.",
            fields: PolicySection::fields(),
        },
        ConfigTable {
            name: "replay",
            heading: "[destination_policy.replay]",
            about: "How a queue sends messages back to brokers that they have visited: when no \
                    consumer here wants one, and no other bridge leads to one that it has not \
                    visited, or nearer.",
            fields: ReplaySection::fields(),
        },
        ConfigTable {
            name: "redelivery",
            heading: "[destination_policy.redelivery]",
            about: "How a queue tries messages again that a consumer refused for good, after the \
                    consumer's own attempts: ActiveMQ's broker-side redelivery.",
            fields: RedeliverySection::fields(),
        },
        ConfigTable {
            name: "dead_letter",
            heading: "[destination_policy.dead_letter]",
            about: "What becomes of messages that nobody will get, because they expired or a \
                    consumer refused them. The cause goes into the property \
                    `dlqDeliveryFailureCause`; `ferrymq retry` sends them to where they died.",
            fields: DeadLetterSection::fields(),
        },
        ConfigTable {
            name: "virtual_topic",
            heading: "[[virtual_topic]]",
            about: "Topics whose messages also go to queues that are named after them: with the \
                    defaults, `Consumer.NAME.VirtualTopic.X` is a queue of `VirtualTopic.X`. \
                    Without any such table there is one of defaults; `use_virtual_topics` turns it \
                    off.",
            fields: VirtualTopicSection::fields(),
        },
        ConfigTable {
            name: "store",
            heading: "[store]",
            about: "How what must outlive the broker is kept, if it is: see `persistent` and \
                    `data_dir` of `[broker]`.",
            fields: StoreSection::fields(),
        },
        ConfigTable {
            name: "system_usage",
            heading: "[system_usage]",
            about: "What the broker may use of its machine.",
            fields: SystemUsageSection::fields(),
        },
        ConfigTable {
            name: "admin",
            heading: "[admin]",
            about: "The admin API: status and metrics over HTTP, read-only.",
            fields: AdminSection::fields(),
        },
    ]
}
