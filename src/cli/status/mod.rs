//! `ferrymq status`: what a broker does, asked from its admin API.

mod command;
mod network;
mod report;

pub(super) use command::{StatusArguments, run};
