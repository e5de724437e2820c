//! `ferrymq trace`: the way that a message took, and the ways that one would take.

mod command;
mod message;
mod probe;

pub(super) use command::{TraceArguments, run};
