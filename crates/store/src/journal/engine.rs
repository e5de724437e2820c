//! Writes a journal: groups into segments, one segment after the other.
//!
//! It decides what stands where. It does not decide when: whoever drives it does.

use std::sync::Arc;

use super::format::{
    GROUP_HEADER, GroupHeader, GroupKind, HEADER, SegmentHeader, TRAILER, Trailer, padded,
};
use super::group::{Fleeting, Group};
use super::intake::Pending;
use super::options::{Options, Sync};
use super::segment::{Filling, SegmentFile};
use super::shared::Shared;
use super::{cost, summary};
use crate::contract::{Failure, Operation};

/// Batches are put together up to this size.
const MOST_GROUP: u64 = 4 * 1024 * 1024;

/// The one that writes.
pub(super) struct Engine {
    pub(super) shared: Arc<Shared>,
    sync: Sync,
    /// Drawn when the journal was made.
    pub(super) journal: u64,
    pub(super) current: Current,
    /// The last group that was written.
    pub(super) number: u64,
    /// The last group that was synced.
    pub(super) synced: u64,
    pub(super) head: Head,
    pub(super) last_sequence: u64,
    pub(super) group: Group,
    /// Whether the last group says that all before it was synced, and is synced itself.
    pub(super) marked: bool,
    /// Whether all that is in use was in use when the journal was opened.
    pub(super) calm: bool,
}

/// The segment that is being written.
pub(super) struct Current {
    pub(super) segment: u32,
    pub(super) file: SegmentFile,
    /// Where the next group goes.
    pub(super) end: u64,
    /// The records of its groups.
    pub(super) summary: Vec<u8>,
}

/// The lowest segment that is needed. Segments below may only go when a synced group says that
/// they are not needed, and it may only say so when what made them needless was synced before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// As of what is synced.
    pub(super) known: u32,
    /// As the last group says.
    pub(super) written: u32,
    /// As the last synced group says.
    pub(super) durable: u32,
}

impl Engine {
    pub(super) fn new(
        shared: Arc<Shared>,
        options: &Options,
        journal: u64,
        current: Current,
        head: Head,
    ) -> Self {
        Self {
            shared,
            sync: options.sync,
            journal,
            current,
            number: 0,
            synced: 0,
            head,
            last_sequence: 0,
            group: Group::default(),
            marked: false,
            calm: true,
        }
    }

    /// Writes batches, and syncs if that is asked for.
    pub(super) fn write(&mut self, pending: &Pending) -> Result<(), Failure> {
        let mut rest = pending.operations.as_slice();
        let (mut count, mut cost) = (0, 0);
        for batch in &pending.batches {
            let together = cost + batch.cost;
            if count > 0 && (together > MOST_GROUP || together > self.remaining()) {
                rest = self.write_operations(rest, count)?;
                (count, cost) = (0, 0);
            }
            if batch.cost > self.remaining() && count == 0 {
                self.next_segment(batch.cost)?;
            }
            count += batch.operations;
            cost += batch.cost;
        }
        self.write_operations(rest, count)?;
        if self.sync == Sync::Always { self.sync() } else { Ok(()) }
    }

