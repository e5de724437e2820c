//! Reading the groups of a segment one after the other, believing nothing.

use std::io;

use super::format::{
    BODY_PREFIX, Cursor, GROUP_HEADER, GroupHeader, Record, Records, SegmentHeader, body_checksum,
    padded,
};
use super::index::{Change, Place};
use super::segment::SegmentFile;
use crate::volume::VolumeFile;

/// How much is read at once.
const WINDOW: usize = 1024 * 1024;

/// A part of a file, in memory.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: &'a dyn VolumeFile,
    /// Where the segment ends.
    end: u64,
    start: u64,
    bytes: Vec<u8>,
}

/// What stands where a group should.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A group that is whole.
    Group(GroupHeader, &'a [u8]),
    /// A group's header whose group is not whole, at this offset.
    Broken { offset: u64, what: &'static str },
    /// No group of this segment.
    Nothing,
}

impl<'a> Window<'a> {
    pub(super) fn new(segment: &'a SegmentFile) -> Self {
        let end = u64::from(segment.capacity);
        Self { file: &*segment.file, end, start: 0, bytes: Vec::new() }
    }

    /// The bytes at `offset`: fewer than `length` only where the file ends.
    pub(super) fn get(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let inside = offset.checked_sub(self.start).map(|from| from as usize);
        let held = inside.is_some_and(|from| from + length <= self.bytes.len());
        if !held {
            self.start = offset;
            let rest = self.end.saturating_sub(offset).min(WINDOW as u64) as usize;
            self.bytes.resize(length.max(rest), 0);
            let filled = self.file.read_at(&mut self.bytes, offset)?;
            self.bytes.truncate(filled);
        }
        let from = (offset - self.start) as usize;
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..length.min(rest.len())).unwrap_or_default())
    }

    /// The group at `offset`, checked in all its parts, up to `end` (where the file's groups must
    /// end). Its number is not checked.
    pub(super) fn group(&mut self, segment: &SegmentHeader, offset: u64) -> io::Result<Found<'_>> {
        let Some(header) = GroupHeader::decode(self.get(offset, GROUP_HEADER)?) else {
            return Ok(Found::Nothing);
        };
        if header.segment != segment.segment || header.journal != segment.journal {
            return Ok(Found::Nothing);
        }
        if offset + header.length() > u64::from(segment.capacity) {
            return Ok(Found::Broken { offset, what: "a group longer than its segment" });
        }
        let group = self.get(offset, header.length() as usize)?;
        let content = group.get(GROUP_HEADER..).unwrap_or_default();
        Ok(match check_content(&header, content) {
            Ok(()) => Found::Group(header, content),
            Err((at, what)) => Found::Broken { offset: offset + GROUP_HEADER as u64 + at, what },
        })
    }

    /// The next header of a group of this segment from `offset` on that has at least this number.
    pub(super) fn next_header(
        &mut self,
        segment: &SegmentHeader,
        offset: u64,
        number: u64,
    ) -> io::Result<Option<(u64, GroupHeader)>> {
        let mut at = offset;
        while at < u64::from(segment.capacity) {
            let bytes = self.get(at, WINDOW)?;
            let length = bytes.len();
            for (nth, from) in (0..length).step_by(8).enumerate() {
                let header = bytes.get(from..).and_then(GroupHeader::decode);
                let ours = header.filter(|header| {
                    header.segment == segment.segment
                        && header.journal == segment.journal
                        && header.number >= number
                });
                if let Some(header) = ours {
                    return Ok(Some((at + nth as u64 * 8, header)));
                }
            }
            if length < WINDOW {
                break;
            }
            // A header may lie across the border.
            at += (WINDOW - GROUP_HEADER) as u64;
        }
        Ok(None)
    }
}

/// Checks a group's records and bodies; or where, from the end of its header on, what is wrong.
fn check_content(header: &GroupHeader, content: &[u8]) -> Result<(), (u64, &'static str)> {
    let split = content.split_at_checked(header.bodies as usize);
    let Some((bodies, records)) = split else { return Err((0, "a group that is cut off")) };
    if records.len() != header.records as usize {
        return Err((content.len() as u64, "a group that is cut off"));
    }
    let records_at = u64::from(header.bodies);
    if crc32fast::hash(records) != header.checksum {
        return Err((records_at, "the checksum of a group's records"));
    }
    if header.kind == super::format::GroupKind::Summary {
        return Ok(());
    }
    let mut bodies = Cursor(bodies);
    let mut at = 0;
    let mut records = Records::new(records);
    for record in records.by_ref() {
        let (sequence, length) = match record {
            Record::Append { sequence, length, .. } => (sequence, length),
            Record::Put { length, .. } => (0, length),
            _ => continue,
        };
        let checksum = bodies.u32();
        let body = bodies.take(length as usize);
        if body.map(|body| body_checksum(sequence, body)) != checksum || checksum.is_none() {
            return Err((at, "the checksum of a body"));
        }
        at += BODY_PREFIX as u64 + u64::from(length);
    }
    if !records.is_whole() || !bodies.0.is_empty() {
        return Err((records_at, "records that make no sense"));
    }
    Ok(())
}

/// Calls `visit` with each change of a group whose bodies begin at `bodies`; says whether its
/// records made sense.
pub(super) fn changes(
    segment: u32,
    bodies: u32,
    records: &[u8],
    mut visit: impl FnMut(Change),
) -> bool {
    let mut offset = bodies;
    let mut place = |length: u32| {
        let place = Place { segment, offset, length };
        offset = offset.saturating_add(length).saturating_add(BODY_PREFIX as u32);
        place
    };
    let mut records = Records::new(records);
    for record in records.by_ref() {
        visit(match record {
            Record::Append { holders, sequence, length } => {
                Change::Append { holders, sequence, place: place(length) }
            }
            Record::Acknowledge { queue, sequence } => Change::Acknowledge { queue, sequence },
            Record::Clear { queue } => Change::Clear { queue },
            Record::Put { table, key, length } => Change::Put { table, key, place: place(length) },
            Record::Remove { table, key } => Change::Remove { table, key },
        });
    }
    records.is_whole()
}

/// Where the group after one that begins at `offset` begins.
pub(super) fn after(offset: u64, header: &GroupHeader) -> u64 {
    padded(offset + header.length())
}
