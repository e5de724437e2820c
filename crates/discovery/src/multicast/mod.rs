//! Brokers that announce themselves to a multicast group, in ActiveMQ's packets.
//!
//! ```text
//! default.ActiveMQ-4.alive.%localhost%tcp://broker:61616
//! \group/            \said/ \whose name\service
//! ```
//!
//! ActiveMQ writes `localhost` for every name and reads none; between FerryMQ brokers that share a
//! secret, the name holds the proof that they do.

mod announcing;
mod config;
mod group;
#[cfg(test)]
mod group_tests;
mod interface;
mod listening;
mod packet;
mod secret;
mod socket;

pub use config::{ANNOUNCE_OPTIONS, LISTEN_OPTIONS, MulticastConfig};

pub(crate) use announcing::announce;
pub(crate) use config::TITLE;
pub(crate) use listening::listen;
