//! Properties of messages, and the values in the bodies of map and stream messages.
//!
//! ```text
//! map     i32 count (-1: null) | count times: u16 length, key in modified UTF-8, value
//! value   tag | data
//!         0 null   1 boolean u8   2 byte   3 char u16   4 short   5 int   6 long
//!         7 double   8 float (as their IEEE bits)
//!         9 string: u16 length, bytes      13 string: i32 length, bytes
//!         10 bytes: i32 length, bytes      11 map      12 list: i32 count, values
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::input::Input;
use crate::error::DecodeError;
use crate::text::Text;

/// How deeply maps and lists may be nested; ActiveMQ's limit.
const MAX_DEPTH: u8 = 127;

/// Strings from this many UTF-16 units on are written with tag 13.
const BIG_STRING: usize = 8191;

/// A property, or a value of a map or stream message.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An 8-bit integer.
    Byte(i8),
    /// A UTF-16 code unit.
    Char(u16),
    /// A 16-bit integer.
    Short(i16),
    /// A 32-bit integer.
    Int(i32),
    /// A 64-bit integer.
    Long(i64),
    /// A 64-bit floating point number.
    Double(f64),
    /// A 32-bit floating point number.
    Float(f32),
    /// A string.
    String(Text),
    /// Bytes.
    Bytes(Bytes),
    /// Named values.
    Map(Properties),
    /// Values.
    List(Vec<Value>),
}

/// Bytes that are no properties, or no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// A value has a tag that does not exist.
    #[error("a property has the unknown type tag {tag}")]
    UnknownTag {
        /// The tag.
        tag: u8,
    },
    /// Maps and lists are nested too deeply.
    #[error("properties are nested more than {max} deep")]
    TooDeep {
        /// The limit.
        max: u8,
    },
    /// Bytes follow the last value.
    #[error("{bytes} bytes follow the last property")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The bytes end too early, or hold a bad length or text.
    #[error("properties cannot be read: {0}")]
    Malformed(#[from] DecodeError),
}

/// Named values in order: a message's properties, or a map message's body.
///
/// Lookup walks the list, which is fast for the few that messages carry. If bytes from the wire
/// name one twice, the last one counts, as in Java.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Properties {
    entries: Vec<(Text, Value)>,
}

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Sets a property; an existing one keeps its place.
    pub fn insert(&mut self, name: impl Into<Text>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.entries.iter_mut().rev().find(|(key, _)| *key == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Removes a property, and says what it was.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let mut last = None;
        self.entries.retain_mut(|(key, value)| {
            let found = *key == *name;
            if found {
                last = Some(std::mem::take(value));
            }
            !found
        });
        last
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of a message's `marshalledProperties` or of a map message's content.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_map(self, &mut out);
        out.freeze()
    }

    /// Reads what [`Properties::encode`] writes. Null reads as no properties.
    pub fn decode(bytes: &[u8]) -> Result<Self, PropertyError> {
        let mut input = Input::new(bytes);
        let properties = map(&mut input, 0)?.unwrap_or_default();
        finish(&input)?;
        Ok(properties)
    }
}

impl<N: Into<Text>, V: Into<Value>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut properties = Self::new();
        for (name, value) in entries {
            properties.insert(name, value);
        }
        properties
    }
}

/// A property as conditions on messages see it: whole numbers are of one width, and so are others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A byte, short, int or long.
    Exact(i64),
    /// A float or double.
    Approximate(f64),
    /// A string, in modified UTF-8 as it came; it was not checked.
    Text(&'a [u8]),
    /// Anything else.
    Opaque,
}

/// Shows every entry of encoded properties, in order, and keeps and allocates nothing: what
/// [`Properties::decode`] reads, for who wants a few of many. An entry may be shown before the bytes
/// after it turn out to be wrong; names and strings are not checked.
pub fn scalars<'a>(
    bytes: &'a [u8],
    mut see: impl FnMut(&'a [u8], Scalar<'a>),
) -> Result<(), PropertyError> {
    let mut input = Input::new(bytes);
    for _ in 0..input.i32()?.max(0) {
        let length = usize::from(input.u16()?);
        let name = input.take(length)?;
        see(name, scalar(&mut input, 0)?);
    }
    finish(&input)
}

