//! What the promise tests share: child processes that die with their handle, a FerryMQ broker and
//! a real ActiveMQ broker as such children, ActiveMQ's JMS client driven line by line, raw OpenWire
//! sockets, and waiting for conditions with a deadline.
//!
//! Every test binary compiles this module and uses its own part of it, hence the two allowances.
#![allow(dead_code, unused_imports, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod activemq;
mod dns;
mod ferrymq;
mod http;
mod java;
mod jms;
mod lan;
mod links;
mod native;
mod network;
mod process;
mod proxy;
mod raw;
mod subject;
mod wait;

pub use activemq::{ActiveMq, ActiveMqSetup};
pub use dns::NameServer;
pub use ferrymq::{Ferry, FerrySetup, ferrymq_command};
pub use http::{Answer, get, raw_http};
pub use jms::{Jms, JmsError};
pub use lan::{Host, Lan};
pub use links::{Links, links, links_of, until_linked};
pub use native::{Native, destination, nothing_comes, numbers, text, text_within};
pub use network::{CHAIN, Consumed, MESH, Network, RING, Shape, TREE, churn, number_from};
pub use process::{Ended, Process};
pub use proxy::Proxy;
pub use raw::{BROKER_INFO, RawPeer, WIRE_FORMAT_INFO};
pub use subject::{Kind, Subject, SubjectSetup, free_port, on_both, on_both_keeping, subjects};
pub use wait::{Deadline, PATIENCE, until, until_steady};
