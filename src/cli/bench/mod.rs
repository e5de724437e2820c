//! `ferrymq bench`: a load generator that knows what it sent, so that it can say what was lost,
//! duplicated or reordered, and how long each message took.

mod arguments;
mod command;
mod gate;
mod plan;
mod report;
mod sending;
mod stamp;
mod tally;
mod work;

pub(super) use arguments::BenchArguments;
pub(super) use command::run;
