//! What a group changes, with the places of what it keeps.

use bytes::Bytes;

use super::place::Place;
use crate::contract::{Holders, QueueId, Table};

/// One change, written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journal) enum Change {
    Append { holders: Holders, sequence: u64, place: Place },
    Acknowledge { queue: QueueId, sequence: u64 },
    Clear { queue: QueueId },
    Put { table: Table, key: Bytes, place: Place },
    Remove { table: Table, key: Bytes },
}
