//! Networks of brokers: connectors that find peers, bridges that forward on demand, and the model
//! of a whole topology.
//!
//! This crate knows brokers only from outside. It reaches remote ones through the transport, and
//! its own through one small port, [`local_broker::LocalBroker`]: a bridge is a client of both.
//! What may cross a bridge is decided by [`rules`], which the broker asks as well when it
//! dispatches.

pub mod bridge;
pub mod broker_path;
pub mod composite;
pub mod config;
pub mod connector;
pub mod demand;
pub mod destination_pattern;
pub mod discovery;
pub mod document;
pub mod duplex;
pub mod local_broker;
pub mod network_properties;
pub mod rules;
pub mod topology;

pub use local_broker::{BrokerIdentity, LocalBroker};

#[cfg(test)]
mod testing;
