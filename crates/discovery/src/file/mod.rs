//! A file that lists brokers, which somebody else rewrites: an address on each line, and `#` before
//! what is not one.

mod config;
mod list;
mod watching;

pub use config::{FileConfig, OPTIONS};

pub(crate) use config::TITLE;
pub(crate) use watching::watch;
