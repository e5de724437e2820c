//! The header of a group, and the trailer of a sealed segment.

use super::bytes::Cursor;

/// Bytes of a group before its bodies.
pub(in crate::journal) const GROUP_HEADER: usize = 64;

/// Bytes at the end of a segment that say, once it is sealed, where its summary is.
pub(in crate::journal) const TRAILER: usize = 32;

const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"FGRP");
const TRAILER_MAGIC: u32 = u32::from_le_bytes(*b"FEND");

/// What a group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum GroupKind {
    /// Changes: bodies and records.
    Changes,
    /// The records of all groups of the segment, at its end.
    Summary,
}

/// What stands before a group. A group is there whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) struct GroupHeader {
    pub(in crate::journal) kind: GroupKind,
    /// The segment: a file is used again, and what is left of its last use must not count.
    pub(in crate::journal) segment: u32,
    pub(in crate::journal) journal: u64,
    /// Groups are numbered from 1, without gaps, through all segments.
    pub(in crate::journal) number: u64,
    /// All groups up to this one had been synced when this one was written.
    pub(in crate::journal) synced: u64,
    /// The highest number that a message ever had.
    pub(in crate::journal) last_sequence: u64,
    /// The lowest segment that is needed.
    pub(in crate::journal) head: u32,
    /// Bytes of bodies, which follow the header.
    pub(in crate::journal) bodies: u32,
    /// Bytes of records, which follow the bodies.
    pub(in crate::journal) records: u32,
    /// Checksum of the records.
    pub(in crate::journal) checksum: u32,
}

impl GroupHeader {
    /// Bytes of the whole group, with its header.
    pub(in crate::journal) fn length(&self) -> u64 {
        GROUP_HEADER as u64 + u64::from(self.bodies) + u64::from(self.records)
    }

    pub(in crate::journal) fn encode(&self) -> [u8; GROUP_HEADER] {
        let kind: u32 = match self.kind {
            GroupKind::Changes => 1,
            GroupKind::Summary => 2,
        };
        let mut bytes = [0; GROUP_HEADER];
        let words: [&[u8]; 11] = [
            &GROUP_MAGIC.to_le_bytes(),
            &kind.to_le_bytes(),
            &self.journal.to_le_bytes(),
            &self.segment.to_le_bytes(),
            &self.head.to_le_bytes(),
            &self.number.to_le_bytes(),
            &self.synced.to_le_bytes(),
            &self.last_sequence.to_le_bytes(),
            &self.bodies.to_le_bytes(),
            &self.records.to_le_bytes(),
            &self.checksum.to_le_bytes(),
        ];
        fill(&mut bytes, words.into_iter().flatten());
        bytes
    }

    /// Reads a header; `None` when there is none, or a damaged one.
    pub(in crate::journal) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..GROUP_HEADER)?;
        let mut cursor = Cursor(bytes);
        if cursor.u32()? != GROUP_MAGIC || !is_whole(bytes) {
            return None;
        }
        let kind = match cursor.u32()? {
            1 => GroupKind::Changes,
            2 => GroupKind::Summary,
            _ => return None,
        };
        Some(Self {
            kind,
            journal: cursor.u64()?,
            segment: cursor.u32()?,
            head: cursor.u32()?,
            number: cursor.u64()?,
            synced: cursor.u64()?,
            last_sequence: cursor.u64()?,
            bodies: cursor.u32()?,
            records: cursor.u32()?,
            checksum: cursor.u32()?,
        })
    }
}

/// The last bytes of a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) struct Trailer {
    pub(in crate::journal) journal: u64,
    pub(in crate::journal) segment: u32,
    /// Where the summary begins, in bytes from the start of the file.
    pub(in crate::journal) summary: u32,
}

impl Trailer {
    pub(in crate::journal) fn encode(&self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        let words: [&[u8]; 4] = [
            &TRAILER_MAGIC.to_le_bytes(),
            &self.segment.to_le_bytes(),
            &self.journal.to_le_bytes(),
            &self.summary.to_le_bytes(),
        ];
        fill(&mut bytes, words.into_iter().flatten());
        bytes
    }

    pub(in crate::journal) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..TRAILER)?;
        let mut cursor = Cursor(bytes);
        if cursor.u32()? != TRAILER_MAGIC || !is_whole(bytes) {
            return None;
        }
        let segment = cursor.u32()?;
        Some(Self { segment, journal: cursor.u64()?, summary: cursor.u32()? })
    }
}

/// Puts `content` first, zeros after it, and a checksum of both last.
fn fill<'a>(bytes: &mut [u8], content: impl Iterator<Item = &'a u8>) {
    for (place, byte) in bytes.iter_mut().zip(content) {
        *place = *byte;
    }
    if let Some((summed, checksum)) = bytes.split_last_chunk_mut::<4>() {
        *checksum = crc32fast::hash(summed).to_le_bytes();
    }
}

/// Whether the checksum at the end fits.
fn is_whole(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(summed, checksum)| crc32fast::hash(summed).to_le_bytes() == *checksum)
}
