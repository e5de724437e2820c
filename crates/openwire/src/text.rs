//! Strings as the wire has them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A string of the wire: Java's modified UTF-8, immutable, cheap to clone.
///
/// Java strings are UTF-16 and may hold lone surrogates, which `str` cannot, so the encoded bytes
/// are kept as they came. Nearly every real string is also valid UTF-8 and can be borrowed as such.
///
/// ```text
/// U+0001..U+007F          0xxxxxxx
/// U+0000, U+0080..U+07FF  110xxxxx 10xxxxxx              (NUL is C0 80; a raw 00 is accepted)
/// U+0800..U+FFFF          1110xxxx 10xxxxxx 10xxxxxx     (surrogates too, one by one)
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<[u8]>);

/// The bytes are not modified UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text is not modified UTF-8 at byte {offset}")]
pub struct MalformedText {
    /// Where the first bad sequence starts.
    pub offset: usize,
}

impl Text {
    /// A text of these bytes, exactly as they came from the wire.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, MalformedText> {
        validate(bytes)?;
        Ok(Self(Arc::from(bytes)))
    }

    /// A text of these UTF-16 code units, which need not pair up.
    pub fn from_utf16(units: &[u16]) -> Self {
        let mut bytes = Vec::with_capacity(units.len());
        for &unit in units {
            push_unit(unit, &mut bytes);
        }
        Self(Arc::from(bytes))
    }

    /// The UTF-16 code units: what Java sees.
    pub fn to_utf16(&self) -> Vec<u16> {
        self.units().collect()
    }

    /// The UTF-16 code units, one by one.
    pub(crate) fn units(&self) -> impl Iterator<Item = u16> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (unit, tail) = split_unit(rest)?;
            rest = tail;
            Some(unit)
        })
    }

    /// The modified UTF-8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text as `str`, unless it holds NUL, a supplementary character or a lone surrogate.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text as UTF-8; lone surrogates become U+FFFD.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(String::from_utf16_lossy(&self.to_utf16())),
        }
    }

    /// Whether every code unit is in U+0001..U+007F: what the tight encoding marks with a bit.
    pub(crate) fn is_plain_ascii(&self) -> bool {
        is_plain_ascii(&self.0)
    }
}

fn is_plain_ascii(bytes: &[u8]) -> bool {
    bytes.is_ascii() && !bytes.contains(&0)
}

/// Checks that these bytes are modified UTF-8.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), MalformedText> {
    // Nearly all texts are ASCII, and this test is much faster than the walk.
    if bytes.is_ascii() {
        return Ok(());
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        match split_unit(rest) {
            Some((_, tail)) => rest = tail,
            None => return Err(MalformedText { offset: bytes.len() - rest.len() }),
        }
    }
    Ok(())
}

/// The first code unit and the bytes after it; `None` at the end and at a bad sequence.
fn split_unit(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let low = |byte: u8| (byte & 0xC0 == 0x80).then_some(u16::from(byte & 0x3F));
    match *bytes {
        [first, ref tail @ ..] if first < 0x80 => Some((u16::from(first), tail)),
        [first, second, ref tail @ ..] if first & 0xE0 == 0xC0 => {
            Some((u16::from(first & 0x1F) << 6 | low(second)?, tail))
        }
        [first, second, third, ref tail @ ..] if first & 0xF0 == 0xE0 => {
            Some((u16::from(first & 0x0F) << 12 | low(second)? << 6 | low(third)?, tail))
        }
        _ => None,
    }
}

fn push_unit(unit: u16, bytes: &mut Vec<u8>) {
    let [_, low] = unit.to_be_bytes();
    let continued = |shift: u32| 0x80 | ((unit >> shift) & 0x3F) as u8;
    match unit {
        0x01..=0x7F => bytes.push(low),
        0 | 0x80..=0x7FF => bytes.extend([0xC0 | (unit >> 6) as u8, continued(0)]),
        _ => bytes.extend([0xE0 | (unit >> 12) as u8, continued(6), continued(0)]),
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if is_plain_ascii(text.as_bytes()) {
            return Self(Arc::from(text.as_bytes()));
        }
        let mut bytes = Vec::with_capacity(text.len());
        for unit in text.encode_utf16() {
            push_unit(unit, &mut bytes);
        }
        Self(Arc::from(bytes))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Arc::from(&[][..]))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        if is_plain_ascii(other.as_bytes()) {
            return *self.0 == *other.as_bytes();
        }
        self.units().eq(other.encode_utf16())
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_and_supplementary_characters_take_javas_form() {
        let text = Text::from("a\0é€😀");
        assert_eq!(text.as_bytes(), b"a\xC0\x80\xC3\xA9\xE2\x82\xAC\xED\xA0\xBD\xED\xB8\x80",);
        assert_eq!(text.as_str(), None);
        assert_eq!(text.to_string_lossy(), "a\0é€😀");
        assert_eq!(text, *"a\0é€😀");
    }

    #[test]
    fn lone_surrogates_survive() {
        let text = Text::from_utf16(&[0x61, 0xD83D, 0x62]);
        assert_eq!(Text::from_wire(text.as_bytes()), Ok(text.clone()));
        assert_eq!(text.to_utf16(), [0x61, 0xD83D, 0x62]);
        assert_eq!(text.to_string_lossy(), "a\u{FFFD}b");
    }

    #[test]
    fn four_byte_forms_and_cut_sequences_are_refused() {
        assert_eq!(Text::from_wire("ab😀".as_bytes()), Err(MalformedText { offset: 2 }));
        for bad in [&b"\xC3"[..], b"\xE2\x82", b"\xC3\x28", b"\x80", b"\xFF"] {
            assert_eq!(Text::from_wire(bad), Err(MalformedText { offset: 0 }));
        }
    }

    #[test]
    fn a_raw_nul_is_accepted_and_kept() {
        let text = Text::from_wire(b"a\0b").unwrap();
        assert_eq!(text.as_bytes(), b"a\0b");
        assert_eq!(text.to_utf16(), [0x61, 0, 0x62]);
    }
}
