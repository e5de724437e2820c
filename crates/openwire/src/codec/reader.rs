//! How each kind of field is read, in either encoding.

use std::marker::PhantomData;

use bytes::Bytes;

use super::bits::BitsIn;
use super::cache::{Cached, ReceiveCache};
use super::depth::MAX_DEPTH;
use super::input::Input;
use super::recent::RecentTexts;
use crate::error::DecodeError;
use crate::message::{Message, MessageFields, MessageKind, WireForm};
use crate::structure::{Cacheable, Structure, is_marshal_aware};
use crate::text::{self, Text};
use crate::throwable::{StackTraceElement, Throwable};

/// Memory that any frame may unfold to.
const UNFOLD_FLOOR: usize = 64 << 10;
/// Small frames may unfold to so many times their size more. What unfolds most are arrays of nulls,
/// which take a bit each in the tight encoding.
const UNFOLD_FACTOR: usize = 64;
/// Large frames are mostly bytes that are copied once or twice; they may unfold to so many times
/// their size, and [`UNFOLD_LARGE`] more.
const UNFOLD_LARGE_FACTOR: usize = 4;
/// See [`UNFOLD_LARGE_FACTOR`].
const UNFOLD_LARGE: usize = 16 << 20;
/// What a string takes besides its bytes.
const STRING_OVERHEAD: usize = 16;

/// An encoding.
pub(crate) trait Mode {
    /// Flags are bits in front, and longs are short where they can be.
    const TIGHT: bool;
}

/// The loose encoding.
pub(crate) struct Loose;
/// The tight encoding.
pub(crate) struct Tight;

impl Mode for Loose {
    const TIGHT: bool = false;
}
impl Mode for Tight {
    const TIGHT: bool = true;
}

/// Reads the fields of one frame.
pub(crate) struct FrameReader<'a, M> {
    input: Input<'a>,
    bits: BitsIn<'a>,
    form: WireForm,
    /// Present when the cache is on.
    cache: Option<&'a mut ReceiveCache>,
    /// Present where names are likely to come again.
    recent: Option<&'a mut RecentTexts>,
    depth: u8,
    /// Memory that this frame may still unfold to.
    budget: usize,
    mode: PhantomData<M>,
}

impl<'a, M: Mode> FrameReader<'a, M> {
    pub(crate) fn new(
        bytes: &'a [u8],
        form: WireForm,
        cache: Option<&'a mut ReceiveCache>,
    ) -> Self {
        Self {
            input: Input::new(bytes),
            bits: BitsIn::default(),
            form,
            cache,
            recent: None,
            depth: 0,
            budget: unfold_limit(bytes.len()),
            mode: PhantomData,
        }
    }

    /// Takes texts from those that came before, where they are the same.
    pub(crate) fn recalling(self, recent: Option<&'a mut RecentTexts>) -> Self {
        Self { recent, ..self }
    }

    /// A reader of a message's body that nobody has checked yet.
    pub(crate) fn of_unchecked(bytes: &'a [u8], form: WireForm) -> Self {
        Self { depth: 1, ..Self::new(bytes, form, None) }
    }

    /// A reader of a message's body, or of a part of it.
    pub(crate) fn of_body(bytes: &'a [u8], form: WireForm, depth: u8, budget: usize) -> Self {
        Self { depth, budget, ..Self::new(bytes, form, None) }
    }

    /// A reader of what was checked before: nothing in it is refused as too much.
    pub(crate) fn of_checked(bytes: &'a [u8], form: WireForm) -> Self {
        Self::of_body(bytes, form, 1, usize::MAX)
    }

    /// Reads a whole frame, from its type byte to its last byte.
    pub(crate) fn frame<T: Structure>(&mut self) -> Result<T, DecodeError> {
        let type_id = self.input.u8()?;
        if M::TIGHT {
            self.bits = BitsIn::read(&mut self.input)?;
        }
        // See MAX_DEPTH: a message is one level down, also where nothing is above it.
        self.depth = u8::from(MessageKind::of_type(type_id).is_some());
        let value = T::read(type_id, self)?;
        if self.bits.unread_bytes() > 0 {
            return Err(DecodeError::Trailing { type_id, bytes: self.bits.unread_bytes() });
        }
        Ok(value)
    }