    /// Writes the first `count` operations as a group, unless nothing is left of them.
    fn write_operations<'a>(
        &mut self,
        operations: &'a [Operation],
        count: usize,
    ) -> Result<&'a [Operation], Failure> {
        let (now, later) = operations.split_at_checked(count).unwrap_or((operations, &[]));
        self.group.begin(self.last_sequence);
        let shared = &self.shared;
        self.group.add_all(now, || Fleeting::among(now, &shared.kept.lock().index));
        if self.group.changes() == 0 {
            self.last_sequence = self.group.last_sequence();
            self.shared.kept.lock().index.last_sequence = self.last_sequence;
            return Ok(later);
        }
        self.write_group()?;
        Ok(later)
    }

    /// Writes the group that was made, and notes what it changes.
    pub(super) fn write_group(&mut self) -> Result<(), Failure> {
        let header = self.group_header(GroupKind::Changes);
        let Current { file, end, segment, summary } = &mut self.current;
        let bytes = self.group.finish(header);
        let written = file.file.write_at(bytes, *end);
        written.map_err(file.failure(&*self.shared.volume, "write to"))?;
        let length = bytes.len() as u64;
        let offset = *end as u32;
        summary::add(summary, offset + GROUP_HEADER as u32, self.group.records());
        *end += length;
        self.number += 1;
        self.head.written = self.head.known;
        self.last_sequence = self.group.last_sequence();
        self.marked = false;
        let mut kept = self.shared.kept.lock();
        kept.index.last_sequence = self.last_sequence;
        for change in self.group.placed(*segment, offset) {
            kept.index.apply(change);
        }
        Ok(())
    }

    fn group_header(&self, kind: GroupKind) -> GroupHeader {
        GroupHeader {
            kind,
            segment: self.current.segment,
            journal: self.journal,
            number: self.number + 1,
            synced: self.synced,
            last_sequence: self.last_sequence,
            head: self.head.known,
            bodies: 0,
            records: 0,
            checksum: 0,
        }
    }

    /// Makes all that was written durable. After a failure nothing may be written any more.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        if self.synced == self.number {
            return Ok(());
        }
        let file = &self.current.file;
        file.file.sync().map_err(file.failure(&*self.shared.volume, "sync"))?;
        self.synced = self.number;
        self.head.durable = self.head.written;
        self.head.known = self.reachable();
        Ok(())
    }

    /// The lowest segment that is needed, as of what is written.
    pub(super) fn reachable(&self) -> u32 {
        let first = self.shared.kept.lock().index.first_live();
        first.unwrap_or(u32::MAX).min(self.current.segment)
    }

    /// Says durably that all until now is durable, and which segment is the lowest that is needed.
    pub(super) fn mark(&mut self) -> Result<(), Failure> {
        self.sync()?;
        self.group.begin(self.last_sequence);
        if self.remaining() < cost::of_batch(&[]) {
            self.next_segment(0)?;
        }
        self.write_group()?;
        self.sync()?;
        self.marked = true;
        Ok(())
    }

    /// What the current segment has room for.
    pub(super) fn remaining(&self) -> u64 {
        let Current { file, end, summary, .. } = &self.current;
        let taken = end + summary.len() as u64 + (GROUP_HEADER + 8 + TRAILER) as u64;
        u64::from(file.capacity).saturating_sub(taken)
    }

    /// Seals the current segment and begins one that has room for this.
    pub(super) fn next_segment(&mut self, cost: u64) -> Result<(), Failure> {
        self.seal()?;
        let spare = {
            let mut intake = self.shared.intake.lock();
            let large = cost > intake.room.usable;
            if large { intake.room.large.take() } else { intake.room.spares.pop() }
        };
        let file = match spare {
            Some(spare) => spare,
            None => {
                let capacity = self.shared.intake.lock().room.capacity;
                self.shared.make(capacity.max(cost::segment_for(cost)), Filling::None)?
            }
        };
        self.calm = false;
        self.begin(file)?;
        self.shared.making.notify_one();
        Ok(())
    }

    /// Ends the current segment with its summary. From here on the segment is read by that alone, so
    /// it is synced in any case.
    pub(super) fn seal(&mut self) -> Result<(), Failure> {
        let header = GroupHeader {
            records: self.current.summary.len() as u32,
            checksum: crc32fast::hash(&self.current.summary),
            ..self.group_header(GroupKind::Summary)
        };
        let Current { file, end, summary, segment } = &self.current;
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(summary);
        let trailer =
            Trailer { journal: self.journal, segment: *segment, summary: *end as u32 }.encode();
        let last = u64::from(file.capacity) - TRAILER as u64;
        debug_assert!(padded(end + bytes.len() as u64) <= last);
        let written = file.file.write_at(&bytes, *end);
        let written = written.and_then(|()| file.file.write_at(&trailer, last));
        written.map_err(file.failure(&*self.shared.volume, "write to"))?;
        self.number += 1;
        self.head.written = self.head.known;
        self.sync()
    }

    /// Goes on in an empty file.
    pub(super) fn begin(&mut self, file: SegmentFile) -> Result<(), Failure> {
        let header = SegmentHeader {
            journal: self.journal,
            segment: self.current.segment + 1,
            capacity: file.capacity,
            head: self.head.known,
            first_group: self.number + 1,
            last_sequence: self.last_sequence,
        };
        let written = file.file.write_at(&header.encode(), 0).and_then(|()| file.file.sync());
        written.map_err(file.failure(&*self.shared.volume, "begin"))?;
        self.head.durable = self.head.known;
        let segment = header.segment;
        let used = {
            let mut kept = self.shared.kept.lock();
            kept.segments.insert(segment, file.clone());
            kept.segments.values().map(|file| u64::from(file.capacity)).sum()
        };
        self.current = Current { segment, file, end: HEADER as u64, summary: Vec::new() };
        self.shared.intake.lock().room.used = used;
        Ok(())
    }
}
