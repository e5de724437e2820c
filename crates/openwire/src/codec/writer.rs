//! How each kind of field is written, in either encoding.

use bytes::{BufMut, BytesMut};

use super::bits::BitsOut;
use super::cache::SendCache;
use super::depth::MAX_DEPTH;
use crate::command::Command;
use crate::error::EncodeError;
use crate::message::{Message, WireForm};
use crate::structure::{Cacheable, Structure, is_marshal_aware};
use crate::text::Text;
use crate::throwable::Throwable;

/// Longest string of the tight encoding; Java writers refuse longer ones.
const MAX_TIGHT_STRING: usize = 32_766;

/// A target for the fields of a structure, in order: bytes, or a description.
pub(crate) trait FieldWriter {
    /// The version whose fields are wanted.
    fn version(&self) -> u8;
    /// Announces the field that is written next, by the protocol's name for it.
    #[inline]
    fn field(&mut self, _name: &'static str) {}
    fn boolean(&mut self, value: bool) -> Result<(), EncodeError>;
    fn byte(&mut self, value: i8) -> Result<(), EncodeError>;
    fn int(&mut self, value: i32) -> Result<(), EncodeError>;
    fn long(&mut self, value: i64) -> Result<(), EncodeError>;
    fn string(&mut self, value: Option<&Text>) -> Result<(), EncodeError>;
    fn bytes(&mut self, value: Option<&[u8]>) -> Result<(), EncodeError>;
    /// Bytes of a length that both sides know.
    fn constant(&mut self, value: &[u8]) -> Result<(), EncodeError>;
    fn throwable(&mut self, value: Option<&Throwable>) -> Result<(), EncodeError>;
    fn nested<T: Structure>(&mut self, value: Option<&T>) -> Result<(), EncodeError>;
    fn cached<T: Cacheable>(&mut self, value: Option<&T>) -> Result<(), EncodeError>;
    fn array<T: Structure>(&mut self, value: Option<&[Option<T>]>) -> Result<(), EncodeError>;
    /// The fields of a message.
    fn message(&mut self, message: &Message) -> Result<(), EncodeError>;
}

/// Writes frames of one encoding.
pub(crate) struct FrameWriter<'a, const TIGHT: bool> {
    out: &'a mut BytesMut,
    bits: &'a mut BitsOut,
    form: WireForm,
    cache: Option<&'a mut SendCache>,
    depth: u8,
}

impl<'a, const TIGHT: bool> FrameWriter<'a, TIGHT> {
    pub(crate) fn new(
        out: &'a mut BytesMut,
        bits: &'a mut BitsOut,
        form: WireForm,
        cache: Option<&'a mut SendCache>,
    ) -> Self {
        Self { out, bits, form, cache, depth: 0 }
    }

    fn enter(&mut self) -> Result<(), EncodeError> {
        // One more than is read: a message stands one deeper in its dispatch than alone.
        if self.depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep { max: MAX_DEPTH });
        }
        self.depth += 1;
        Ok(())
    }

    fn count(&mut self, count: usize) -> Result<(), EncodeError> {
        let wire =
            i16::try_from(count).map_err(|_| EncodeError::TooManyElements { length: count })?;
        self.out.put_i16(wire);
        Ok(())
    }

    fn write_cached<T: Cacheable>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        let key = cache_key(value)?;
        let Some(cache) = &mut self.cache else { return self.nested(value) };
        if let Some(index) = cache.find(&key) {
            self.boolean(false)?;
            self.out.put_i16(index);
            return Ok(());
        }
        // ActiveMQ numbers an object before its own cached fields in the loose encoding, after
        // them in the tight one, where it measures first.
        let position = if TIGHT {
            let position = self.out.len();
            self.boolean(true)?;
            self.out.put_i16(0);
            position
        } else {
            let index = cache.add(&key);
            self.boolean(true)?;
            self.out.put_i16(index);
            return self.nested(value);
        };
        self.nested(value)?;
        let index = self.cache.as_mut().map_or(-1, |cache| cache.add(&key));
        if let Some(place) = self.out.get_mut(position..position + 2) {
            place.copy_from_slice(&index.to_be_bytes());
        }
        Ok(())
    }
}

/// Objects with one key are one in the cache.
fn cache_key<T: Cacheable>(value: Option<&T>) -> Result<BytesMut, EncodeError> {
    let mut key = BytesMut::new();
    let Some(value) = value else { return Ok(key) };
    let mut bits = BitsOut::default();
    let form = WireForm { version: 12, stack_trace: true };
    let mut writer = FrameWriter::<false>::new(&mut key, &mut bits, form, None);
    writer.out.put_u8(value.type_id());
    match value.to_command() {
        Command::MessageId(mut id) => {
            // Java's equality of message identifiers.
            id.text_view = None;
            id.broker_sequence_id = 0;
            id.write(&mut writer)?;
        }
        _ => value.write(&mut writer)?,
    }
    Ok(key)
}

