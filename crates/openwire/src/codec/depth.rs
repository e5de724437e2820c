//! The bound of nesting.

/// How deeply structures may be nested in a frame.
///
/// A message counts as one level below the frame even where it is the frame, so that a message
/// that one peer could send can be dispatched to another.
pub(crate) const MAX_DEPTH: u8 = 32;
