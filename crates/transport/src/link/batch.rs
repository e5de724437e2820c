//! How much is received at once.

/// No call of [`Receiver::receive`](crate::link::Receiver::receive) appends more.
pub(crate) const LARGEST_BATCH: usize = 256;