    /// Refuses what is left over after the last field.
    pub(crate) fn finish(&self, type_id: u8) -> Result<(), DecodeError> {
        match self.input.remaining() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { type_id, bytes }),
        }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.input.position()
    }

    #[inline]
    pub(crate) fn version(&self) -> u8 {
        self.form.version
    }

    /// A boolean field, or whether a field is present.
    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeError> {
        if M::TIGHT { self.bits.next() } else { Ok(self.input.u8()? != 0) }
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<i8, DecodeError> {
        self.input.array().map(i8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn int(&mut self) -> Result<i32, DecodeError> {
        self.input.i32()
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, DecodeError> {
        if !M::TIGHT {
            return self.input.i64();
        }
        match (self.bits.next()?, self.bits.next()?) {
            (false, false) => Ok(0),
            (false, true) => self.input.u16().map(i64::from),
            (true, false) => self.input.u32().map(i64::from),
            (true, true) => self.input.i64(),
        }
    }

    #[inline]
    pub(crate) fn string(&mut self) -> Result<Option<Text>, DecodeError> {
        if !self.boolean()? {
            return Ok(None);
        }
        // The ascii bit is a hint for Java's decoder: ASCII is modified UTF-8 as it stands.
        if M::TIGHT {
            self.bits.next()?;
        }
        let length = usize::from(self.input.u16()?);
        let bytes = self.input.take(length)?;
        self.charge(length + STRING_OVERHEAD)?;
        let text = match &mut self.recent {
            Some(recent) => recent.text(bytes)?,
            None => Text::from_wire(bytes)?,
        };
        Ok(Some(text))
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        if !self.boolean()? {
            return Ok(None);
        }
        let length = self.input.length()?;
        let bytes = self.input.take(length)?;
        self.charge(length)?;
        Ok(Some(Bytes::copy_from_slice(bytes)))
    }

    pub(crate) fn constant<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.input.array()
    }

    #[inline]
    pub(crate) fn nested<T: Structure>(&mut self) -> Result<Option<T>, DecodeError> {
        if !self.boolean()? {
            return Ok(None);
        }
        let type_id = self.input.u8()?;
        if M::TIGHT && is_marshal_aware(type_id) && self.bits.next()? {
            return Err(DecodeError::EmbeddedFrame { type_id });
        }
        self.enter()?;
        let value = T::read(type_id, self)?;
        self.depth -= 1;
        Ok(Some(value))
    }

    #[inline]
    pub(crate) fn cached<T: Cacheable>(&mut self) -> Result<Option<T>, DecodeError> {
        if self.cache.is_none() { self.nested() } else { self.read_cached() }
    }

    fn read_cached<T: Cacheable>(&mut self) -> Result<Option<T>, DecodeError> {
        let is_new = self.boolean()?;
        let index = self.input.i16()?;
        if is_new {
            let budget = self.budget;
            let value = self.nested::<T>()?;
            let cached = Cached {
                value: value.as_ref().map(Cacheable::to_command),
                cost: budget - self.budget,
            };
            self.charge(cached.cost)?; // it is kept twice
            if let Some(cache) = &mut self.cache {
                cache.store(index, cached)?;
            }
            return Ok(value);
        }
        let miss = DecodeError::CacheReference { index, expected: T::EXPECTED };
        let cached = match &self.cache {
            Some(cache) => cache.get(index)?,
            None => None,
        };
        let Some(Cached { value, cost, .. }) = cached else { return Err(miss) };
        let value = match value {
            Some(command) => Some(T::from_command(command).ok_or(miss)?),
            None => None,
        };
        let cost = *cost;
        self.charge(cost)?;
        Ok(value)
    }

    pub(crate) fn array<T: Structure>(&mut self) -> Result<Option<Vec<Option<T>>>, DecodeError> {
        if !self.boolean()? {
            return Ok(None);
        }
        let count = self.count()?;
        self.charge(count * size_of::<Option<T>>())?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(self.nested()?);
        }
        Ok(Some(elements))
    }

    pub(crate) fn throwable(&mut self) -> Result<Option<Throwable>, DecodeError> {
        if !self.boolean()? {
            return Ok(None);
        }
        self.enter()?;
        let mut throwable = Throwable {
            class_name: self.string()?,
            message: self.string()?,
            ..Throwable::default()
        };
        if self.form.stack_trace {
            let count = self.count()?;
            self.charge(count * size_of::<StackTraceElement>())?;
            throwable.stack.reserve_exact(count);
            for _ in 0..count {
                throwable.stack.push(StackTraceElement {
                    class_name: self.string()?,
                    method_name: self.string()?,
                    file_name: self.string()?,
                    line_number: self.int()?,
                });
            }
            throwable.cause = self.throwable()?.map(Box::new);
        }
        self.depth -= 1;
        Ok(Some(throwable))
    }

    /// A message, of which the type byte has been read: it is kept as its loose, cache-off
    /// encoding, so that in this very encoding only its extent needs to be found.
    pub(crate) fn message(&mut self, kind: MessageKind) -> Result<Message, DecodeError> {
        if M::TIGHT || self.cache.is_some() {
            let fields = MessageFields::read(kind, self)?;
            let message = Message::from_decoded(&fields, self.form)?;
            self.charge(message.body_len())?;
            return Ok(message);
        }
        let command_id = self.int()?;
        let response_required = self.boolean()?;
        let body = self.input.rest();
        let mut scan = FrameReader::<Loose>::of_body(body, self.form, self.depth, self.budget);
        let layout = MessageFields::scan(kind, &mut scan).map_err(|error| match error {
            // The body's positions are not those of the frame.
            DecodeError::Truncated { needed, available } => DecodeError::Truncated {
                needed: self.position().saturating_add(needed),
                available: self.position().saturating_add(available),
            },
            error => error,
        })?;
        let (length, budget) = (scan.position(), scan.budget);
        let body = self.input.take(length)?;
        self.budget = budget;
        self.charge(length)?;
        Ok(Message::from_scan(command_id, response_required, kind, self.form, body, layout))
    }

    /// The count of a list whose elements take at least a flag each.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = self.input.i16()?;
        let count = usize::try_from(count)
            .map_err(|_| DecodeError::NegativeLength { length: count.into() })?;
        // Loosely each element has a byte to come; without a size prefix those bytes may not have
        // arrived yet.
        if !M::TIGHT {
            self.input.look(count)?;
        } else if count > self.bits.remaining() {
            let available = self.bits.remaining();
            return Err(DecodeError::TooManyElements { count, available });
        }
        Ok(count)
    }

    fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep { max: MAX_DEPTH });
        }
        self.depth += 1;
        Ok(())
    }

    /// Accounts for memory that is about to be taken.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => {
                let size = self.position() + self.input.remaining();
                Err(DecodeError::Unfolds { size, max: unfold_limit(size) })
            }
        }
    }
}

