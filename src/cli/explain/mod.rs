//! `ferrymq explain`: why a message waits, and what would move it.

mod command;
mod report;

pub(super) use command::{ExplainArguments, run};
