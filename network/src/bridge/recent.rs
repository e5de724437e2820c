//! The messages of topics that went over the bridge just now.

use std::collections::{HashSet, VecDeque};

use ferrymq_openwire::ids::MessageId;

/// A bounded memory of message ids. A topic's message reaches every demand that matches it; where
/// demands overlap, this keeps it from crossing more than once.
#[derive(Debug)]
pub(super) struct RecentIds {
    known: HashSet<MessageId>,
    order: VecDeque<MessageId>,
    capacity: usize,
}

impl RecentIds {
    pub(super) fn new(capacity: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), capacity }
    }

    /// Remembers an id; false if it is known already.
    pub(super) fn insert(&mut self, id: MessageId) -> bool {
        if !self.known.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
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
