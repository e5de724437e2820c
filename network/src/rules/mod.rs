//! What may cross a bridge: pure functions that answer with a reason.
//!
//! Each rule has its one home here. The subscription that dispatches, the bridge and whoever
//! explains ask the same function. Nothing here keeps state or does anything.

pub mod demand;
pub mod forward;
pub mod permit;
pub mod replay;
pub mod verdict;
