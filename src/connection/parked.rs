//! Messages that wait for room at their destinations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::TransactionId;
use ferrymq_openwire::message::Message;
use tokio::time::Instant;

use crate::destination::WaitingCharge;

/// How much one connection may have waiting before it is not read any more.
const MOST_MESSAGES: usize = 4096;
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// How much a bridge may have waiting: more than a FerryMQ bridge ever has on its way (12288
/// messages, or 12 MiB and one message), so that its connection is always read. Otherwise neither
/// its proofs of life nor, over a duplex link, the answers to the own bridge would come through.
const MOST_OF_BRIDGE: usize = 16 * 1024;
const MOST_BYTES_OF_BRIDGE: usize = 16 * 1024 * 1024;
/// How much of that may wait for no other reason than that slow consumers have enough for now: a
/// bridge that is no FerryMQ's sends as much as its windows hold.
const MOST_HELD_BACK: usize = 4 * 1024;
const MOST_BYTES_HELD_BACK: usize = 4 * 1024 * 1024;

/// A message that waits: it was accepted from its producer, which may be gone when there is room.
#[derive(Debug)]
pub(super) struct ParkedMessage {
    pub(super) message: Arc<Message>,
    /// Whether its producer wants its bytes back by a `ProducerAck`.
    pub(super) windowed: bool,
    /// Where it was sent: perhaps a composite name.
    pub(super) address: Destination,
    /// The transaction that it is part of.
    pub(super) within: Option<TransactionId>,
    /// Until when it waits, if not for ever.
    pub(super) until: Option<Instant>,
    /// A bridge's: what it counts as, until it is taken.
    pub(super) _charge: Option<WaitingCharge>,
}

/// Messages of one connection whose destinations are full, in order for each destination.
///
/// While there are few, the connection is read on, so that its acknowledgements (which may be what
/// makes room) and its messages to other destinations are not held up. A message for several
/// destinations stands in the line of each, and goes when it is the first in all of them.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: BTreeMap<u64, Waiting>,
    /// By destination the numbers of those that wait for it, in the order in which they came.
    lines: BTreeMap<Destination, VecDeque<u64>>,
    last: u64,
    /// Until when those wait that do not wait for ever.
    deadlines: BTreeSet<(Instant, u64)>,
    /// Places in all lines: a message for several destinations counts for each.
    places: usize,
    bytes: usize,
    /// How large the latest is: however large, it alone does not close the connection.
    latest: usize,
}

#[derive(Debug)]
struct Waiting {
    parked: ParkedMessage,
    targets: Vec<Destination>,
}

impl Parked {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no more may wait: the connection must not be read.
    pub(super) fn is_full(&self, of_bridge: bool) -> bool {
        if of_bridge {
            let before = self.bytes.saturating_sub(self.latest);
            return self.places >= MOST_OF_BRIDGE || before >= MOST_BYTES_OF_BRIDGE;
        }
        self.places >= MOST_MESSAGES || self.bytes >= MOST_BYTES
    }

    /// Whether more may wait that could be taken.
    pub(super) fn may_hold_back(&self) -> bool {
        self.places < MOST_HELD_BACK && self.bytes < MOST_BYTES_HELD_BACK
    }

    /// Whether a message to this destination must wait behind others.
    pub(super) fn holds(&self, destination: &Destination) -> bool {
        !self.waiting.is_empty() && self.lines.contains_key(destination)
    }

    /// Lets a message wait for its destinations.
    pub(super) fn push(&mut self, targets: Vec<Destination>, parked: ParkedMessage) {
        self.last += 1;
        self.places += targets.len();
        self.latest = parked.message.size();
        self.bytes += self.latest;
        self.deadlines.extend(parked.until.map(|until| (until, self.last)));
        for target in &targets {
            self.lines.entry(target.clone()).or_default().push_back(self.last);
        }
        self.waiting.insert(self.last, Waiting { parked, targets });
    }

    /// The destinations that messages wait for.
    pub(super) fn destinations(&self) -> Vec<Destination> {
        self.lines.keys().cloned().collect()
    }

    /// The next message of a line, if nothing stands before it in another line. What
    /// was sent to several destinations is tried from the first one's line only: there may be many.
    pub(super) fn next(&self, destination: &Destination) -> Option<&ParkedMessage> {
        let number = self.lines.get(destination)?.front()?;
        let Waiting { parked, targets } = self.waiting.get(number)?;
        let first = |line: &Destination| {
            self.lines.get(line).and_then(VecDeque::front).is_some_and(|first| first == number)
        };
        let here = targets.first() == Some(destination);
        (here && targets.iter().all(first)).then_some(parked)
    }

    /// Takes out the next message of a line.
    pub(super) fn pop(&mut self, destination: &Destination) -> Option<ParkedMessage> {
        let number = *self.lines.get(destination)?.front()?;
        self.take_out(number)
    }

    /// When the first of those is to be given up that do not wait for ever.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// Takes out one that has waited for as long as it may.
    pub(super) fn pop_overdue(&mut self, now: Instant) -> Option<ParkedMessage> {
        let (_, number) = *self.deadlines.first().filter(|(until, _)| *until <= now)?;
        self.take_out(number)
    }

    fn take_out(&mut self, number: u64) -> Option<ParkedMessage> {
        let Waiting { parked, targets } = self.waiting.remove(&number)?;
        for target in &targets {
            if let Some(line) = self.lines.get_mut(target) {
                // In the order of their numbers, and mostly the first.
                if let Ok(at) = line.binary_search(&number) {
                    line.remove(at);
                }
                if line.is_empty() {
                    self.lines.remove(target);
                }
            }
        }
        if let Some(until) = parked.until {
            self.deadlines.remove(&(until, number));
        }
        self.places -= targets.len();
        self.bytes -= parked.message.size();
        Some(parked)
    }
}
