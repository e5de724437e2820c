//! What a broker must not forget.
//!
//! [`Store`](contract::Store) is the contract: batches of changes go in, each is atomic, and a
//! [`Listener`](contract::Listener) hears when it is durable. [`MemoryStore`](memory::MemoryStore)
//! keeps everything in memory; [`Journal`](journal::Journal) keeps it on a disk. A disk is a
//! [`Volume`](volume::Volume): a directory, or a simulated one that loses what disks lose.
//!
//! This crate knows neither the wire nor the broker: bodies, keys and values are bytes, queues and
//! messages are numbers. It does not decide who waits when there is no room; it only says so.

pub mod contract;
pub mod journal;
pub mod memory;
pub mod volume;
