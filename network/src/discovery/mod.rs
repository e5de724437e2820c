//! Where the addresses of remote brokers come from, and when they are dialled again.

pub mod error;
pub mod redial;
pub mod remotes;