impl<const TIGHT: bool> FieldWriter for FrameWriter<'_, TIGHT> {
    #[inline]
    fn version(&self) -> u8 {
        self.form.version
    }

    #[inline]
    fn boolean(&mut self, value: bool) -> Result<(), EncodeError> {
        if TIGHT {
            self.bits.push(value);
        } else {
            self.out.put_u8(value.into());
        }
        Ok(())
    }

    #[inline]
    fn byte(&mut self, value: i8) -> Result<(), EncodeError> {
        self.out.put_i8(value);
        Ok(())
    }

    #[inline]
    fn int(&mut self, value: i32) -> Result<(), EncodeError> {
        self.out.put_i32(value);
        Ok(())
    }

    #[inline]
    fn long(&mut self, value: i64) -> Result<(), EncodeError> {
        if !TIGHT {
            self.out.put_i64(value);
            return Ok(());
        }
        let (first, second) = match value {
            0 => (false, false),
            1..=0xFFFF => {
                self.out.put_u16(value as u16);
                (false, true)
            }
            0x1_0000..=0xFFFF_FFFF => {
                self.out.put_u32(value as u32);
                (true, false)
            }
            _ => {
                self.out.put_i64(value);
                (true, true)
            }
        };
        self.bits.push(first);
        self.bits.push(second);
        Ok(())
    }

    #[inline]
    fn string(&mut self, value: Option<&Text>) -> Result<(), EncodeError> {
        self.boolean(value.is_some())?;
        let Some(text) = value else { return Ok(()) };
        if TIGHT {
            self.bits.push(text.is_plain_ascii());
        }
        let max = if TIGHT { MAX_TIGHT_STRING } else { usize::from(u16::MAX) };
        let bytes = text.as_bytes();
        if bytes.len() > max {
            return Err(EncodeError::StringTooLong { length: bytes.len(), max });
        }
        self.out.put_u16(bytes.len() as u16);
        self.out.put_slice(bytes);
        Ok(())
    }

    fn bytes(&mut self, value: Option<&[u8]>) -> Result<(), EncodeError> {
        self.boolean(value.is_some())?;
        let Some(bytes) = value else { return Ok(()) };
        let length = i32::try_from(bytes.len()).map_err(|_| EncodeError::FrameTooLarge {
            size: bytes.len() as u64,
            max: i32::MAX as u64,
        })?;
        self.out.put_i32(length);
        self.out.put_slice(bytes);
        Ok(())
    }

    fn constant(&mut self, value: &[u8]) -> Result<(), EncodeError> {
        self.out.put_slice(value);
        Ok(())
    }

    fn throwable(&mut self, value: Option<&Throwable>) -> Result<(), EncodeError> {
        self.boolean(value.is_some())?;
        let Some(throwable) = value else { return Ok(()) };
        self.enter()?;
        self.string(throwable.class_name.as_ref())?;
        self.string(throwable.message.as_ref())?;
        if self.form.stack_trace {
            self.count(throwable.stack.len())?;
            for line in &throwable.stack {
                self.string(line.class_name.as_ref())?;
                self.string(line.method_name.as_ref())?;
                self.string(line.file_name.as_ref())?;
                self.int(line.line_number)?;
            }
            self.throwable(throwable.cause.as_deref())?;
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn nested<T: Structure>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        self.boolean(value.is_some())?;
        let Some(structure) = value else { return Ok(()) };
        let type_id = structure.type_id();
        if TIGHT && is_marshal_aware(type_id) {
            self.bits.push(false);
        }
        self.out.put_u8(type_id);
        self.enter()?;
        structure.write(self)?;
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn cached<T: Cacheable>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        if self.cache.is_none() { self.nested(value) } else { self.write_cached(value) }
    }

    fn array<T: Structure>(&mut self, value: Option<&[Option<T>]>) -> Result<(), EncodeError> {
        self.boolean(value.is_some())?;
        let Some(elements) = value else { return Ok(()) };
        self.count(elements.len())?;
        elements.iter().try_for_each(|element| self.nested(element.as_ref()))
    }

    fn message(&mut self, message: &Message) -> Result<(), EncodeError> {
        if TIGHT || self.cache.is_some() || !message.reads_as(self.form) {
            return message.to_fields()?.write(self);
        }
        self.out.put_i32(message.command_id);
        self.out.put_u8(message.response_required.into());
        self.out.put_slice(message.body());
        Ok(())
    }
}
