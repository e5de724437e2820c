//! Reading numbers from bytes that may end anywhere, and checksums.

/// What is left of some bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::journal) struct Cursor<'a>(pub(in crate::journal) &'a [u8]);

impl<'a> Cursor<'a> {
    /// Takes the next `length` bytes.
    pub(in crate::journal) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(in crate::journal) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(in crate::journal) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(in crate::journal) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(in crate::journal) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The checksum before a body: over the message's number too, so that one body is never taken for
/// another. Values of entries have number 0.
pub(in crate::journal) fn body_checksum(sequence: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The next multiple of 8: where the next group may begin.
pub(in crate::journal) fn padded(length: u64) -> u64 {
    length.next_multiple_of(8)
}
