//! The boolean stream of a tight frame.
//!
//! ```text
//! n < 64         | n            | n bytes
//! 64 <= n < 256  | C0  u8 n     | n bytes        bit k of the stream is bit k%8 of byte k/8,
//! otherwise      | 80  i16 n    | n bytes        counted from the low end
//! ```

use bytes::{BufMut, BytesMut};

use super::input::Input;
use crate::error::{DecodeError, EncodeError};

/// The bits of a frame that are not yet read.
#[derive(Default)]
pub(crate) struct BitsIn<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    position: usize,
}

impl<'a> BitsIn<'a> {
    pub(crate) fn read(input: &mut Input<'a>) -> Result<Self, DecodeError> {
        let count = match input.u8()? {
            0xC0 => usize::from(input.u8()?),
            0x80 => {
                let length = input.i16()?;
                usize::try_from(length)
                    .map_err(|_| DecodeError::NegativeLength { length: length.into() })?
            }
            count => usize::from(count),
        };
        Ok(Self { bytes: input.take(count)?, position: 0 })
    }

    pub(crate) fn next(&mut self) -> Result<bool, DecodeError> {
        let index = self.position / 8;
        let byte = self
            .bytes
            .get(index)
            .ok_or(DecodeError::BooleansExhausted { available: self.bytes.len() })?;
        let bit = byte >> (self.position % 8) & 1;
        self.position += 1;
        Ok(bit != 0)
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.position
    }

    /// Whole bytes that nothing has been read from.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.bytes.len() - self.position.div_ceil(8)
    }
}

/// The bits of a frame that is being written.
#[derive(Debug, Default)]
pub(crate) struct BitsOut {
    bytes: Vec<u8>,
    /// Bits used of the last byte; 0 stands for all.
    used: u32,
}

impl BitsOut {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }

    pub(crate) fn push(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << self.used;
        }
        self.used = (self.used + 1) % 8;
    }

    /// Writes the header and the bits.
    pub(crate) fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self.bytes.len() {
            count @ 0..64 => out.put_u8(count as u8),
            count @ 64..256 => out.put_slice(&[0xC0, count as u8]),
            count => {
                let length = i16::try_from(count)
                    .map_err(|_| EncodeError::TooManyElements { length: count })?;
                out.put_u8(0x80);
                out.put_i16(length);
            }
        }
        out.put_slice(&self.bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_form_reads_back() {
        for count in [0, 1, 8, 63 * 8, 63 * 8 + 1, 255 * 8, 255 * 8 + 1, 5000 * 8] {
            let mut bits = BitsOut::default();
            (0..count).for_each(|k| bits.push(k % 3 == 0));
            let mut out = BytesMut::new();
            bits.write(&mut out).unwrap();
            let mut input = Input::new(&out);
            let mut read = BitsIn::read(&mut input).unwrap();
            assert_eq!(input.remaining(), 0);
            for k in 0..count {
                assert_eq!(read.next(), Ok(k % 3 == 0), "bit {k} of {count}");
            }
            assert_eq!(read.unread_bytes(), 0);
        }
    }

    #[test]
    fn a_stream_that_claims_more_than_there_is_is_refused() {
        for bytes in [&[3u8, 1, 2][..], &[0xC0], &[0xC0, 200, 0], &[0x80, 0xFF, 0xFF], &[]] {
            assert!(BitsIn::read(&mut Input::new(bytes)).is_err(), "{bytes:?}");
        }
    }
}
