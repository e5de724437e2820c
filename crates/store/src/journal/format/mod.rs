//! How a journal is written: [FORMAT.md](../../../FORMAT.md) draws it.
//!
//! Pure functions from bytes to values and back; what the values mean together is for recovery.

mod bytes;
mod group;
mod header;
mod record;

pub(super) use bytes::{Cursor, body_checksum, padded};
pub(super) use group::{GROUP_HEADER, GroupHeader, GroupKind, TRAILER, Trailer};
pub(super) use header::{HEADER, HeaderError, SegmentHeader};
pub(super) use record::{BODY_PREFIX, Record, RecordWriter, Records};
