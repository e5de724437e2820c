//! What can be typed.

use std::time::Duration;

use clap::Args;
use ferrymq_openwire::destination::Destination;

use crate::cli::client::connect::ConnectArguments;
use crate::cli::client::{destination, quantity};

/// Arguments of `move`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MoveArguments {
    /// Where from: queue://NAME or NAME; * and > stand for many
    #[arg(value_name = "QUEUE", value_parser = destination::parse)]
    pub(super) from: Destination,
    /// Where to
    #[arg(long, value_name = "DEST", value_parser = destination::parse)]
    #[arg(required_unless_present = "to_origin", conflicts_with = "to_origin")]
    pub(super) to: Option<Destination>,
    /// Each to where it was sent first: of dead letters, where they died
    #[arg(long)]
    pub(super) to_origin: bool,
    #[command(flatten)]
    pub(super) selection: Selection,
}

/// Arguments of `retry`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArguments {
    /// The queue of dead letters
    #[arg(value_name = "QUEUE", value_parser = destination::parse, default_value = "ActiveMQ.DLQ")]
    pub(super) from: Destination,
    #[command(flatten)]
    pub(super) selection: Selection,
}

/// Arguments of `purge`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PurgeArguments {
    /// What to empty: queue://NAME or NAME; * and > stand for many
    #[arg(value_name = "QUEUE", value_parser = destination::parse)]
    pub(super) from: Destination,
    /// Drop what is damaged on the broker's disk and set aside, in place of what waits
    #[arg(long, conflicts_with_all = ["condition", "limit", "dry_run"])]
    pub(super) damaged: bool,
    /// With --damaged: the broker's admin API [default: http://127.0.0.1:8161]
    #[arg(long, value_name = "URL", requires = "damaged")]
    pub(super) admin: Option<String>,
    #[command(flatten)]
    pub(super) selection: Selection,
}

/// Which messages, and how.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only messages that this condition on headers and properties selects
    #[arg(long = "where", value_name = "SQL")]
    pub(super) condition: Option<String>,
    /// No more than so many messages
    #[arg(long, value_name = "N", value_parser = quantity::whole_from::<u64>(1))]
    pub(super) limit: Option<u64>,
    /// Change nothing; count what would be changed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// How many messages to take in one transaction
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = quantity::whole::<u32>(1, 10_000))]
    pub(super) batch: u32,
    /// The queue is empty when nothing comes for this long
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration, default_value = "1s")]
    pub(super) idle: Duration,
    #[command(flatten)]
    pub(super) connect: ConnectArguments,
}