fn scalar<'a>(input: &mut Input<'a>, depth: u8) -> Result<Scalar<'a>, PropertyError> {
    Ok(match input.u8()? {
        0 => Scalar::Null,
        1 => Scalar::Bool(input.u8()? != 0),
        2 => Scalar::Exact(i8::from_be_bytes(input.array()?).into()),
        3 => input.u16().map(|_| Scalar::Opaque)?,
        4 => Scalar::Exact(input.i16()?.into()),
        5 => Scalar::Exact(input.i32()?.into()),
        6 => Scalar::Exact(input.i64()?),
        7 => Scalar::Approximate(f64::from_be_bytes(input.array()?)),
        8 => Scalar::Approximate(f32::from_be_bytes(input.array()?).into()),
        9 => {
            let length = usize::from(input.u16()?);
            Scalar::Text(input.take(length)?)
        }
        10 => {
            let length = input.length()?;
            input.take(length).map(|_| Scalar::Opaque)?
        }
        11 => {
            let (depth, count) = (deeper(depth)?, input.i32()?);
            for _ in 0..count.max(0) {
                let length = usize::from(input.u16()?);
                input.take(length)?;
                scalar(input, depth)?;
            }
            if count < 0 { Scalar::Null } else { Scalar::Opaque }
        }
        12 => {
            let (depth, count) = (deeper(depth)?, input.length()?);
            for _ in 0..count {
                scalar(input, depth)?;
            }
            Scalar::Opaque
        }
        13 => match usize::try_from(input.i32()?) {
            Ok(length) => Scalar::Text(input.take(length)?),
            Err(_) => Scalar::Null,
        },
        tag => return Err(PropertyError::UnknownTag { tag }),
    })
}

fn deeper(depth: u8) -> Result<u8, PropertyError> {
    (depth < MAX_DEPTH).then_some(depth + 1).ok_or(PropertyError::TooDeep { max: MAX_DEPTH })
}

/// Writes values without count or names: the body of a stream message.
pub(crate) fn encode_values(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    values.iter().for_each(|value| put_value(value, &mut out));
    out.freeze()
}

/// Reads values up to the end.
pub(crate) fn decode_values(bytes: &[u8]) -> Result<Vec<Value>, PropertyError> {
    let mut input = Input::new(bytes);
    let mut values = Vec::new();
    while input.remaining() > 0 {
        values.push(value(&mut input, 0)?);
    }
    Ok(values)
}

/// Reads a text with a 32-bit length; `None` if the length is negative.
pub(crate) fn long_text(input: &mut Input<'_>) -> Result<Option<Text>, PropertyError> {
    match usize::try_from(input.i32()?) {
        Ok(length) => Ok(Some(text(input.take(length)?)?)),
        Err(_) => Ok(None),
    }
}

pub(crate) fn finish(input: &Input<'_>) -> Result<(), PropertyError> {
    match input.remaining() {
        0 => Ok(()),
        bytes => Err(PropertyError::Trailing { bytes }),
    }
}

fn text(bytes: &[u8]) -> Result<Text, PropertyError> {
    Ok(Text::from_wire(bytes).map_err(DecodeError::from)?)
}

fn map(input: &mut Input<'_>, depth: u8) -> Result<Option<Properties>, PropertyError> {
    let Ok(count) = usize::try_from(input.i32()?) else { return Ok(None) };
    // An entry takes three bytes at least: a count that lies does not reserve anything.
    let mut entries = Vec::with_capacity(count.min(input.remaining() / 3));
    for _ in 0..count {
        let length = usize::from(input.u16()?);
        let name = text(input.take(length)?)?;
        entries.push((name, value(input, depth)?));
    }
    Ok(Some(Properties { entries }))
}

