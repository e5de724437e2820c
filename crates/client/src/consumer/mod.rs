//! Receiving, as an application sees it: the consumer and its options.

pub mod handle;
pub mod options;
