//! What a node is doing.

use ferrymq_network::connector::LinkStatus;

use crate::routing::DestinationSnapshot;

/// A node at one moment.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// The broker's name.
    pub name: String,
    /// Open connections, bridges' own included.
    pub connections: usize,
    /// Bytes that messages hold.
    pub memory: u64,
    /// All destinations, by address.
    pub destinations: Vec<DestinationSnapshot>,
    /// All links of network connectors, in the order of the configuration.
    pub links: Vec<LinkStatus>,
}
