//! The journal: a store on a disk.
//!
//! What was submitted is written by one thread, in groups that are there whole or not at all, to
//! segments that follow each other; [FORMAT.md](../../FORMAT.md) draws them. Where each message is
//! stands in memory, and in the summary of each full segment, so that opening is quick. What is
//! acknowledged leaves its segment emptier; segments go from the first on, and what is kept long is
//! moved to the end, so that it pins nothing.

mod cost;
mod engine;
mod format;
mod group;
mod index;
pub mod inspect;
mod intake;
mod load;
mod mover;
mod options;
mod reading;
mod repair;
mod scan;
mod segment;
mod shared;
mod store;
mod summary;
mod upkeep;
mod worker;

pub use load::{OpenError, TornTail};
pub use options::{Drive, Options, Sync};
pub use repair::Opened;
pub use store::Journal;
