//! `ferrymq move`, `retry` and `purge`: messages out of a queue, to another one, to where they came
//! from, or to nowhere.
//!
//! They are clients of any OpenWire broker. What is taken from a queue and what is sent on is one
//! transaction, so that nothing is lost and nothing is doubled, whoever dies in between.

mod arguments;
mod command;
mod work;

pub(super) use arguments::{MoveArguments, PurgeArguments, RetryArguments};
pub(super) use command::{purge, retry, run};
