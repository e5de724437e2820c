//! What can go wrong between bytes and commands.

use crate::text::MalformedText;

/// Bytes from a peer that are no OpenWire frame. None of these can be survived: the stream is out
/// of step, so the connection must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The size prefix exceeds what was agreed.
    #[error(
        "a frame of {size} bytes exceeds the limit of {max}; raise maxFrameSize if it is meant"
    )]
    FrameTooLarge {
        /// The size that the frame claims, without its own four bytes.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The size prefix is negative.
    #[error("a frame claims the negative size {size}")]
    NegativeSize {
        /// The size that the frame claims.
        size: i32,
    },
    /// A field reaches beyond the end of its frame.
    #[error("a field ends at byte {needed} of a frame that has only {available}")]
    Truncated {
        /// Bytes of the frame that the field needs.
        needed: usize,
        /// Bytes that the frame has.
        available: usize,
    },
    /// The boolean stream of a tight frame is shorter than its fields need.
    #[error("a frame needs more booleans than the {available} bytes of them that it has")]
    BooleansExhausted {
        /// Bytes of the boolean stream.
        available: usize,
    },
    /// A list claims more elements than the frame can hold.
    #[error("a list claims {count} elements where at most {available} can be")]
    TooManyElements {
        /// What the list claims.
        count: usize,
        /// Flags, of which each element has at least one, that are left.
        available: usize,
    },
    /// Bytes follow the last field.
    #[error("{bytes} bytes follow the last field of a frame of type {type_id}")]
    Trailing {
        /// Type of the frame.
        type_id: u8,
        /// How many bytes are left over.
        bytes: usize,
    },
    /// The version has no structure of this type.
    #[error("version {version} has no structure of type {type_id}")]
    UnknownType {
        /// The type byte.
        type_id: u8,
        /// The version in use.
        version: u8,
    },
    /// A field holds a structure that does not belong there.
    #[error("a structure of type {type_id} stands where {expected} belongs")]
    UnexpectedType {
        /// The type byte.
        type_id: u8,
        /// What belongs there.
        expected: &'static str,
    },
    /// A structure is sent as a frame within the frame, which no known peer does.
    #[error(
        "a structure of type {type_id} is embedded as a complete frame, which is not supported"
    )]
    EmbeddedFrame {
        /// The type byte.
        type_id: u8,
    },
    /// A length or a count is negative.
    #[error("a field claims the negative length {length}")]
    NegativeLength {
        /// What the field claims.
        length: i32,
    },
    /// A string is not modified UTF-8.
    #[error(transparent)]
    Text(#[from] MalformedText),
    /// Structures are nested too deeply.
    #[error("structures are nested more than {max} deep")]
    TooDeep {
        /// The limit.
        max: u8,
    },
    /// A cache index is outside of the agreed cache.
    #[error("cache index {index} is outside of a cache of {size}")]
    CacheIndex {
        /// The index.
        index: i16,
        /// Slots that were agreed.
        size: u16,
    },
    /// A reference into the cache finds nothing, or a structure of another type.
    #[error("cache index {index} holds no {expected}")]
    CacheReference {
        /// The index.
        index: i16,
        /// What belongs there.
        expected: &'static str,
    },
    /// The peer keeps more in the cache than it may.
    #[error("the peer's cached objects exceed {max} bytes")]
    CacheTooLarge {
        /// The limit.
        max: usize,
    },
    /// A small frame would unfold to far more memory than it occupies itself.
    #[error("a frame of {size} bytes would unfold to more than {max} bytes of memory")]
    Unfolds {
        /// Bytes of the frame.
        size: usize,
        /// The limit.
        max: usize,
    },
}

/// A command that cannot be written to this peer.
///
/// After such an error the encoder's object cache may be out of step with the peer's: when the
/// cache is on, the connection must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A string is too long for its length prefix.
    #[error("a string of {length} bytes does not fit into the {max} that the encoding allows")]
    StringTooLong {
        /// Bytes of the string.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// An array or a stack trace is too long for its count.
    #[error("a list of {length} elements does not fit into the 32767 that the encoding allows")]
    TooManyElements {
        /// Elements of the list.
        length: usize,
    },
    /// The frame exceeds what was agreed.
    #[error("a frame of {size} bytes exceeds the peer's limit of {max}")]
    FrameTooLarge {
        /// Bytes of the frame, without its size prefix.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The peer's version has no such structure.
    #[error("version {version} has no {structure}")]
    NotInVersion {
        /// ActiveMQ's name of the structure.
        structure: &'static str,
        /// The version in use.
        version: u8,
    },
    /// Structures are nested too deeply.
    #[error("structures are nested more than {max} deep")]
    TooDeep {
        /// The limit.
        max: u8,
    },
    /// A message's own bytes could not be read in order to write them in the peer's form.
    #[error("a message could not be rewritten for the peer's version: {0}")]
    Message(#[from] DecodeError),
}
