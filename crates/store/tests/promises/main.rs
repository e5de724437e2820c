//! What every store promises, tried on each of them, and what the journal promises beyond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

mod contract;
mod damage;
mod failed_sync;
mod full_disk;
mod history;
mod power_loss;
mod rig;
mod space;
