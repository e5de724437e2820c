//! What a node is doing.

use std::time::Duration;

use ferrymq_network::BrokerIdentity;
use ferrymq_network::connector::LinkStatus;
use ferrymq_store::contract::Space;
use ferrymq_transport::endpoint::Endpoint;

use crate::routing::{DestinationSnapshot, LimitSnapshot, Totals};

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

/// A node's broker at one moment, without what it consists of.
#[derive(Debug, Clone)]
pub struct BrokerStatus {
    /// Who it is.
    pub identity: BrokerIdentity,
    /// The addresses that it listens on, in the order of the configuration.
    pub listening: Vec<Endpoint>,
    /// When it started, in milliseconds since 1970.
    pub started: i64,
    /// How long it has been running.
    pub uptime: Duration,
    /// Open connections, bridges' own included.
    pub connections: usize,
    /// Living destinations.
    pub destinations: usize,
    /// Bytes that messages hold.
    pub memory_used: u64,
    /// Bytes at which producers have to wait.
    pub memory_limit: u64,
    /// What the store has of its disk, where there is one.
    pub store: Option<Space>,
    /// What the temporary store has, while there is one.
    pub spool: Option<Space>,
    /// How each limit stands.
    pub limits: Vec<LimitSnapshot>,
    /// Messages that brokers beyond bridges may have: at most.
    pub in_doubt: usize,
    /// Bytes of what audits remember.
    pub audit_bytes: usize,
    /// What was counted at all destinations since the start, gone ones included.
    pub totals: Totals,
}
