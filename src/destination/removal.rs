//! What leaves a queue without a consumer.

use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::effects::Effects;
use super::entry::Entry;
use super::queue::Queue;

impl Queue {
    /// Forgets those of the waiting messages that `which` picks.
    pub fn discard(&mut self, which: impl Fn(&Message) -> bool, effects: &mut Effects) {
        let mut from = i64::MIN;
        while let Some(entry) = self.pending.first_from(from) {
            let sequence = entry.sequence;
            if which(&entry.message)
                && let Some(entry) = self.take_pending(sequence)
                && entry.persistent
            {
                effects.consumed.push(sequence);
            }
            from = sequence.saturating_add(1);
        }
    }

    /// Takes out all that waits.
    pub fn take_all(&mut self) -> Vec<Arc<Message>> {
        let mut all = Vec::new();
        while let Some(sequence) = self.pending.first_from(i64::MIN).map(|entry| entry.sequence) {
            all.extend(self.take_pending(sequence).map(|entry| entry.message));
        }
        all
    }

    /// Takes out a message that waits in memory.
    pub(super) fn take_pending(&mut self, sequence: i64) -> Option<Entry> {
        let entry = self.pending.remove(sequence)?;
        self.returns.doubts.forget(sequence);
        if entry.expiration > 0 {
            self.expiring.remove(&(entry.expiration, sequence));
        }
        if let Some(paging) = &mut self.paging {
            paging.went(&entry);
        }
        Some(entry)
    }
}