fn value(input: &mut Input<'_>, depth: u8) -> Result<Value, PropertyError> {
    Ok(match input.u8()? {
        0 => Value::Null,
        1 => Value::Bool(input.u8()? != 0),
        2 => Value::Byte(i8::from_be_bytes(input.array()?)),
        3 => Value::Char(input.u16()?),
        4 => Value::Short(input.i16()?),
        5 => Value::Int(input.i32()?),
        6 => Value::Long(input.i64()?),
        7 => Value::Double(f64::from_be_bytes(input.array()?)),
        8 => Value::Float(f32::from_be_bytes(input.array()?)),
        9 => {
            let length = usize::from(input.u16()?);
            Value::String(text(input.take(length)?)?)
        }
        10 => {
            let length = input.length()?;
            Value::Bytes(Bytes::copy_from_slice(input.take(length)?))
        }
        11 => map(input, deeper(depth)?)?.map_or(Value::Null, Value::Map),
        12 => {
            let (depth, count) = (deeper(depth)?, input.length()?);
            let mut values = Vec::with_capacity(count.min(input.remaining()));
            for _ in 0..count {
                values.push(value(input, depth)?);
            }
            Value::List(values)
        }
        13 => long_text(input)?.map_or(Value::Null, Value::String),
        tag => return Err(PropertyError::UnknownTag { tag }),
    })
}

fn put_map(properties: &Properties, out: &mut BytesMut) {
    out.put_i32(properties.entries.len() as i32);
    for (name, value) in &properties.entries {
        put_short_text(name, out);
        put_value(value, out);
    }
}

fn put_value(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Null => out.put_u8(0),
        Value::Bool(value) => out.put_slice(&[1, u8::from(*value)]),
        Value::Byte(value) => {
            out.put_u8(2);
            out.put_i8(*value);
        }
        Value::Char(value) => {
            out.put_u8(3);
            out.put_u16(*value);
        }
        Value::Short(value) => {
            out.put_u8(4);
            out.put_i16(*value);
        }
        Value::Int(value) => {
            out.put_u8(5);
            out.put_i32(*value);
        }
        Value::Long(value) => {
            out.put_u8(6);
            out.put_i64(*value);
        }
        Value::Double(value) => {
            out.put_u8(7);
            out.put_u64(value.to_bits());
        }
        Value::Float(value) => {
            out.put_u8(8);
            out.put_u32(value.to_bits());
        }
        Value::String(text) if is_big(text) => {
            out.put_u8(13);
            out.put_i32(text.as_bytes().len() as i32);
            out.put_slice(text.as_bytes());
        }
        Value::String(text) => {
            out.put_u8(9);
            put_short_text(text, out);
        }
        Value::Bytes(bytes) => {
            out.put_u8(10);
            out.put_i32(bytes.len() as i32);
            out.put_slice(bytes);
        }
        Value::Map(properties) => {
            out.put_u8(11);
            put_map(properties, out);
        }
        Value::List(values) => {
            out.put_u8(12);
            out.put_i32(values.len() as i32);
            values.iter().for_each(|value| put_value(value, out));
        }
    }
}

fn is_big(text: &Text) -> bool {
    // Each unit takes a byte at least, and only then is it worth counting units.
    text.as_bytes().len() >= BIG_STRING && text.units().count() >= BIG_STRING
}

