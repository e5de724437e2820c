//! The receiving side of a connection.

use bytes::{Buf, BytesMut};

use super::cache::ReceiveCache;
use super::input::Input;
use super::reader::{FrameReader, Loose, Tight};
use super::recent::RecentTexts;
use crate::command::Command;
use crate::commands::{MessageAck, MessageDispatch};
use crate::error::DecodeError;
use crate::format::WireFormat;

/// Room that is made ahead of a frame whose size was announced. A peer must send more than it
/// announces before it gets more.
const MAX_AHEAD: usize = 64 << 10;

/// Turns the bytes of one direction of a connection into commands.
pub struct Decoder {
    format: WireFormat,
    cache: Option<ReceiveCache>,
    recent: RecentTexts,
    /// Without a size prefix: bytes that the next frame needs at least, so that a long one is not
    /// tried again for each byte that arrives.
    awaited: usize,
}

impl Decoder {
    /// A decoder for a connection of this format.
    pub fn new(format: WireFormat) -> Self {
        let cache = format.cache_size.map(ReceiveCache::new);
        Self { format, cache, recent: RecentTexts::default(), awaited: 0 }
    }

    /// What it was made for.
    pub fn format(&self) -> &WireFormat {
        &self.format
    }

    /// Changes the limit, from the next frame on.
    pub fn set_max_frame_size(&mut self, max: u64) {
        self.format.max_frame_size = max;
    }

    /// Takes the next command off the front of `buffer`; `None` if it is not complete yet. Null
    /// frames are skipped.
    ///
    /// After an error the stream is out of step, and the connection must end.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Command>, DecodeError> {
        loop {
            let prefix = if self.format.size_prefix { 4 } else { 0 };
            let size = match self.frame_size(buffer)? {
                Extent::Unknown => None,
                Extent::Incomplete => return Ok(None),
                Extent::Size(size) => Some(size),
            };
            let frame = match size {
                Some(size) => buffer.get(prefix..prefix + size).unwrap_or_default(),
                None => &buffer[..],
            };
            // A null frame has neither fields nor a boolean stream.
            let (command, used) = match (frame, size) {
                ([0], _) | ([0, ..], None) => (None, 1),
                _ => match self.frame(frame, size.is_some()) {
                    Ok((command, used)) => (Some(command), used),
                    Err(DecodeError::Truncated { needed, .. })
                        if size.is_none() && needed > buffer.len() =>
                    {
                        self.awaited = needed;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            self.awaited = 0;
            buffer.advance(prefix + used);
            if command.is_some() {
                return Ok(command);
            }
        }
    }

    /// Where the first frame ends, as far as can be said without reading it.
    fn frame_size(&self, buffer: &mut BytesMut) -> Result<Extent, DecodeError> {
        let max = self.format.max_frame_size;
        if !self.format.size_prefix {
            if self.awaited as u64 > max {
                return Err(DecodeError::FrameTooLarge { size: self.awaited as u64, max });
            }
            let waiting = buffer.is_empty() || buffer.len() < self.awaited;
            return Ok(if waiting { Extent::Incomplete } else { Extent::Unknown });
        }
        let Ok(size) = Input::new(buffer).i32() else { return Ok(Extent::Incomplete) };
        let size = usize::try_from(size).map_err(|_| DecodeError::NegativeSize { size })?;
        if size as u64 > max {
            return Err(DecodeError::FrameTooLarge { size: size as u64, max });
        }
        let missing = (size + 4).saturating_sub(buffer.len());
        if missing > 0 {
            buffer.reserve(missing.min(MAX_AHEAD));
            return Ok(Extent::Incomplete);
        }
        Ok(Extent::Size(size))
    }

    /// One frame; `whole` if the bytes must be exactly one.
    fn frame(&mut self, bytes: &[u8], whole: bool) -> Result<(Command, usize), DecodeError> {
        let (form, cache) = (self.format.form(), self.cache.as_mut());
        let type_id = bytes.first().copied().unwrap_or_default();
        // Those that come once a message, with the same few names each time. Others are rare, and
        // may hold what should not be kept: a password.
        let repeats = matches!(type_id, MessageAck::TYPE_ID | MessageDispatch::TYPE_ID);
        let recent = repeats.then_some(&mut self.recent);
        if self.format.tight {
            let mut reader = FrameReader::<Tight>::new(bytes, form, cache).recalling(recent);
            let command = reader.frame()?;
            if whole {
                reader.finish(type_id)?;
            }
            Ok((command, reader.position()))
        } else {
            let mut reader = FrameReader::<Loose>::new(bytes, form, cache).recalling(recent);
            let command = reader.frame()?;
            if whole {
                reader.finish(type_id)?;
            }
            Ok((command, reader.position()))
        }
    }
}

enum Extent {
    /// More bytes are needed.
    Incomplete,
    /// So many bytes after the size prefix; they are there.
    Size(usize),
    /// There is no size prefix: the frame itself says where it ends.
    Unknown,
}
