//! Who sends what to where.

use std::time::Duration;

use ferrymq_openwire::destination::{Destination, DestinationKind};

use super::arguments::BenchArguments;
use super::stamp::STAMP;

/// When a producer has sent enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Extent {
    /// After so many messages of all producers together.
    Messages(u64),
    /// After this time.
    For(Duration),
}

/// What will be done, checked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) destinations: Vec<Destination>,
    pub(super) producers: u32,
    pub(super) consumers: u32,
    pub(super) extent: Extent,
    pub(super) warmup: Duration,
    pub(super) size: usize,
    /// Messages a second of one producer.
    pub(super) rate: Option<f64>,
    pub(super) outstanding: u64,
    pub(super) sync: bool,
    /// Messages of one transaction.
    pub(super) transacted: Option<u64>,
    pub(super) persistent: bool,
    /// How many connections producers share; and consumers, as many others.
    pub(super) connections: Option<u32>,
    pub(super) prefetch: Option<u32>,
    pub(super) drain: Duration,
    /// Tells the messages of this run from others.
    pub(super) run: u64,
}

impl Plan {
    /// From the arguments; the error is for the user.
    pub(super) fn new(arguments: &BenchArguments, run: u64) -> Result<Self, String> {
        let base = match (&arguments.destination, &arguments.queue, &arguments.topic) {
            (Some(destination), ..) => destination.clone(),
            (None, Some(name), _) => Destination::queue(name.as_str()),
            (None, None, Some(name)) => Destination::topic(name.as_str()),
            (None, None, None) => Destination::queue("bench"),
        };
        if arguments.size < STAMP {
            return Err(format!("--size must be at least {STAMP} bytes"));
        }
        if arguments.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err("--rate must be above 0".to_owned());
        }
        if arguments.consumers > 0 && arguments.consumers < arguments.dests {
            return Err("--consumers must be at least --dests, or some would have none".to_owned());
        }
        if arguments.producers < arguments.dests {
            return Err("--producers must be at least --dests, or some would have none".to_owned());
        }
        let uncommitted = arguments.transacted.unwrap_or(0) * u64::from(arguments.producers);
        if arguments.consumers > 0 && uncommitted > arguments.outstanding / 2 {
            return Err(format!(
                "--transacted: all producers together may have {} messages that are not committed, \
                 half of --outstanding; {uncommitted} are more",
                arguments.outstanding / 2
            ));
        }
        let extent = match (arguments.messages, arguments.duration) {
            (Some(count), _) => Extent::Messages(count),
            (None, time) => Extent::For(time.unwrap_or(Duration::from_secs(10))),
        };
        Ok(Self {
            destinations: spread(&base, arguments.dests),
            producers: arguments.producers,
            consumers: arguments.consumers,
            extent,
            warmup: arguments.warmup,
            size: arguments.size,
            rate: arguments.rate.map(|rate| rate / f64::from(arguments.producers)),
            outstanding: arguments.outstanding,
            sync: arguments.sync,
            transacted: arguments.transacted,
            persistent: arguments.persistent,
            connections: arguments.connections,
            prefetch: arguments.prefetch,
            drain: arguments.drain,
            run,
        })
    }

    /// Where a producer or consumer of this number belongs.
    pub(super) fn place(&self, number: u32) -> usize {
        number as usize % self.destinations.len().max(1)
    }

    /// How many consumers receive each message of this producer.
    pub(super) fn fan_out(&self, producer: u32) -> u64 {
        let place = self.place(producer);
        let consumers = (0..self.consumers).filter(|consumer| self.place(*consumer) == place);
        if self.is_topic() { consumers.count() as u64 } else { u64::from(self.consumers > 0) }
    }

    /// Whether each consumer receives each message.
    pub(super) fn is_topic(&self) -> bool {
        self.destinations.first().is_some_and(|destination| !destination.kind().is_queue())
    }

    /// How many messages this producer sends, if that is given.
    pub(super) fn share(&self, producer: u32) -> Option<u64> {
        match self.extent {
            Extent::For(_) => None,
            Extent::Messages(all) => {
                let producers = u64::from(self.producers);
                let more = u64::from(u64::from(producer) < all % producers);
                Some(all / producers + more)
            }
        }
    }
}

fn spread(base: &Destination, count: u32) -> Vec<Destination> {
    if count == 1 {
        return vec![base.clone()];
    }
    let kind: DestinationKind = base.kind();
    (0..count).map(|n| Destination::new(kind, format!("{}.{n}", base.name()))).collect()
}
