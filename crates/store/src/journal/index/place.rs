//! A place in a journal.

/// Where a body stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) struct Place {
    /// The segment, from 1.
    pub(in crate::journal) segment: u32,
    /// Where its prefix begins, in bytes from the start of the segment.
    pub(in crate::journal) offset: u32,
    /// The body's length in bytes, without its prefix.
    pub(in crate::journal) length: u32,
}
