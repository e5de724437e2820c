//! What a queue does later: for messages that may go back only at a time, when it is their turn, or
//! when others have gone, and for consumers that may have more.

use super::effects::{Effects, SubscriptionKey};
use super::queue::{Queue, note_first};
use super::returns::Judgement;

impl Queue {
    /// When a message that waits may go back that may not yet, or a consumer may have more: time
    /// to [`tick`](Self::tick).
    pub fn next_tick(&self) -> Option<i64> {
        let due = [self.returns.next_due(), self.sharing.next_due(), self.resting.next_due()];
        due.into_iter().chain([self.former_ways.next_due()]).flatten().min()
    }

    /// Tries again to send back what had to wait until now, and looks after who waits for more.
    pub fn tick(&mut self, now: i64, effects: &mut Effects) {
        self.look_after(now, effects);
        while let Some(entry) = self.resting.take_due(now) {
            self.offer(entry, now, effects);
        }
        if self.returns.is_rested(now) {
            self.reconsider(now, effects);
        }
        self.end_doubts(now, effects);
        self.ask_about_due(now, effects);
        self.look_at_former_ways(now, effects);
        self.resume(now, effects);
        while let Some(slot) = self.returns.take_turn(now) {
            // One that is kept out is served when it is let in.
            if self.exclusives.let_in(slot) {
                self.fill(slot, now, effects);
            }
        }
    }

    /// Lets all go again through what waits from a place on: what is on disk only is asked about when
    /// it has been read.
    pub(super) fn look_again(&mut self, first: i64, now: i64, effects: &mut Effects) {
        for slot in 0..self.slots.len() {
            let subscription = self.slots.get(slot).and_then(Option::as_ref);
            if subscription.is_some_and(|one| !one.asked.browser && !one.retired) {
                self.test_from(slot, first);
                self.fill(slot, now, effects);
            }
        }
    }

    /// What waits from a place on is to be tested again for a subscription.
    pub(super) fn test_from(&mut self, slot: usize, first: i64) {
        let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        if std::mem::take(&mut subscription.ready) {
            self.ready.remove(subscription.asked.priority, slot);
            subscription.tested_to = first;
        } else {
            subscription.tested_to = subscription.tested_to.min(first);
        }
    }

    /// Lets those have more that settled nothing for so long that they may be waiting for it.
    pub(super) fn look_after(&mut self, now: i64, effects: &mut Effects) {
        if !self.sharing.take_due(now) {
            return;
        }
        let mut next: Option<i64> = None;
        for slot in 0..self.slots.len() {
            if self.pending.len() == 0 && self.paged() == 0 {
                // The next that waits says so.
                return;
            }
            let Some(one) = self.slots.get_mut(slot).and_then(Option::as_mut) else { continue };
            // A bridge settles one by one: it never waits for more.
            let waits = !one.ready && one.browse.is_none() && !one.asked.network;
            if !waits || !one.is_bounded() {
                continue;
            }
            if one.allowance.due() <= now {
                one.allowance.raise(now);
            }
            let due = one.allowance.due();
            next = Some(next.map_or(due, |next| next.min(due)));
            self.fill(slot, now, effects);
        }
        self.sharing.looked(next, now);
    }

    /// Lets nobody have the message at this place, which is about to come, before it is
    /// [let go](Self::let_go).
    pub fn hold_back(&mut self, sequence: i64) {
        self.returns.held_back.insert(sequence);
    }

    /// Lets consumers have what was held back.
    pub fn let_go(&mut self, places: &[i64], now: i64, effects: &mut Effects) {
        for sequence in places {
            self.returns.held_back.remove(sequence);
        }
        for sequence in places {
            self.let_go_of(*sequence, now, effects);
        }
    }

    /// Offers a message that nobody could have before. One that is on disk only is asked about when
    /// it has been read.
    fn let_go_of(&mut self, sequence: i64, now: i64, effects: &mut Effects) {
        if self.is_paged(sequence) && self.pending.get(sequence).is_none() {
            self.look_again(sequence, now, effects);
        } else {
            self.ask_again(sequence, true, now, effects);
        }
    }

    /// Offers a pending message to all that have room. `released`: nobody could have it before.
    pub(super) fn ask_again(
        &mut self,
        sequence: i64,
        released: bool,
        now: i64,
        effects: &mut Effects,
    ) {
        let Self { pending, returns, ready, slots, exclusives, full, .. } = self;
        let Some(entry) = pending.get(sequence) else { return };
        let chosen = returns.choose(ready, slots, exclusives, entry, full, now);
        self.full_stand_back();
        if let Some(slot) = chosen {
            if let Some(entry) = self.take_pending(sequence) {
                self.dispatch(slot, entry, now, effects);
            }
            return;
        }
        self.note_refusals(sequence, effects);
        // Those without room could not be asked; they must be when they have it.
        for subscription in self.slots.iter_mut().flatten().filter(|one| !one.ready) {
            if released || subscription.asked.network {
                subscription.tested_to = subscription.tested_to.min(sequence);
            }
        }
    }

    /// Gives a subscription what waits for its turn there, as far as its rate and its room go.
    pub(super) fn serve_line(&mut self, slot: usize, now: i64, effects: &mut Effects) {
        if self.returns.has_line(slot) {
            self.serve_until_refused(slot, now, effects);
            self.rest(slot);
        }
    }

    fn serve_until_refused(&mut self, slot: usize, now: i64, effects: &mut Effects) {
        loop {
            let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else { return };
            if !subscription.has_room() {
                return;
            }
            let Some(sequence) = self.returns.next_in_line(slot) else { return };
            let Some(entry) = self.pending.get(sequence) else {
                if self.is_paged(sequence) {
                    self.test_from(slot, sequence);
                    return;
                }
                continue;
            };
            if entry.has_expired(now, &self.offset) {
                effects.expired.extend(self.take_pending(sequence).map(|entry| entry.message));
                continue;
            }
            let judgement = self.returns.judge(&self.slots, &self.exclusives, slot, entry, now);
            match judgement {
                Judgement::Admitted if subscription.asked.reserves() => {
                    let Some(entry) = self.take_pending(sequence) else { continue };
                    if let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) {
                        self.returns.count(subscription, &entry, now);
                        subscription.hand_over(SubscriptionKey(slot), entry, now, effects);
                        self.note_handed(slot, sequence, effects);
                    }
                }
                Judgement::Unmarked => {
                    self.returns.back_in_line(slot, sequence);
                    return self.await_mark(slot, sequence, effects);
                }
                Judgement::Admitted => return self.returns.back_in_line(slot, sequence),
                Judgement::InTurn(_) => return self.returns.note(slot, judgement, sequence),
                Judgement::Shows(_) => {
                    self.returns.note(slot, judgement, sequence);
                    return self.returns.back_in_line(slot, sequence);
                }
                Judgement::UnlessOthersGo => note_first(&mut self.refused_from, slot, sequence),
                Judgement::Refused | Judgement::NotBefore(_) | Judgement::NotYet => {
                    self.returns.note(slot, judgement, sequence);
                }
            }
        }
    }

    /// Whether nothing may go back, whatever it is, because a consumer here takes everything.
    pub(super) fn keeps_everything(&self) -> bool {
        let selector_aware = self.returns.policy().selector_aware;
        self.slots.iter().enumerate().any(|(slot, one)| {
            one.as_ref().is_some_and(|one| {
                one.contender().keeps_everything(selector_aware) && self.exclusives.let_in(slot)
            })
        })
    }
}
