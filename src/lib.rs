//! FerryMQ: a federated message broker network that speaks OpenWire.

pub mod admin;
pub mod cli;
pub mod config;
pub mod connection;
pub mod destination;
pub mod node;
pub mod routing;
pub mod selector;
pub mod transaction;
