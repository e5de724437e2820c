//! Sending, as an application sees it: the producer and its options.

pub mod handle;
pub mod options;
