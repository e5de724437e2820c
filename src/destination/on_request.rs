//! What a queue does for subscriptions without a window of their own: those that pull, those that
//! look, and those whose window other queues share.

use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::effects::{Dispatch, Effects, SubscriptionKey};
use super::entry::Entry;
use super::inflow::Takers;
use super::queue::{Queue, dispose};
use super::subscription::Subscription;
use super::window::Outcome;

impl Queue {
    /// Whether all consumers are bridges', and one of them leads to a broker that a message has come
    /// by.
    pub fn is_served_on_the_way(&self, message: &Message) -> bool {
        let mut served = false;
        let standing = self.slots.iter().flatten().filter(|one| !one.retired);
        for asked in standing.map(|one| &one.asked).filter(|one| !one.browser) {
            if !asked.network {
                return false;
            }
            let next = asked.admission.next_broker();
            served |= next.is_some_and(|next| message.broker_path_contains(next));
        }
        served
    }

    /// Whether a subscription, browsers left out, admits a message that has not come yet.
    pub fn is_wanted(&self, message: &Message) -> bool {
        let subscriptions = self.slots.iter().flatten().filter(|one| !one.retired);
        subscriptions
            .map(|subscription| &subscription.asked)
            .filter(|asked| !asked.browser)
            .any(|asked| asked.admission.admits(message, message.redelivery_counter()))
    }

    /// Lets a subscription have one message now or, while it has not got it, later; only one
    /// without a window needs that. True if it has still to get it.
    pub fn pull(&mut self, key: SubscriptionKey, now: i64, effects: &mut Effects) -> bool {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else {
            return false;
        };
        if let Some(paging) = &mut self.paging {
            paging.ending.remove(&key.0);
        }
        match &mut subscription.browse {
            Some(browse) if browse.has_ended() => effects.ended.push(key),
            Some(browse) => browse.pull(),
            None => subscription.window.pull(),
        }
        self.fill(key.0, now, effects);
        self.owes(key)
    }

    /// Ends the wait for a message that was pulled and has not come: the subscription is told that
    /// there is none.
    pub fn end_pull(&mut self, key: SubscriptionKey, effects: &mut Effects) {
        if self.owes(key) && !self.end_after_page(key.0) {
            self.withdraw_pull(key);
            effects.ended.push(key);
        }
    }

    /// Lets a subscription have no more.
    pub fn suspend(&mut self, key: SubscriptionKey, now: i64, effects: &mut Effects) {
        self.withdraw_pull(key);
        self.set_prefetch(key, 0, now, effects);
    }

    /// Lets a bridge's subscription have no more, nor keep what it was dispatched after this
    /// message. To all others it is as if it had gone.
    pub fn retire_after(
        &mut self,
        key: SubscriptionKey,
        last: &MessageId,
        now: i64,
        effects: &mut Effects,
    ) {
        let subscription = self.slots.get_mut(key.0).and_then(Option::as_mut);
        let after = subscription.map(|one| one.window.retire(last, None));
        self.retire(key, after.unwrap_or_default().into(), now, effects);
    }

    /// The same for a subscription that shares its window, without messages at these places.
    pub fn retire_from(
        &mut self,
        key: SubscriptionKey,
        places: &[i64],
        now: i64,
        effects: &mut Effects,
    ) {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { return };
        let window = &mut subscription.window;
        window.set_prefetch(0);
        let take = |place: &i64| window.take(|entry| entry.sequence == *place);
        let after = places.iter().filter_map(take).collect();
        self.retire(key, after, now, effects);
    }

    fn retire(
        &mut self,
        key: SubscriptionKey,
        mut after: Vec<Entry>,
        now: i64,
        effects: &mut Effects,
    ) {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { return };
        self.retired += usize::from(!std::mem::replace(&mut subscription.retired, true));
        self.rest(key.0);
        self.refused_from.remove(&key.0);
        self.returns.forget(key.0);
        let held = self.withdraw_claim(key.0);
        self.rank_ways(now);
        after.sort_by_key(|entry| entry.sequence);
        for entry in after {
            self.offer(entry, now, effects);
        }
        if held {
            self.hand_on(now, effects);
        }
        self.reconsider(now, effects);
    }

    fn owes(&self, key: SubscriptionKey) -> bool {
        let subscription = self.slots.get(key.0).and_then(Option::as_ref);
        subscription.is_some_and(|subscription| subscription.window.is_pulling())
    }