/// Stepping over fields: the same checks as reading them, and nothing kept. What it would take to
/// keep them is accounted for, since some peers' encodings require it.
impl FrameReader<'_, Loose> {
    /// Steps over a field of fixed width.
    #[inline]
    pub(crate) fn step(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.input.take(bytes).map(drop)
    }

    #[inline]
    pub(crate) fn skip_string(&mut self) -> Result<(), DecodeError> {
        if self.boolean()? {
            let length = usize::from(self.input.u16()?);
            text::validate(self.input.take(length)?)?;
            self.charge(length + STRING_OVERHEAD)?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn skip_bytes(&mut self) -> Result<(), DecodeError> {
        if self.boolean()? {
            let length = self.input.length()?;
            self.input.take(length)?;
            self.charge(length)?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn skip_nested<T: Structure>(&mut self) -> Result<(), DecodeError> {
        if self.boolean()? {
            let type_id = self.input.u8()?;
            self.enter()?;
            T::skip(type_id, self)?;
            self.depth -= 1;
        }
        Ok(())
    }

    pub(crate) fn skip_array<T: Structure>(&mut self) -> Result<(), DecodeError> {
        if self.boolean()? {
            let count = self.count()?;
            self.charge(count * size_of::<Option<T>>())?;
            for _ in 0..count {
                self.skip_nested::<T>()?;
            }
        }
        Ok(())
    }

    pub(crate) fn skip_throwable(&mut self) -> Result<(), DecodeError> {
        if !self.boolean()? {
            return Ok(());
        }
        self.enter()?;
        self.skip_string()?;
        self.skip_string()?;
        if self.form.stack_trace {
            let count = self.count()?;
            self.charge(count * size_of::<StackTraceElement>())?;
            for _ in 0..count {
                self.skip_string()?;
                self.skip_string()?;
                self.skip_string()?;
                self.step(4)?;
            }
            self.skip_throwable()?;
        }
        self.depth -= 1;
        Ok(())
    }
}

fn unfold_limit(size: usize) -> usize {
    let small = size.saturating_mul(UNFOLD_FACTOR);
    let large = size.saturating_mul(UNFOLD_LARGE_FACTOR).saturating_add(UNFOLD_LARGE);
    UNFOLD_FLOOR.saturating_add(small.min(large))
}
