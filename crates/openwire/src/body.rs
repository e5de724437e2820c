//! Contents of messages: reading them, inflated where they are compressed, and writing them.
//!
//! ```text
//! kind     content                              compressed content
//! bytes    the bytes                            i32 inflated length, zlib(bytes)
//! map      map (see properties)                 zlib(map)
//! object   Java serialization stream            zlib(stream)
//! stream   values (see properties), no count    zlib(values)
//! text     i32 length, modified UTF-8           zlib(i32 length, modified UTF-8)
//! ```

use std::borrow::Cow;
use std::io::{Read, Write};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::codec::input::Input;
use crate::error::DecodeError;
use crate::message::{Message, MessageKind};
use crate::properties::{self, Properties, PropertyError, Value};
use crate::text::Text;

/// Content does not inflate beyond this many bytes, as in ActiveMQ.
pub const MAX_INFLATED: usize = 100 << 20;

/// A message's content cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The message is of another kind.
    #[error("a message of kind {found:?} has no {wanted:?} content")]
    WrongKind {
        /// What was asked for.
        wanted: MessageKind,
        /// What the message is.
        found: MessageKind,
    },
    /// The compressed content is damaged.
    #[error("compressed content cannot be inflated: {reason}")]
    Deflate {
        /// What the decompressor says.
        reason: String,
    },
    /// The content would inflate to more than is allowed.
    #[error("compressed content inflates to more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The content inflates to less than it says.
    #[error("compressed content inflates to {found} of the {claimed} bytes that it claims")]
    TooShort {
        /// What it says.
        claimed: usize,
        /// What is there.
        found: usize,
    },
    /// The content is not what its kind says.
    #[error("content cannot be read: {0}")]
    Malformed(#[from] PropertyError),
}

impl From<DecodeError> for BodyError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.into())
    }
}

/// The content of a message of any kind, inflated if it is compressed; empty if there is none.
pub fn inflated(message: &Message) -> Result<Cow<'_, [u8]>, BodyError> {
    let content = message.content().unwrap_or_default();
    if !message.compressed() || content.is_empty() {
        return Ok(Cow::Borrowed(content));
    }
    if message.kind() != MessageKind::Bytes {
        return inflate(content, MAX_INFLATED).map(Cow::Owned);
    }
    // Java writers deflate their whole buffer, so that more may follow than belongs to the content.
    let mut input = Input::new(content);
    let claimed = input.length()?;
    if claimed > MAX_INFLATED {
        return Err(BodyError::TooLarge { max: MAX_INFLATED });
    }
    let mut bytes = Vec::new();
    let read = ZlibDecoder::new(input.rest()).take(claimed as u64).read_to_end(&mut bytes);
    read.map_err(|error| BodyError::Deflate { reason: error.to_string() })?;
    if bytes.len() < claimed {
        return Err(BodyError::TooShort { claimed, found: bytes.len() });
    }
    Ok(Cow::Owned(bytes))
}

/// The text of a text message; `None` if it has none.
pub fn text(message: &Message) -> Result<Option<Text>, BodyError> {
    expect(message, MessageKind::Text)?;
    let content = inflated(message)?;
    if content.is_empty() {
        return Ok(None);
    }
    let mut input = Input::new(&content);
    let text = properties::long_text(&mut input)?;
    properties::finish(&input)?;
    Ok(text)
}

/// The text of a text message as UTF-8; `None` if it has none. Lone surrogates become U+FFFD.
pub fn text_body(message: &Message) -> Result<Option<String>, BodyError> {
    Ok(text(message)?.map(|text| text.to_string_lossy().into_owned()))
}

/// The bytes of a bytes message; those of other kinds are their encoded content, inflated.
pub fn bytes_body(message: &Message) -> Result<Bytes, BodyError> {
    Ok(match inflated(message)? {
        Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
        Cow::Owned(bytes) => bytes.into(),
    })
}

/// The named values of a map message.
pub fn map_body(message: &Message) -> Result<Properties, BodyError> {
    expect(message, MessageKind::Map)?;
    let content = inflated(message)?;
    if content.is_empty() {
        return Ok(Properties::new());
    }
    Ok(Properties::decode(&content)?)
}

/// The values of a stream message.
pub fn stream_body(message: &Message) -> Result<Vec<Value>, BodyError> {
    expect(message, MessageKind::Stream)?;
    Ok(properties::decode_values(&inflated(message)?)?)
}

/// The content of a text message.
pub fn text_content(text: impl Into<Text>) -> Bytes {
    let text = text.into();
    let mut content = BytesMut::with_capacity(4 + text.as_bytes().len());
    content.put_i32(text.as_bytes().len() as i32);
    content.put_slice(text.as_bytes());
    content.freeze()
}

/// The content of a map message.
pub fn map_content(values: &Properties) -> Bytes {
    values.encode()
}

/// The content of a stream message.
pub fn stream_content(values: &[Value]) -> Bytes {
    properties::encode_values(values)
}

/// Deflates the content of a message of this kind; its `compressed` must then be set.
pub fn compressed_content(kind: MessageKind, content: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(content.len() / 2 + 16);
    if kind == MessageKind::Bytes {
        out.put_i32(content.len() as i32);
    }
    let mut encoder = ZlibEncoder::new(out, Compression::default());
    // Writing to memory does not fail.
    let written = encoder.write_all(content);
    debug_assert!(written.is_ok());
    encoder.finish().unwrap_or_default().into()
}

fn expect(message: &Message, wanted: MessageKind) -> Result<(), BodyError> {
    match message.kind() {
        found if found == wanted => Ok(()),
        found => Err(BodyError::WrongKind { wanted, found }),
    }
}

fn inflate(deflated: &[u8], max: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(deflated)
        .take(max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| BodyError::Deflate { reason: error.to_string() })?;
    if bytes.len() > max {
        return Err(BodyError::TooLarge { max });
    }
    Ok(bytes)
}