    fn withdraw_pull(&mut self, key: SubscriptionKey) {
        if let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) {
            subscription.window.withdraw_pull();
            self.rest(key.0);
        }
    }

    /// Settles one message, by its place, of a subscription that shares its window.
    pub fn settle(
        &mut self,
        key: SubscriptionKey,
        sequence: i64,
        outcome: Outcome,
        cause: Option<&Text>,
        now: i64,
        effects: &mut Effects,
    ) -> bool {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else {
            return false;
        };
        let mut taken = std::mem::take(&mut self.taken);
        taken.extend(subscription.window.take(|entry| entry.sequence == sequence));
        let settled = !taken.is_empty();
        subscription.note_settled(usize::from(settled), now);
        dispose(&mut taken, outcome, cause, &mut self.resting, now, effects);
        self.taken = taken;
        settled
    }

    /// Gives a subscription that shares its window what it may have, now that there is room.
    pub fn refill(&mut self, key: SubscriptionKey, now: i64, effects: &mut Effects) {
        self.fill(key.0, now, effects);
    }

    /// Gives a browser that has room the messages that it sees next; false if it is none.
    pub(super) fn show(&mut self, slot: usize, now: i64, effects: &mut Effects) -> bool {
        let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else { return true };
        let Some(browse) = &subscription.browse else { return false };
        let Some(mut sight) = browse.look() else { return true };
        let (first, last) = browse.range();
        // What is on disk only, and what comes after it, is seen when that has been read.
        let edge = self.paging.as_ref().and_then(|paging| paging.next_before(first, None));
        let edge = edge.filter(|edge| *edge <= last);
        let last = edge.map_or(last, |edge| edge.saturating_sub(1));
        let offset = &self.offset;
        let seen = |entry: &Entry| {
            (first..=last).contains(&entry.sequence)
                && !entry.has_expired(now, offset)
                && subscription.asked.admits(entry)
        };
        let held = self.slots.iter().flatten().flat_map(|other| other.window.entries());
        for entry in held {
            if !sight.is_past(entry.sequence) && seen(entry) {
                sight.note(entry.sequence, &entry.message, entry.redeliveries);
            }
        }
        let mut at = first;
        while let Some(entry) = self.pending.first_from(at)
            && entry.sequence <= last
            && !sight.is_past(entry.sequence)
        {
            if seen(entry) {
                sight.note(entry.sequence, &entry.message, entry.redeliveries);
            }
            at = entry.sequence.saturating_add(1);
        }
        let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return true;
        };
        if let Some(browse) = &mut subscription.browse {
            let to = SubscriptionKey(slot);
            let full = sight.is_full();
            let (shown, ended) = browse.advance(sight, edge);
            effects.shown.extend(shown.map(|(message, redeliveries)| Dispatch {
                to,
                message,
                redeliveries,
                onward: false,
            }));
            effects.ended.extend(ended.then_some(to));
            if let Some(paging) = &mut self.paging
                && edge.is_some()
                && !full
            {
                paging.starving.insert(slot);
            }
        }
        true
    }

    /// Lets a new subscription have the queue for itself, if it wants that and none stands before it.
    pub(super) fn claim(&mut self, slot: usize, now: i64, effects: &mut Effects) {
        let Some(Some(subscription)) = self.slots.get(slot) else { return };
        if !subscription.asked.exclusive || subscription.asked.browser {
            return;
        }
        self.exclusives.claim(subscription.asked.priority, slot);
        let ready = |(at, one): (usize, &Option<Subscription>)| {
            one.as_ref().is_some_and(|one| one.ready).then_some(at)
        };
        let standing: Vec<usize> = self.slots.iter().enumerate().filter_map(ready).collect();
        for other in standing {
            if !self.exclusives.let_in(other) {
                self.stand_back(other);
            }
        }
        self.fill(slot, now, effects);
    }

    /// A subscription ends; true if it had the queue for itself.
    pub(super) fn withdraw_claim(&mut self, slot: usize) -> bool {
        let held = self.exclusives.holder() == Some(slot);
        self.exclusives.withdraw(slot);
        held
    }

    /// Lets the next one have the queue, or all of them, higher priorities first.
    pub(super) fn hand_on(&mut self, now: i64, effects: &mut Effects) {
        let mut slots: Vec<(i8, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(at, one)| one.as_ref().map(|one| (one.asked.priority, at)))
            .collect();
        slots.sort_by_key(|(priority, at)| (std::cmp::Reverse(*priority), *at));
        for (_, slot) in slots {
            self.fill(slot, now, effects);
        }
    }

    /// Who might take what comes.
    pub fn takers(&self) -> Takers {
        let is_local = |slot: usize| {
            self.slots.get(slot).and_then(Option::as_ref).is_some_and(|one| !one.asked.network)
        };
        Takers {
            subscriptions: self.subscriptions().saturating_sub(self.retired),
            one_has_room: self.ready.has(is_local),
        }
    }
}
