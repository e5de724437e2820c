//! What a queue does for open transactions: it holds what was acknowledged in one until that ends.

use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::acknowledgement::{AckError, Acknowledgement};
use super::effects::{Effects, SubscriptionKey};
use super::entry::{Entry, Held};
use super::queue::{Queue, dispose, entry};
use super::window::Outcome;
use crate::transaction::Tag;

impl Queue {
    /// Applies an acknowledgement that is part of a transaction.
    pub fn hold(
        &mut self,
        key: SubscriptionKey,
        ack: &Acknowledgement<'_>,
        by: Tag,
        now: i64,
        effects: &mut Effects,
    ) -> Result<(), AckError> {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else {
            return Ok(());
        };
        if let Some(browse) = &mut subscription.browse {
            browse.acknowledge(ack);
        } else {
            let mut marked = 0;
            subscription.window.hold(ack, by, |_| marked += 1)?;
            // It has got that done, whatever becomes of it.
            subscription.allowance.settled(marked, now);
            self.transacted.note(by, key.0, marked);
        }
        self.fill(key.0, now, effects);
        Ok(())
    }

    /// The same for messages, by their places, of a subscription that shares its window.
    pub fn hold_places(&mut self, key: SubscriptionKey, places: &[i64], by: Tag) {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { return };
        let mut marked = 0;
        for place in places {
            let is = |entry: &Entry| entry.sequence == *place;
            marked += usize::from(subscription.window.hold_one(by, is));
        }
        self.transacted.note(by, key.0, marked);
    }

    /// Takes in a message that a transaction has acknowledged, whose consumer is gone.
    pub fn restore_held(&mut self, message: Arc<Message>, by: Tag) {
        let charge = Held::Alone(self.account.charge(message.size()));
        let mut entry = entry(message, charge);
        if let Some(paging) = &mut self.paging {
            entry.follows = entry.sequence.saturating_sub(1);
            paging.take(entry.sequence, entry.follows, entry.redeliveries);
        }
        self.leave_behind(entry, by);
    }

    fn leave_behind(&mut self, mut entry: Entry, by: Tag) {
        self.last_come = self.last_come.max(entry.sequence);
        entry.held_by = Some(by);
        // It was delivered, whatever becomes of the transaction.
        entry.redeliveries = entry.redeliveries.saturating_add(1);
        self.transacted.left_behind.push(entry);
    }

    /// How many messages a transaction holds.
    pub fn held_count(&self, by: Tag) -> usize {
        let windows = self.transacted.windows.get(&by);
        let windows = windows.map_or(0, |slots| slots.values().sum());
        let mine = |entry: &&Entry| entry.held_by == Some(by);
        windows + self.transacted.left_behind.iter().filter(mine).count()
    }

    /// The places of the persistent messages that a transaction holds: what its commit settles.
    pub fn held_places(&self, by: Tag) -> Vec<i64> {
        let kept = |entry: &Entry| entry.persistent && entry.held_by == Some(by);
        let mut places = Vec::new();
        for slot in self.transacted.windows.get(&by).into_iter().flatten().map(|(slot, _)| *slot) {
            let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else {
                continue;
            };
            let held = subscription.window.entries().filter(|entry| kept(entry));
            places.extend(held.map(|entry| entry.sequence));
        }
        let left = self.transacted.left_behind.iter().filter(|entry| kept(entry));
        places.extend(left.map(|entry| entry.sequence));
        places
    }

    /// A transaction is committed: what it holds is consumed. Returns how many that were.
    pub fn commit_held(&mut self, by: Tag, now: i64, effects: &mut Effects) -> usize {
        let slots = self.transacted.windows.remove(&by).unwrap_or_default();
        let mut taken = std::mem::take(&mut self.taken);
        for (slot, count) in &slots {
            let Some(subscription) = self.slots.get_mut(*slot).and_then(Option::as_mut) else {
                continue;
            };
            subscription.window.take_held(by, *count, &mut taken);
            subscription.window.note_settled(now);
        }
        let mine = |entry: &mut Entry| entry.held_by == Some(by);
        taken.extend(self.transacted.left_behind.extract_if(.., mine));
        let settled = taken.len();
        dispose(&mut taken, Outcome::Consumed, None, &mut self.resting, now, effects);
        self.taken = taken;
        for (slot, _) in slots {
            self.fill(slot, now, effects);
        }
        settled
    }

    /// A transaction is rolled back: consumers that are still here have their messages, and others
    /// get those of consumers that have gone.
    pub fn roll_back_held(&mut self, by: Tag, now: i64, effects: &mut Effects) {
        for (slot, count) in self.transacted.windows.remove(&by).unwrap_or_default() {
            if let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) {
                subscription.window.let_go(by, count);
            }
        }
        let mine = |entry: &mut Entry| entry.held_by == Some(by);
        let mut returned: Vec<Entry> = self.transacted.left_behind.extract_if(.., mine).collect();
        returned.sort_by_key(|entry| entry.sequence);
        for mut entry in returned {
            entry.held_by = None;
            self.offer(entry, now, effects);
        }
    }
}
