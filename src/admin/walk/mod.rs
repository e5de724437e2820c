//! Walking a network: from one broker's admin API to those of all brokers that it leads to.
//!
//! Brokers tell their neighbours where their admin API answers, over the bridges between them. What
//! a walk costs is bounded: brokers, questions at a time, and time.

mod address;
mod driver;
mod map;

pub use driver::{WalkLimits, walk};
pub use map::{NetworkMap, Seen, SeenBroker, SeenLink};
