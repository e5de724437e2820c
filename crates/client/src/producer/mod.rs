//! Sending: the producer and its window.

pub mod handle;
pub mod options;
pub(crate) mod window;
