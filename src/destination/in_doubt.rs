//! What a queue knows of messages that brokers beyond bridges may have: what it hands on, and what it
//! asks about when it does not know any more.

use std::collections::BTreeSet;

use ferrymq_openwire::ids::{BrokerId, MessageId};

use super::doubts::Doubts;
use super::effects::{Effects, SubscriptionKey};
use super::entry::Entry;
use super::queue::Queue;

/// While no more than so many wait, a mark covers them all, wherever they are.
const FEW: usize = 4096;

impl Queue {
    /// The same queue, which holds a message that may be at another broker for so long for that one,
    /// in milliseconds.
    pub fn holding_doubts(mut self, hold: i64) -> Self {
        self.returns.doubts = Doubts::new(hold);
        self
    }

    /// These may be at a broker whose bridge has gone.
    pub(super) fn doubt(&mut self, entries: &[Entry], at: Option<&BrokerId>, now: i64) {
        for entry in entries.iter().filter(|entry| entry.persistent) {
            if let Some(broker) = at {
                self.returns.doubt(entry.sequence, broker, now);
            }
        }
    }

    /// The store has a mark from before the queue came to life: all from one place to another may be
    /// at this broker.
    pub fn recall_mark(
        &mut self,
        broker: BrokerId,
        places: (i64, i64),
        now: i64,
        effects: &mut Effects,
    ) {
        if let Some(handed) = &mut self.returns.handed {
            handed.restore(&broker, places);
        }
        // What comes from now on has later places, wherever the mark ends.
        self.returns.doubts.hold_all(places.0, places.1.min(self.last_come), broker, now);
        self.end_marks(effects);
    }

    /// Whether something may be at this broker.
    pub fn doubts_about(&self, broker: &BrokerId) -> bool {
        self.returns.doubts.span(broker).is_some()
    }

    /// How many messages may be at this broker, or at any: at most.
    pub fn in_doubt(&self, broker: Option<&BrokerId>) -> usize {
        self.returns.doubts.count(broker, |first, last| self.count_waiting(first, last))
    }

    /// How many messages wait from one place to another, of those on disk at most.
    fn count_waiting(&self, first: i64, last: i64) -> usize {
        let (mut count, mut at) = (0, first);
        while let Some(entry) = self.pending.first_from(at)
            && entry.sequence <= last
        {
            count += 1;
            at = entry.sequence.saturating_add(1);
        }
        count + self.paging.as_ref().map_or(0, |paging| paging.most_between(first, last))
    }

    /// The broker beyond a subscription does not have a message that it was asked about.
    pub fn deny(&mut self, key: SubscriptionKey, id: &MessageId, now: i64, effects: &mut Effects) {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { return };
        if !subscription.asked.settles() {
            return;
        }
        let broker = subscription.asked.admission.next_broker().cloned();
        let taken = subscription.window.take(|entry| entry.message.has_id(id));
        if let (Some(broker), Some(entry)) = (broker, taken) {
            self.returns.doubts.deny(entry.sequence, &broker);
            self.offer(entry, now, effects);
        }
        self.fill(key.0, now, effects);
        self.end_settling(effects);
    }

    /// Tells subscriptions that ask about messages when there are no more to ask about.
    pub(super) fn end_settling(&mut self, effects: &mut Effects) {
        if self.settling == 0 {
            return;
        }
        for slot in 0..self.slots.len() {
            let Some(one) = self.slots.get(slot).and_then(Option::as_ref) else { continue };
            let asks = one.asked.settles() && one.ready && !one.told;
            if !asks || self.is_asked_elsewhere(slot) {
                continue;
            }
            if let Some(Some(one)) = self.slots.get_mut(slot) {
                one.told = true;
                effects.ended.push(SubscriptionKey(slot));
            }
        }
    }

    /// Whether another broker is being asked about a message that this one is to be asked about.
    fn is_asked_elsewhere(&self, slot: usize) -> bool {
        let broker = |slot: usize| {
            let one = self.slots.get(slot).and_then(Option::as_ref)?;
            one.asked.admission.next_broker()
        };
        let Some(at) = broker(slot) else { return false };
        let others = self.standing().filter(|(key, one)| key.0 != slot && one.asked.settles());
        let doubts = &self.returns.doubts;
        let mut asked = others.flat_map(|(_, other)| other.window.entries());
        asked.any(|entry| doubts.may_be_at(entry.sequence, at))
    }

    /// The first and the last place of what a subscription asks about; of another one, everything.
    pub(super) fn to_settle(&self, slot: usize) -> (i64, i64) {
        let Some(one) = self.slots.get(slot).and_then(Option::as_ref) else {
            return (i64::MIN, i64::MAX);
        };
        if !one.asked.settles() {
            return (i64::MIN, i64::MAX);
        }
        let at = one.asked.admission.next_broker();
        at.and_then(|at| self.returns.doubts.span(at)).unwrap_or((i64::MAX, i64::MIN))
    }

