//! FerryMQ: a federated message broker network that speaks OpenWire.

pub mod cli;
pub mod config;
