//! Frames to commands and back.
//!
//! ```text
//! +----------+------+----------------------------------+
//! | i32 size | type | fields of that type, in order    |   loose
//! +----------+------+---------------+------------------+
//! | i32 size | type | boolean stream| fields, no flags |   tight
//! +----------+------+---------------+------------------+
//!   \ absent where both peers agreed on no size prefix
//! ```
//!
//! The size counts what follows it. Everything is big-endian. The reader and the writer
//! know how a *kind* of field is encoded in either way; which fields a structure has is said once,
//! in its list. What the module does not do: I/O, and judging whether a command makes sense.

pub(crate) mod bits;
mod cache;
pub mod decoder;
pub(crate) mod depth;
pub mod encoder;
pub(crate) mod input;
pub(crate) mod reader;
mod recent;
pub(crate) mod writer;

pub use decoder::Decoder;
pub use encoder::Encoder;
