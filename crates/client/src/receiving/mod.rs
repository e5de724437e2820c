//! Receiving, inside: what a consumer holds, when it settles, and what it tells the broker.

pub(crate) mod audit;
pub(crate) mod core;
pub(crate) mod held;
pub mod redelivery;
pub(crate) mod state;
#[cfg(test)]
mod tests;
