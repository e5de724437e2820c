//! The sending side of a connection.

use bytes::{BufMut, BytesMut};

use super::bits::BitsOut;
use super::cache::SendCache;
use super::writer::FrameWriter;
use crate::command::Command;
use crate::error::EncodeError;
use crate::format::WireFormat;
use crate::structure::Structure;

/// Room for fields that is kept from one tight frame to the next.
const MAX_KEPT: usize = 64 << 10;

/// Turns commands into the bytes of one direction of a connection.
#[derive(Debug)]
pub struct Encoder {
    format: WireFormat,
    cache: Option<SendCache>,
    /// The boolean stream of a tight frame, which stands before the fields but is complete only
    /// after them.
    bits: BitsOut,
    /// The fields of a tight frame.
    fields: BytesMut,
}

impl Encoder {
    /// An encoder for a connection of this format.
    pub fn new(format: WireFormat) -> Self {
        let cache = format.cache_size.map(SendCache::new);
        Self { format, cache, bits: BitsOut::default(), fields: BytesMut::new() }
    }

    /// What it was made for.
    pub fn format(&self) -> &WireFormat {
        &self.format
    }

    /// Appends a command's frame to `out`. Commands must be encoded in the order in which they are
    /// sent. On an error `out` is as it was.
    pub fn encode(&mut self, command: &Command, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.append(command, start, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn append(
        &mut self,
        command: &Command,
        start: usize,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let prefix = if self.format.size_prefix { 4 } else { 0 };
        let form = self.format.form();
        if let Some(cache) = &mut self.cache {
            cache.sweep();
        }
        out.put_bytes(0, prefix);
        out.put_u8(command.type_id());
        if self.format.tight {
            self.bits.clear();
            self.fields.clear();
            let cache = self.cache.as_mut();
            let mut writer =
                FrameWriter::<true>::new(&mut self.fields, &mut self.bits, form, cache);
            command.write(&mut writer)?;
            self.bits.write(out)?;
            out.put_slice(&self.fields);
            if self.fields.capacity() > MAX_KEPT {
                self.fields = BytesMut::new();
            }
        } else {
            let cache = self.cache.as_mut();
            let mut writer = FrameWriter::<false>::new(out, &mut self.bits, form, cache);
            command.write(&mut writer)?;
        }

        let size = out.len() - start - prefix;
        // As in ActiveMQ, a peer's limit is enforced on sending in the tight encoding only: in the
        // loose one the peer's own check is the last word.
        let max = if self.format.tight {
            self.format.max_frame_size.min(i32::MAX as u64)
        } else {
            i32::MAX as u64
        };
        if size as u64 > max {
            return Err(EncodeError::FrameTooLarge { size: size as u64, max });
        }
        if let Some(place) = out.get_mut(start..start + prefix) {
            let size = (size as u32).to_be_bytes();
            place.copy_from_slice(size.get(..prefix).unwrap_or_default());
        }
        Ok(())
    }
}
