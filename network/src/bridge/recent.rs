//! The messages of topics that went over the bridge just now.

use std::collections::{HashSet, VecDeque};

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;

/// A bounded memory of messages, by id and topic: what was sent to several topics at once is one
/// message in each of them. A topic's message reaches every demand that matches it; where demands
/// overlap, this keeps it from crossing more than once.
#[derive(Debug)]
pub(super) struct RecentIds {
    known: HashSet<(MessageId, Destination)>,
    order: VecDeque<(MessageId, Destination)>,
    capacity: usize,
}

impl RecentIds {
    pub(super) fn new(capacity: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), capacity }
    }

    /// Remembers a message of a topic; false if it is known already.
    pub(super) fn insert(&mut self, id: MessageId, topic: &Destination) -> bool {
        let message = (id, topic.clone());
        if !self.known.insert(message.clone()) {
            return false;
        }
        self.order.push_back(message);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }
}
