//! A broker that a test works by hand.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses its own part")]

mod by_hand;

pub use by_hand::{FakeBroker, Harbour, brief, connected, options, unconnected};
