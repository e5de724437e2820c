//! How much room a batch takes, before it is written.

use super::format::{BODY_PREFIX, GROUP_HEADER, HEADER, TRAILER};
use crate::contract::Operation;

/// The most that a batch may take: what one segment of its own can hold.
pub(super) const MOST_BATCH: u64 = 2 * 1024 * 1024 * 1024;

/// What a batch takes beside its operations if it is a group of its own: header, padding, and its
/// place in the summary.
const GROUP: u64 = GROUP_HEADER as u64 + 8 + 8;

/// The most that these operations take in a segment. Records stand in it twice: in their group, and
/// in the summary.
pub(super) fn of_batch(operations: &[Operation]) -> u64 {
    GROUP + operations.iter().map(of_operation).sum::<u64>()
}

pub(super) fn of_operation(operation: &Operation) -> u64 {
    let (record, body) = match operation {
        Operation::Append { holders, body, .. } => {
            (17 + 4 * holders.as_slice().len(), BODY_PREFIX + body.len())
        }
        Operation::Acknowledge { .. } => (17, 0),
        Operation::Clear { .. } => (5, 0),
        Operation::Put { key, value, .. } => (8 + key.len(), BODY_PREFIX + value.len()),
        Operation::Remove { key, .. } => (4 + key.len(), 0),
    };
    (2 * record + body) as u64
}

/// What an empty segment of this length has room for.
pub(super) fn usable(capacity: u32) -> u64 {
    let taken = HEADER + TRAILER + GROUP_HEADER + 8;
    u64::from(capacity).saturating_sub(taken as u64)
}

/// The length of a segment that has room for this.
pub(super) fn segment_for(cost: u64) -> u32 {
    let length = (cost + (HEADER + TRAILER + GROUP_HEADER + 8) as u64).next_multiple_of(4096);
    u32::try_from(length).unwrap_or(u32::MAX)
}
