//! FerryMQ: a federated message broker network that speaks OpenWire.

pub mod config;
