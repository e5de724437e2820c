//! Whether a queue has nothing more to do, for tests.

use super::queue::Queue;
use super::returns::Judgement;

impl Queue {
    /// How often a message was judged for a subscription.
    pub(super) fn judged(&self) -> usize {
        self.returns.judged.get()
    }

    /// Whether no subscription with room could have a pending message, unless it waits to go on.
    pub(super) fn is_at_rest(&self, now: i64) -> bool {
        let roomy = |slot: &usize| {
            let subscription = self.slots.get(*slot).and_then(Option::as_ref);
            subscription.is_some_and(|one| one.browse.is_none() && one.has_room())
                && self.exclusives.let_in(*slot)
                && !self.returns.resumes(*slot)
        };
        let slots: Vec<usize> = (0..self.slots.len()).filter(roomy).collect();
        let mut at = i64::MIN;
        while let Some(entry) = self.pending.first_from(at) {
            let admitted = |slot: &usize| {
                self.returns.judge(&self.slots, &self.exclusives, *slot, entry, now)
                    == Judgement::Admitted
            };
            if slots.iter().any(admitted) {
                return false;
            }
            at = entry.sequence + 1;
        }
        true
    }
}
