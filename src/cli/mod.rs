//! The command line: what people type, and what they see.

mod arguments;
mod bench;
mod broker;
mod check;
mod client;
mod columns;
mod data;
mod exit;
mod explain;
mod files;
mod logging;
mod options;
mod output;
mod plain;
mod quantities;
mod receive;
mod send;
mod shutdown;
mod status;
mod store;
mod trace;
mod transactions;
mod transfer;
mod unsubscribe;
mod up;
mod world;

pub use arguments::run;
pub use exit::ExitCode;
