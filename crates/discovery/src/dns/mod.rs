//! Brokers that a name server knows: the SRV records of a service, or the addresses of a host.

#[cfg(feature = "dns")]
mod asking;
mod config;
#[cfg(feature = "dns")]
mod names;
#[cfg(feature = "dns")]
mod order;
#[cfg(feature = "dns")]
mod resolver;

pub use config::{DnsConfig, DnsName, OPTIONS};

#[cfg(feature = "dns")]
pub(crate) use asking::ask;
pub(crate) use config::TITLE;
