//! Discovery: where the addresses of brokers come from, and how a broker makes its own known.
//!
//! An [`agent::Agent`] is read from an address such as `static:(…)` or `multicast://default`.
//! Started, it shows at any time [who is there](known::Known), for network connectors and for
//! clients alike. It dials nobody: when to dial, and when again, is for whoever asks.

pub mod agent;
pub mod announce;
pub mod dns;
pub mod error;
pub mod file;
pub mod http;
pub mod known;
pub mod list;
pub mod multicast;
pub mod own;
pub mod registry;

mod allowance;
mod found;
mod running;
