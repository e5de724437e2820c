//! The settings of a network connector, which a broker's configuration and a topology's links
//! share.

use ferrymq_transport::uri::Uri;

use crate::config::NetworkConnectorConfig;
use crate::destination_pattern::DestinationPattern;
use crate::section;

use super::located::Located;
use super::reader::Reader;

section! {
    /// What a network connector forwards, and how.
    pub struct ConnectorOptions {
        /// Whether consumers with the same wish share one subscription, so that a message crosses
        /// once; the default is true.
        optional conduit_subscriptions: bool,
        /// Whether that goes for queues that other bridges want, too; the default is false.
        optional conduit_network_queue_subscriptions: bool,
        /// Forward only these on demand; the default is all.
        optional dynamically_included
            ("dynamically_included", "dynamically_included_destinations"): Vec<Located<DestinationPattern>>,
        /// Forward these without waiting for demand.
        optional statically_included
            ("statically_included", "statically_included_destinations"): Vec<Located<DestinationPattern>>,
        /// Never forward these, whatever else matches them.
        optional excluded
            ("excluded", "excluded_destinations"): Vec<Located<DestinationPattern>>,
        /// Whether temporary destinations cross; the default is true.
        optional bridge_temp_destinations: bool,
        /// Sets `message_ttl` and `consumer_ttl`.
        optional network_ttl: i32,
        /// Bridges that a message may pass; -1, the default, is no limit.
        optional message_ttl: i32,
        /// Bridges that a demand may pass; -1, the default, is no limit.
        optional consumer_ttl: i32,
        /// Messages that may be on their way over the bridge for one demand; the default is 1000.
        optional prefetch_size: u32,
        /// Whether bridges take what local consumers leave; the default is true.
        optional decrease_network_consumer_priority: bool,
        /// The priority of a bridge's consumer; the default is -5.
        optional consumer_priority_base: i8,
        /// Whether non-persistent messages wait for the far broker's answer; the default is true.
        optional always_sync_send: bool,
        /// The name to log in with at the far broker.
        optional user_name: String,
        /// The password to log in with at the far broker.
        optional password: String,
    }
    refused {
        "duplex" => "duplex bridges are not supported yet; make a second connector for the other direction",
    }
}
