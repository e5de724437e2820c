//! Broker configuration: the checked data, and how it is read from TOML and from flags.

mod admin;
mod broker;
mod cluster_clients;
mod findings;
mod host_name;
mod load;
mod policy_order;
mod reference;
mod sections;
mod store;
mod virtual_topic;

#[cfg(test)]
mod tests;

pub use admin::{AdminAddress, AdminAddressError, AdminConfig, AdminListen};
pub use broker::{
    AuditPolicy, BrokerConfig, DeadLetterSettings, DestinationPolicy, Limits, RedeliverySettings,
    ReplaySettings, TransportConnectorConfig,
};
pub use cluster_clients::{ClusterClients, NameFilter};
pub use ferrymq_network::document::problem::{
    Problem as ConfigError, Problems as ConfigErrors, Severity,
};
pub use host_name::host_name;
pub use load::{Flags, load, load_with_findings};
pub use reference::{ConfigTable, tables};
pub use sections::BrokerFile;
pub use store::{StoreConfig, SyncStrategy};
pub use virtual_topic::VirtualTopic;
