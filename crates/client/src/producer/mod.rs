//! Sending, as an application sees it: the producer and its options.

mod forward;
pub mod handle;
pub mod options;
