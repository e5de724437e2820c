//! A broker in this process, and peers that say exactly what a test wants said: commands, one by
//! one, over a socket or an in-process link.
//!
//! Every test binary compiles this module and uses its own part of it, hence the allowances.
#![allow(dead_code, unused_imports, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod node;
mod peer;

pub use node::{
    PATIENCE, broker, keeping_broker, limited, networked_broker, paced_broker, spooling_broker,
    until,
};
pub use peer::{Wire, number_of};
