//! How subscriptions that got room go through what waits: a part at a time, so that the queue is
//! never kept for long from those who send to it and who take from it.

use std::cmp::Reverse;

use super::effects::{Effects, SubscriptionKey};
use super::queue::{Queue, note_first};
use super::returns::{Judgement, Judging};

/// How many messages may be refused before others have their turn at the queue. It is a millisecond
/// or two.
pub(super) const PART: usize = 1_000;
/// Of those that are asked about again because their time has come, each to all that have room.
const DUE_PART: usize = 250;

impl Queue {
    /// Gives a subscription that may have got room what it has not tested yet, and lets it stand
    /// in the ring if room is left. It goes on a moment later where it is refused much.
    pub(super) fn fill(&mut self, slot: usize, now: i64, effects: &mut Effects) {
        if self.show(slot, now, effects) || !self.lets_in(slot) {
            return;
        }
        self.serve_line(slot, now, effects);
        let mut judging = Judging::default();
        // One that asks about messages asks about no others.
        let (first, last) = self.to_settle(slot);
        self.skip_to(slot, first);
        let mut left = self.part_of(slot);
        loop {
            let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else { return };
            if subscription.ready {
                return;
            }
            if !subscription.has_room() {
                return self.sharing.note_full(subscription, now);
            }
            let entry = self.pending.first_from(subscription.tested_to);
            if let Some(paging) = &mut self.paging {
                let in_memory = entry.map(|entry| entry.sequence);
                match paging.next_before(subscription.tested_to, in_memory) {
                    Some(place) if place > last => break,
                    Some(_) => {
                        paging.starving.insert(slot);
                        return;
                    }
                    None => {}
                }
            }
            let entry = entry.filter(|entry| entry.sequence <= last);
            let Some(entry) = entry else { break };
            if left == 0 {
                return self.returns.resume(now, slot);
            }
            let (sequence, expired) = (entry.sequence, entry.has_expired(now, &self.offset));
            let unfit = if expired { None } else { self.unfit(&entry.message) };
            let mut judgement = Judgement::Refused;
            let taken = if expired || unfit.is_some() {
                self.take_pending(sequence)
            } else {
                let Self { returns, slots, exclusives, .. } = &*self;
                judgement = match last {
                    i64::MAX => judging.judge(returns, slots, exclusives, slot, entry, now),
                    _ => returns.judge(slots, exclusives, slot, entry, now),
                };
                if judgement == Judgement::Admitted {
                    if !subscription.asked.reserves() {
                        return;
                    }
                    self.take_pending(sequence)
                } else {
                    self.returns.note(slot, judgement, sequence);
                    if matches!(judgement, Judgement::Shows(_)) {
                        note_first(&mut self.refused_from, slot, sequence);
                        return;
                    }
                    None
                }
            };
            if judgement == Judgement::Unmarked {
                return self.await_mark(slot, sequence, effects);
            }
            let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
                return;
            };
            subscription.tested_to = sequence.saturating_add(1);
            self.scanned = self.scanned.wrapping_add(1);
            match (taken, unfit) {
                (Some(entry), _) if expired => effects.expired.push(entry.message),
                (Some(entry), Some(cause)) => effects.bury(entry.message, cause),
                (Some(entry), None) => {
                    self.returns.count(subscription, &entry, now);
                    let persistent = entry.persistent;
                    subscription.hand_over(SubscriptionKey(slot), entry, now, effects);
                    if persistent {
                        self.note_handed(slot, sequence, effects);
                    }
                }
                (None, _) => {
                    left -= 1;
                    if judgement == Judgement::UnlessOthersGo {
                        note_first(&mut self.refused_from, slot, sequence);
                    }
                }
            }
        }
        if let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            subscription.ready = true;
            self.ready.push(subscription.asked.priority, slot);
        }
    }

    /// How many messages may be refused to a subscription before it has to wait: any number where it is
    /// owed an answer at once, or nobody would wake it.
    fn part_of(&self, slot: usize) -> usize {
        let subscription = self.slots.get(slot).and_then(Option::as_ref);
        let waits = subscription.is_some_and(|one| one.asked.prefetch > 0);
        if waits && self.sharing.is_woken() { PART } else { usize::MAX }
    }

    /// Goes on with those that were refused so much that they had to wait.
    pub(super) fn resume(&mut self, now: i64, effects: &mut Effects) {
        let due = self.returns.take_resuming(now);
        let before = self.scanned;
        for slot in due {
            if self.scanned.wrapping_sub(before) < PART {
                self.fill(slot, now, effects);
            } else {
                self.returns.resume(now, slot);
            }
        }
    }

    /// Asks again about messages whose time has come.
    pub(super) fn ask_about_due(&mut self, now: i64, effects: &mut Effects) {
        let mut on_disk: Option<i64> = None;
        let mut ended = false;
        for _ in 0..DUE_PART {
            let Some(sequence) = self.returns.take_due(now) else { break };
            let released = self.returns.doubts.ends(sequence, now);
            effects.doubtful += usize::from(released);
            ended |= released;
            // What comes after one on disk waits for that, so that order holds.
            if on_disk.is_some() || self.is_paged(sequence) {
                on_disk = Some(on_disk.map_or(sequence, |first| first.min(sequence)));
            } else {
                self.ask_again(sequence, released, now, effects);
            }
        }
        if let Some(first) = on_disk {
            self.look_again(first, now, effects);
        }
        if ended {
            self.end_marks(effects);
        }
    }

    /// A subscription has gone, or a way has opened: what was refused to bridges for its sake may go
    /// back now, nearest first; or soon, if a long backlog was gone through only just now.
    pub(super) fn reconsider(&mut self, now: i64, effects: &mut Effects) {
        let idle = self.refused_from.is_empty() || !self.opened && self.keeps_everything();
        if !self.returns.scans(!idle, now) {
            if self.opened {
                // Until then what comes must not go before what has been refused.
                let refused: Vec<(usize, i64)> = self.refused_from.clone().into_iter().collect();
                refused.into_iter().for_each(|(slot, from)| self.test_from(slot, from));
            }
            return;
        }
        self.opened = false;
        self.scanned = 0;
        let mut waiting: Vec<(Reverse<i8>, usize)> = Vec::new();
        for (slot, from) in std::mem::take(&mut self.refused_from) {
            let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else {
                continue;
            };
            waiting.push((Reverse(subscription.asked.priority), slot));
            self.test_from(slot, from);
        }
        waiting.sort_unstable();
        let all = waiting.len().saturating_mul(self.pending.len());
        for (_, slot) in waiting {
            if self.scanned < PART {
                self.fill(slot, now, effects);
            } else {
                self.returns.resume(now, slot);
            }
        }
        // What is still to be gone through counts, too.
        self.returns.rest(if self.scanned < PART { self.scanned } else { all }, now);
    }
}
