//! OpenWire, ActiveMQ's native protocol, versions 1 to 12.

pub mod command;
pub mod commands;
pub mod destination;
pub mod ids;
pub mod message;
mod structure;
pub mod text;
pub mod throwable;
