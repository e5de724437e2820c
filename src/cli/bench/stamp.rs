//! What each body starts with.

use bytes::{BufMut, BytesMut};

/// Bytes of a stamp.
pub(super) const STAMP: usize = 40;

const MARK: u64 = u64::from_be_bytes(*b"ferrymq\0");

/// Who sent a message, which one it is, and when.
///
/// ```text
/// mark u64 | run u64 | producer u32 | flags u32 | sequence u64 | sent u64
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The run that it belongs to.
    pub(super) run: u64,
    /// The producer's number.
    pub(super) producer: u32,
    /// Whether it counts, or only warms up.
    pub(super) measured: bool,
    /// The message's number among the producer's, from 0.
    pub(super) sequence: u64,
    /// When it was sent (or, at a given rate, was due): nanoseconds since the run began.
    pub(super) sent: u64,
}

impl Stamp {
    /// The body: the stamp, and zeros up to the size.
    pub(super) fn body(&self, size: usize) -> BytesMut {
        let mut body = BytesMut::with_capacity(size.max(STAMP));
        body.put_u64(MARK);
        body.put_u64(self.run);
        body.put_u32(self.producer);
        body.put_u32(u32::from(self.measured));
        body.put_u64(self.sequence);
        body.put_u64(self.sent);
        body.resize(size.max(STAMP), 0);
        body
    }

    /// Reads the stamp of a body, if it has one.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (mark, rest) = body.split_first_chunk()?;
        let (run, rest) = rest.split_first_chunk()?;
        let (producer, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (sent, _) = rest.split_first_chunk()?;
        (u64::from_be_bytes(*mark) == MARK).then(|| Self {
            run: u64::from_be_bytes(*run),
            producer: u32::from_be_bytes(*producer),
            measured: u32::from_be_bytes(*flags) & 1 == 1,
            sequence: u64::from_be_bytes(*sequence),
            sent: u64::from_be_bytes(*sent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_and_a_stranger_has_none() {
        let stamp = Stamp { run: 7, producer: 3, measured: true, sequence: 1 << 40, sent: 99 };
        let body = stamp.body(1024);
        assert_eq!(body.len(), 1024);
        assert_eq!(Stamp::read(&body), Some(stamp));
        assert_eq!(stamp.body(0).len(), STAMP);
        assert_eq!(Stamp::read(&[0; 1024]), None);
        assert_eq!(Stamp::read(b"short"), None);
    }
}
