//! Looking at a journal that no broker has open, and packing it.

mod compact;
mod presence;
mod stats;
mod verify;

pub use compact::{CompactError, Compacted, compact};
pub use presence::is_in;
pub use stats::{QueueStats, Stats, TableStats, stats};
pub use verify::{Finding, Verified, verify};
