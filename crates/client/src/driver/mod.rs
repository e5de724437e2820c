//! The tasks of a connection.

mod failover;
mod finder;
mod line;
mod single;
mod spares;
mod tasks;

pub(crate) use failover::{Failover, Introduction};
pub(crate) use finder::Finder;
pub(crate) use single::start as start_single;
pub(crate) use tasks::Driver;
