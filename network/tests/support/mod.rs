//! Two fake brokers with a bridge between them, stepped by hand: every command stands on a wire
//! until a test lets it arrive.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod broker;
pub mod local;
pub mod make;
pub mod remote;
pub mod world;
