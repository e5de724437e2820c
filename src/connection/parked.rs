//! Messages that wait for room at their destinations.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;

/// How much one connection may have waiting before it is not read any more.
const MOST_MESSAGES: usize = 4096;
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// How much a bridge may have waiting: more than a FerryMQ bridge ever has on its way (8192
/// messages, or 8 MiB and one message), so that its connection is always read. Otherwise neither
/// its proofs of life nor, over a duplex link, the answers to the own bridge would come through.
const MOST_OF_BRIDGE: usize = 16 * 1024;
const MOST_BYTES_OF_BRIDGE: usize = 16 * 1024 * 1024;

/// A message that waits: it was accepted from its producer, which may be gone when there is room.
#[derive(Debug)]
pub(super) struct ParkedMessage {
    pub(super) message: Arc<Message>,
    /// Whether its producer wants its bytes back by a `ProducerAck`.
    pub(super) windowed: bool,
}

/// Messages of one connection whose destinations are full, in order for each destination.
///
/// While there are few, the connection is read on, so that its acknowledgements (which may be what
/// makes room) and its messages to other destinations are not held up.
#[derive(Debug, Default)]
pub(super) struct Parked {
    by_destination: BTreeMap<Destination, VecDeque<ParkedMessage>>,
    messages: usize,
    bytes: usize,
    /// How large the latest is: however large, it alone does not close the connection.
    latest: usize,
}

impl Parked {
    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.messages
    }

    /// Whether no more may wait: the connection must not be read.
    pub(super) fn is_full(&self, of_bridge: bool) -> bool {
        if of_bridge {
            let before = self.bytes.saturating_sub(self.latest);
            return self.messages >= MOST_OF_BRIDGE || before >= MOST_BYTES_OF_BRIDGE;
        }
        self.messages >= MOST_MESSAGES || self.bytes >= MOST_BYTES
    }

    /// Whether a message to this destination must wait behind others.
    pub(super) fn holds(&self, destination: &Destination) -> bool {
        self.messages > 0 && self.by_destination.contains_key(destination)
    }

    pub(super) fn push(&mut self, destination: Destination, parked: ParkedMessage) {
        self.messages += 1;
        self.latest = parked.message.size();
        self.bytes += self.latest;
        self.by_destination.entry(destination).or_default().push_back(parked);
    }

    /// The destinations that messages wait for.
    pub(super) fn destinations(&self) -> Vec<Destination> {
        self.by_destination.keys().cloned().collect()
    }

    /// The next message that waits for this destination.
    pub(super) fn pop(&mut self, destination: &Destination) -> Option<ParkedMessage> {
        let queue = self.by_destination.get_mut(destination)?;
        let parked = queue.pop_front();
        if queue.is_empty() {
            self.by_destination.remove(destination);
        }
        if let Some(parked) = &parked {
            self.messages -= 1;
            self.bytes -= parked.message.size();
        }
        parked
    }
}
