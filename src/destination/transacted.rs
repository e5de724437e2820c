//! What open transactions hold of a queue.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::transaction::Tag;

/// What open transactions hold of a queue.
///
/// As in ActiveMQ, what is acknowledged in a transaction stays in its consumer's window: when the
/// transaction is rolled back, the consumer has it still, and delivers it again by itself. When the
/// consumer goes first, nobody else gets it before the transaction has ended.
#[derive(Default)]
pub(super) struct Transacted {
    /// By transaction and slot, how many messages of that window.
    pub(super) windows: BTreeMap<Tag, BTreeMap<usize, usize>>,
    /// Of consumers that have gone.
    pub(super) left_behind: Vec<Entry>,
}

impl Transacted {
    /// A subscription ends: keeps those of its entries that transactions hold.
    pub(super) fn keep_from(&mut self, slot: usize, entries: &mut Vec<Entry>) {
        if self.windows.is_empty() {
            return;
        }
        self.windows.retain(|_, slots| {
            slots.remove(&slot);
            !slots.is_empty()
        });
        let held = entries.extract_if(.., |entry| entry.held_by.is_some());
        self.left_behind.extend(held);
    }

    pub(super) fn note(&mut self, by: Tag, slot: usize, messages: usize) {
        if messages > 0 {
            *self.windows.entry(by).or_default().entry(slot).or_default() += messages;
        }
    }
}
