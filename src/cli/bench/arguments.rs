//! What can be asked of `bench`.

use std::time::Duration;

use clap::Args;
use ferrymq_openwire::destination::Destination;

use crate::cli::client::connect::ConnectArguments;
use crate::cli::client::{destination, quantity};

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArguments {
    /// Where to: queue://NAME, topic://NAME, or NAME for a queue [default: queue://bench]
    #[arg(value_name = "DEST", value_parser = destination::parse)]
    pub(super) destination: Option<Destination>,
    /// A queue to use
    #[arg(long, value_name = "NAME", value_parser = destination::name, conflicts_with = "destination")]
    pub(super) queue: Option<String>,
    /// A topic to use; every consumer receives every message
    #[arg(long, value_name = "NAME", value_parser = destination::name)]
    #[arg(conflicts_with_all = ["destination", "queue"])]
    pub(super) topic: Option<String>,
    /// Spread producers and consumers over so many destinations: NAME.0, NAME.1, …
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = quantity::whole::<u32>(1, 100_000))]
    pub(super) dests: u32,
    /// Producers, each over a connection of its own if --connections does not say otherwise
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = quantity::whole::<u32>(1, 10_000))]
    pub(super) producers: u32,
    /// Consumers, likewise; 0 to fill a queue
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = quantity::whole::<u32>(0, 10_000))]
    pub(super) consumers: u32,
    /// Let all producers share so many connections, each with a session of its own; and consumers others
    #[arg(long, value_name = "N", value_parser = quantity::whole::<u32>(1, 10_000))]
    pub(super) connections: Option<u32>,
    /// Send so many messages in all, after the warm-up
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = quantity::whole_from::<u64>(1))]
    pub(super) messages: Option<u64>,
    /// Send for this long, after the warm-up [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration)]
    pub(super) duration: Option<Duration>,
    /// Send for this long before anything is measured
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = quantity::duration)]
    pub(super) warmup: Duration,
    /// Bytes of a body, at least 40: numbers and times are in it
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = quantity::size)]
    pub(super) size: usize,
    /// Messages a second in all; as many as possible if absent
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<f64>,
    /// Pause while more messages than this are sent and not received
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = quantity::whole_from::<u64>(1))]
    pub(super) outstanding: u64,
    /// Wait for the broker's confirmation of each message before the next
    #[arg(long)]
    pub(super) sync: bool,
    /// Commit after so many messages of each producer; each commit is waited for
    #[arg(long, value_name = "N", conflicts_with = "sync", value_parser = quantity::whole::<u64>(1, 1_000_000))]
    pub(super) transacted: Option<u64>,
    /// Persistent messages; without --sync, many wait for their confirmation at once
    #[arg(long)]
    pub(super) persistent: bool,
    /// How many messages the broker may send a consumer ahead
    #[arg(long, value_name = "N", value_parser = quantity::whole_from::<u32>(1))]
    pub(super) prefetch: Option<u32>,
    /// Give messages up as lost when none comes for this long after the last was sent
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = quantity::duration)]
    pub(super) drain: Duration,
    /// Where consumers connect, if not where producers do
    #[arg(long, value_name = "URL")]
    pub(super) consumer_url: Option<String>,
    /// Print the result as a JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArguments,
}
