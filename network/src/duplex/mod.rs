//! One link for two bridges.
//!
//! A duplex link carries two conversations, each of which exists without it too: the own bridge
//! talks to the far broker, and the far broker's bridge to this one. Commands say by their kind
//! which conversation they belong to. So a [multiplexer](split) makes two links out of one, and
//! neither the bridge nor the broker's connection knows of the other.

mod backlog;
mod multiplexer;
mod sort;

pub use multiplexer::{Halves, Wire, split};