    /// Whether a subscription may get something although another one has the queue for itself.
    pub(super) fn lets_in(&self, slot: usize) -> bool {
        let one = self.slots.get(slot).and_then(Option::as_ref);
        self.exclusives.let_in(slot) || one.is_some_and(|one| one.asked.settles())
    }

    /// A subscription passes over what comes before a place.
    pub(super) fn skip_to(&mut self, slot: usize, place: i64) {
        if let Some(one) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            one.tested_to = one.tested_to.max(place);
        }
    }

    /// A subscription goes; `asked`: of one that asked about messages, all were asked about.
    pub(super) fn settled(&mut self, asked: bool, broker: Option<&BrokerId>) {
        if let Some(broker) = broker.filter(|_| asked) {
            self.returns.doubts.settle(broker);
        }
    }

    /// Some messages of which only the places were known are not held any more.
    pub(super) fn end_doubts(&mut self, now: i64, effects: &mut Effects) {
        let mut from: Option<i64> = None;
        while let Some((first, last, denied)) = self.returns.doubts.take_ended(now) {
            from = Some(from.map_or(first, |from| from.min(first)));
            effects.doubtful += self.count_waiting(first, last).saturating_sub(denied.len());
        }
        if let Some(first) = from {
            self.look_again(first, now, effects);
            self.end_marks(effects);
        }
    }

    /// Forgets marks over what no broker has, nor will get for now.
    pub(super) fn end_marks(&mut self, effects: &mut Effects) {
        let Some(handed) = &mut self.returns.handed else { return };
        let used: BTreeSet<usize> =
            self.slots.iter().flatten().filter_map(|one| one.mark).collect();
        let doubts = &self.returns.doubts;
        let wanted = |number: usize, broker: &BrokerId| {
            used.contains(&number) || doubts.span(broker).is_some()
        };
        handed.retain(wanted, &mut effects.marks);
    }

    /// A subscription may not have a message before a mark is durable: it goes on there.
    pub(super) fn await_mark(&mut self, slot: usize, place: i64, effects: &mut Effects) {
        let mark = self.slots.get(slot).and_then(Option::as_ref).and_then(|one| one.mark);
        let (Some(mark), Some(handed)) = (mark, &mut self.returns.handed) else { return };
        handed.wait(slot);
        if !handed.is_written(mark, place) {
            self.extend_mark(mark, place, effects);
        }
    }

    /// A message was handed to a subscription: its mark reaches further, if it must soon.
    pub(super) fn note_handed(&mut self, slot: usize, place: i64, effects: &mut Effects) {
        let mark = self.slots.get(slot).and_then(Option::as_ref).and_then(|one| one.mark);
        if let (Some(mark), Some(handed)) = (mark, &self.returns.handed)
            && handed.is_near_end(mark, place)
        {
            self.extend_mark(mark, place, effects);
        }
    }

    fn extend_mark(&mut self, mark: usize, place: i64, effects: &mut Effects) {
        let same = self.slots.iter().flatten().filter(|one| one.mark == Some(mark));
        let held = same.flat_map(|one| one.window.entries().map(|entry| entry.sequence)).min();
        let few = self.pending.len() + self.paged() <= FEW;
        let last_come = self.last_come;
        let Some(handed) = &mut self.returns.handed else { return };
        let doubted = handed.broker(mark).and_then(|broker| self.returns.doubts.span(broker));
        let lowest = held.into_iter().chain(doubted.map(|(first, _)| first)).min();
        let lowest = lowest.unwrap_or(place);
        effects.marks.extend(handed.extend(mark, place, (lowest, last_come, few)));
    }

    /// All batches of the store up to `settled` are durable: what waited for marks goes on.
    pub fn hear_of_marks(&mut self, settled: u64, now: i64, effects: &mut Effects) {
        let Some(handed) = &mut self.returns.handed else { return };
        for slot in handed.heard(settled) {
            self.fill(slot, now, effects);
        }
    }

    /// Whether it would help to know when marks are durable.
    pub fn wants_mark_fence(&self) -> bool {
        self.returns.handed.as_ref().is_some_and(|handed| handed.wants_fence())
    }

    /// They are with this batch.
    pub fn set_mark_fence(&mut self, batch: u64) {
        if let Some(handed) = &mut self.returns.handed {
            handed.set_fence(batch);
        }
    }

    /// Forgets all marks: the queue ends.
    pub fn forget_marks(&mut self, effects: &mut Effects) {
        if let Some(handed) = &mut self.returns.handed {
            handed.retain(|_, _| false, &mut effects.marks);
        }
    }
}
