//! The admin API: what a node is doing, over HTTP. It shows and changes nothing, but for prepared
//! transactions, which an operator may end. Where it is configured to, it keeps a registry of brokers beside that, which has nothing to do with the node.
//!
//! Everything comes from snapshots that [`NodeWatch`](crate::node::NodeWatch) takes when somebody
//! asks. Nothing here is on the way of a message, and nothing below knows of this.
//!
//! Whoever reaches the address may read all of it: there are no users yet. So it answers on the
//! loopback interface unless configured otherwise, and only to requests that call it by an address,
//! `localhost` or a configured name, which keeps web pages from reading it by way of a browser.

pub mod answers;
mod client;
mod cluster;
mod decisions;
pub mod explain;
mod host;
mod metrics;
mod pages;
mod refused;
mod registry;
mod server;
mod snapshot;
mod stage;
pub mod walk;

pub use client::{AdminUrl, AdminUrlError, FetchError, fetch, operate, query};
pub use server::{AdminError, AdminServer};
