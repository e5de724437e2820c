//! Receiving: the consumer, what it holds, and when it settles.

pub(crate) mod core;
pub mod handle;
pub(crate) mod held;
pub mod options;
pub mod redelivery;
pub(crate) mod state;
#[cfg(test)]
mod tests;
