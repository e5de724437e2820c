//! Making groups of operations.

use std::collections::HashMap;

use bytes::Bytes;

use super::format::{BODY_PREFIX, GROUP_HEADER, GroupHeader, RecordWriter, body_checksum, padded};
use super::index::{Change, Index, Place};
use crate::contract::{Holders, Operation, QueueId, Table};

/// A group that is being made: its bytes, and what it changes.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Room for the header, then bodies, later the rest.
    bytes: Vec<u8>,
    records: RecordWriter,
    /// Places are relative to the group until it is placed.
    changes: Vec<Change>,
    /// The highest number of a message that was appended, written or not.
    last_sequence: u64,
}

/// Buffers that grew beyond this are given back.
const KEPT: usize = 8 * 1024 * 1024;

impl Group {
    /// Empties it; `last_sequence` is the highest number until now.
    pub(super) fn begin(&mut self, last_sequence: u64) {
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.resize(GROUP_HEADER, 0);
        self.records.clear();
        self.changes.clear();
        self.last_sequence = last_sequence;
    }

    pub(super) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Its records.
    pub(super) fn records(&self) -> &[u8] {
        &self.records.bytes
    }

    /// Bytes of bodies so far.
    pub(super) fn bodies(&self) -> usize {
        self.bytes.len() - GROUP_HEADER
    }

    pub(super) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Adds operations, without the messages that they append and acknowledge at once.
    pub(super) fn add_all(&mut self, operations: &[Operation], index: impl Fn() -> Fleeting) {
        let fleeting = if mixes(operations) { index() } else { Fleeting::default() };
        for (nth, operation) in operations.iter().enumerate() {
            if let Operation::Append { sequence, .. } = operation {
                self.last_sequence = self.last_sequence.max(*sequence);
            }
            if !fleeting.covers(nth) {
                self.add(operation);
            }
        }
    }

    fn add(&mut self, operation: &Operation) {
        match operation {
            Operation::Append { holders, sequence, body } => {
                // Nobody could ever acknowledge what nobody holds.
                if !holders.as_slice().is_empty() {
                    let checksum = body_checksum(*sequence, body);
                    self.append(holders.clone(), *sequence, body, checksum);
                }
            }
            Operation::Acknowledge { queue, sequence } => {
                self.records.acknowledge(*queue, *sequence);
                self.changes.push(Change::Acknowledge { queue: *queue, sequence: *sequence });
            }
            Operation::Clear { queue } => {
                self.records.clear_queue(*queue);
                self.changes.push(Change::Clear { queue: *queue });
            }
            Operation::Put { table, key, value } => {
                self.put(*table, Bytes::copy_from_slice(key), value, body_checksum(0, value));
            }
            Operation::Remove { table, key } => {
                self.records.remove(*table, key);
                self.changes.push(Change::Remove { table: *table, key: key.clone() });
            }
        }
    }

    /// Adds a message with its checksum.
    pub(super) fn append(&mut self, holders: Holders, sequence: u64, body: &[u8], checksum: u32) {
        self.records.append(&holders, sequence, body.len() as u32);
        let place = self.body(body, checksum);
        self.changes.push(Change::Append { holders, sequence, place });
    }

    /// Adds an entry with its value's checksum. `key` holds on to no larger buffer.
    pub(super) fn put(&mut self, table: Table, key: Bytes, value: &[u8], checksum: u32) {
        self.records.put(table, &key, value.len() as u32);
        let place = self.body(value, checksum);
        self.changes.push(Change::Put { table, key, place });
    }

    fn body(&mut self, body: &[u8], checksum: u32) -> Place {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        self.bytes.extend_from_slice(body);
        debug_assert_eq!(self.bytes.len(), offset as usize + BODY_PREFIX + body.len());
        Place { segment: 0, offset, length: body.len() as u32 }
    }

    /// Puts header and records around the bodies: what is to be written. `header` says all but
    /// lengths and checksum.
    pub(super) fn finish(&mut self, mut header: GroupHeader) -> &[u8] {
        header.bodies = self.bodies() as u32;
        header.records = self.records.bytes.len() as u32;
        header.checksum = crc32fast::hash(&self.records.bytes);
        header.last_sequence = self.last_sequence;
        self.bytes.extend_from_slice(&self.records.bytes);
        let length = padded(self.bytes.len() as u64) as usize;
        self.bytes.resize(length, 0);
        if let Some(place) = self.bytes.first_chunk_mut() {
            *place = header.encode();
        }
        &self.bytes
    }

    /// What it changes, now that it stands at `offset` in `segment`.
    pub(super) fn placed(
        &mut self,
        segment: u32,
        offset: u32,
    ) -> impl Iterator<Item = Change> + '_ {
        self.changes.drain(..).map(move |mut change| {
            if let Change::Append { place, .. } | Change::Put { place, .. } = &mut change {
                place.segment = segment;
                place.offset += offset;
            }
            change
        })
    }
}

/// Whether some of these append and others acknowledge.
fn mixes(operations: &[Operation]) -> bool {
    let appends = |operation: &Operation| matches!(operation, Operation::Append { .. });
    let acknowledges = |operation: &Operation| matches!(operation, Operation::Acknowledge { .. });
    operations.iter().any(appends) && operations.iter().any(acknowledges)
}

/// Which of some operations need not be written: a message that comes and goes within one group,
/// which is there whole or not at all, leaves nothing.
#[derive(Debug, Default)]
pub(super) struct Fleeting(Vec<bool>);

impl Fleeting {
    /// Those of `operations`, given what was kept before them.
    pub(super) fn among(operations: &[Operation], index: &Index) -> Self {
        // `None` where a message replaces another, which must be written so that the other goes.
        let mut come: HashMap<(QueueId, u64), Option<usize>> = HashMap::new();
        let mut fleeting = vec![false; operations.len()];
        for (nth, operation) in operations.iter().enumerate() {
            match operation {
                Operation::Append { holders, sequence, .. } => {
                    for &holder in holders.as_slice() {
                        let new = !come.contains_key(&(holder, *sequence))
                            && matches!(holders, Holders::One(_))
                            && index.place_of(holder, *sequence).is_none();
                        come.insert((holder, *sequence), new.then_some(nth));
                    }
                }
                Operation::Acknowledge { queue, sequence } => {
                    let Some(Some(appended)) = come.get(&(*queue, *sequence)).copied() else {
                        continue;
                    };
                    come.remove(&(*queue, *sequence));
                    for at in [appended, nth] {
                        fleeting.get_mut(at).into_iter().for_each(|is| *is = true);
                    }
                }
                Operation::Clear { .. } | Operation::Put { .. } | Operation::Remove { .. } => {}
            }
        }
        Self(fleeting)
    }

    fn covers(&self, nth: usize) -> bool {
        self.0.get(nth).copied().unwrap_or(false)
    }
}
