//! Brokers that a name server knows: the SRV records of a service, or the addresses of a host.

mod asking;
mod config;
mod names;
mod order;
mod resolver;

pub use config::{DnsConfig, DnsName, OPTIONS};

pub(crate) use asking::ask;
pub(crate) use config::TITLE;
