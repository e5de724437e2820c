//! Clients of brokers that crash, and the book that they keep: what producers were told, what
//! consumers got, and whether it fits together.
//!
//! Every test binary compiles this module and uses its own part of it, hence the allowances.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod book;
mod clients;

pub use book::Book;
pub use clients::{Client, Until};
