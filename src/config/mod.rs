//! Broker configuration: the checked data, and how it is read from TOML and from flags.

pub mod broker;
