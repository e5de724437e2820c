//! The header of a segment.

use super::bytes::Cursor;

/// Bytes of a segment before its first group. A page of its own, so that no write of a group
/// touches it.
pub(in crate::journal) const HEADER: usize = 4096;

const MAGIC: &[u8; 8] = b"FERRYJNL";
const VERSION: u16 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) struct SegmentHeader {
    /// The journal that it belongs to: drawn once, so that files of two journals do not mix.
    pub(in crate::journal) journal: u64,
    /// Its place among the journal's segments, from 1.
    pub(in crate::journal) segment: u32,
    /// Its length in bytes.
    pub(in crate::journal) capacity: u32,
    /// The lowest segment that was needed when it was begun.
    pub(in crate::journal) head: u32,
    /// The number of its first group.
    pub(in crate::journal) first_group: u64,
    /// The highest number of a message until then.
    pub(in crate::journal) last_sequence: u64,
}

/// Why a file has no header that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum HeaderError {
    /// None was written, or not all of it, or it is damaged.
    Invalid,
    /// It was written by a program that knows another format.
    Version(u16),
}

impl SegmentHeader {
    /// The header's page.
    pub(in crate::journal) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(HEADER);
        page.extend_from_slice(MAGIC);
        page.extend_from_slice(&VERSION.to_le_bytes());
        page.extend_from_slice(&[0; 2]);
        page.extend_from_slice(&self.segment.to_le_bytes());
        page.extend_from_slice(&self.journal.to_le_bytes());
        page.extend_from_slice(&self.capacity.to_le_bytes());
        page.extend_from_slice(&self.head.to_le_bytes());
        page.extend_from_slice(&self.first_group.to_le_bytes());
        page.extend_from_slice(&self.last_sequence.to_le_bytes());
        page.resize(HEADER - 4, 0);
        let checksum = crc32fast::hash(&page);
        page.extend_from_slice(&checksum.to_le_bytes());
        page
    }

    /// Reads a header's page.
    pub(in crate::journal) fn decode(page: &[u8]) -> Result<Self, HeaderError> {
        let mut cursor = Cursor(page);
        if cursor.take(MAGIC.len()) != Some(MAGIC) {
            return Err(HeaderError::Invalid);
        }
        // Before the checksum: another version may have it elsewhere, and must not be overwritten.
        match cursor.u16() {
            Some(VERSION) => {}
            Some(version) => return Err(HeaderError::Version(version)),
            None => return Err(HeaderError::Invalid),
        }
        let summed = page.get(..HEADER - 4).ok_or(HeaderError::Invalid)?;
        let checksum = page.get(HEADER - 4..HEADER).and_then(|rest| Cursor(rest).u32());
        if checksum != Some(crc32fast::hash(summed)) {
            return Err(HeaderError::Invalid);
        }
        Self::fields(cursor).ok_or(HeaderError::Invalid)
    }

    fn fields(mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.u16()?;
        let segment = cursor.u32()?;
        let journal = cursor.u64()?;
        let capacity = cursor.u32()?;
        let head = cursor.u32()?;
        let first_group = cursor.u64()?;
        let last_sequence = cursor.u64()?;
        let header = Self { journal, segment, capacity, head, first_group, last_sequence };
        (segment > 0 && head <= segment && capacity as usize > HEADER).then_some(header)
    }
}