/// A name or a short string. Names longer than the length can say are cut, between characters.
fn put_short_text(text: &Text, out: &mut BytesMut) {
    let bytes = text.as_bytes();
    let mut end = bytes.len().min(usize::from(u16::MAX));
    while bytes.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    out.put_u16(end as u16);
    out.put_slice(bytes.get(..end).unwrap_or(bytes));
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => { $(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )* };
}
value_from! {
    bool => Bool, i8 => Byte, i16 => Short, i32 => Int, i64 => Long, f64 => Double, f32 => Float,
    Text => String, &str => String, String => String, Bytes => Bytes, Properties => Map,
    Vec<Value> => List,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_survives() {
        let inner: Properties = [("k", Value::from("v"))].into_iter().collect();
        let properties: Properties = [
            ("null", Value::Null),
            ("bool", true.into()),
            ("byte", Value::Byte(-1)),
            ("char", Value::Char(0xD83D)),
            ("short", Value::Short(i16::MIN)),
            ("int", 7.into()),
            ("long", i64::MAX.into()),
            ("double", f64::MIN_POSITIVE.into()),
            ("float", 1.5f32.into()),
            ("string", "é\0😀".into()),
            ("big", "x".repeat(BIG_STRING).into()),
            ("bytes", Bytes::from_static(b"\x00\xFF").into()),
            ("map", inner.into()),
            ("list", vec![Value::Null, Value::List(vec![1.into()])].into()),
        ]
        .into_iter()
        .collect();
        let bytes = properties.encode();
        let decoded = Properties::decode(&bytes).unwrap();
        assert_eq!(decoded, properties);
        let mut seen = Vec::new();
        scalars(&bytes, |name, value| seen.push((name, value))).unwrap();
        let expected: Vec<_> = decoded.iter().map(|(n, v)| (n.as_bytes(), as_scalar(v))).collect();
        assert_eq!(seen, expected);
        assert_eq!(decoded.encode(), bytes);
    }

    fn as_scalar(value: &Value) -> Scalar<'_> {
        match value {
            Value::Null => Scalar::Null,
            Value::Bool(value) => Scalar::Bool(*value),
            Value::Byte(value) => Scalar::Exact((*value).into()),
            Value::Short(value) => Scalar::Exact((*value).into()),
            Value::Int(value) => Scalar::Exact((*value).into()),
            Value::Long(value) => Scalar::Exact(*value),
            Value::Double(value) => Scalar::Approximate(*value),
            Value::Float(value) => Scalar::Approximate((*value).into()),
            Value::String(text) => Scalar::Text(text.as_bytes()),
            Value::Char(_) | Value::Bytes(_) | Value::Map(_) | Value::List(_) => Scalar::Opaque,
        }
    }

    #[test]
    fn strings_from_8191_units_on_are_big() {
        for (units, tag) in [(BIG_STRING - 1, 9), (BIG_STRING, 13)] {
            // Three bytes each: it is units that count.
            let text = Text::from("€".repeat(units).as_str());
            assert_eq!(encode_values(&[text.into()]).first(), Some(&tag));
        }
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        let bytes = b"\0\0\0\x02\0\x01a\x02\x01\0\x01a\x02\x02";
        let mut properties = Properties::decode(bytes).unwrap();
        assert_eq!(properties.get("a"), Some(&Value::Byte(2)));
        assert_eq!(properties.remove("a"), Some(Value::Byte(2)));
        assert!(properties.is_empty());
    }

    #[test]
    fn null_maps_and_empty_ones_read_as_none() {
        assert_eq!(Properties::decode(&[0xFF; 4]), Ok(Properties::new()));
        assert_eq!(Properties::decode(&[0; 4]), Ok(Properties::new()));
    }

    #[test]
    fn lies_are_refused() {
        for bad in [
            &b"\x7F\xFF\xFF\xFF"[..],
            b"\0\0\0\x01\0\x01a\x0E",
            b"\0\0\0\x01\0\x01a\x0A\x7F\xFF\xFF\xFF",
            b"\0\0\0\x01\0\x01a\x0C\xFF\xFF\xFF\xFF",
            b"\0\0\0\x00\0",
            b"\0\0",
        ] {
            assert!(Properties::decode(bad).is_err(), "{bad:?}");
            assert_eq!(scalars(bad, |_, _| {}), Properties::decode(bad).map(|_| ()), "{bad:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let mut bytes = b"\0\0\0\x01\0\0".to_vec();
            for _ in 0..depth {
                bytes.extend(b"\x0C\0\0\0\x01");
            }
            bytes.push(0);
            assert_eq!(scalars(&bytes, |_, _| {}), Properties::decode(&bytes).map(|_| ()));
            Properties::decode(&bytes)
        };
        assert!(nested(127).is_ok());
        assert_eq!(nested(128), Err(PropertyError::TooDeep { max: 127 }));
    }
}
