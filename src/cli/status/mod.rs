//! `ferrymq status`: what a broker does, asked from its admin API.

mod command;
mod report;

pub(super) use command::{StatusArguments, run};
