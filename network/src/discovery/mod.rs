//! Where the addresses of remote brokers come from.

pub mod static_list;
