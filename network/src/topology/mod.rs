//! A described network of brokers: read from a file, checked, drawn, run.
//!
//! [`load`](load::load) gives a [`Topology`](spec::Topology) in which every name stands for
//! something; [`check`](check::check) says what its author probably did not mean. Nothing here
//! starts anything.

pub mod check;
pub mod graph;
pub mod load;
pub mod render;
pub mod sections;
pub mod spec;

mod addresses;
mod explain;
mod members;

#[cfg(test)]
mod tests;
