//! Messages that a consumer refused, and that are tried again later.

use std::collections::BTreeMap;

use super::entry::Entry;

/// How often and when a queue tries a message again that a consumer refused for good, as ActiveMQ's
/// broker-side redelivery does. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RedeliveryPolicy {
    /// How often; 0: it is a dead letter at once; -1: for ever.
    pub maximum_redeliveries: i32,
    /// How long it rests the first time.
    pub initial_redelivery_delay: i64,
    /// How long it rests later.
    pub redelivery_delay: i64,
    /// Whether it rests longer each time.
    pub use_exponential_back_off: bool,
    /// How much longer.
    pub back_off_multiplier: f64,
    /// How long it rests at most while that grows; -1: any time.
    pub maximum_redelivery_delay: i64,
}

/// After so many turns a delay is as long as it gets.
const MOST_TURNS: i32 = 1000;

impl Default for RedeliveryPolicy {
    fn default() -> Self {
        Self {
            maximum_redeliveries: 0,
            initial_redelivery_delay: 1_000,
            redelivery_delay: 1_000,
            use_exponential_back_off: false,
            back_off_multiplier: 5.0,
            maximum_redelivery_delay: -1,
        }
    }
}

impl RedeliveryPolicy {
    /// How long a message rests that has been tried again so many times.
    fn delay(&self, redeliveries: i32) -> i64 {
        let mut delay = self.initial_redelivery_delay;
        for _ in 0..redeliveries.min(MOST_TURNS) {
            let grows = self.use_exponential_back_off && self.back_off_multiplier > 1.0;
            if !grows || delay <= 0 {
                delay = self.redelivery_delay;
                continue;
            }
            // Saturates.
            delay = (delay as f64 * self.back_off_multiplier) as i64;
            if self.maximum_redelivery_delay >= 0 && delay > self.maximum_redelivery_delay {
                delay = self.maximum_redelivery_delay.max(self.redelivery_delay);
            }
        }
        delay.max(0)
    }

    fn is_spent(&self, redeliveries: i32) -> bool {
        self.maximum_redeliveries >= 0 && redeliveries >= self.maximum_redeliveries
    }
}

/// What a queue holds back until it is tried again. It counts as what waits does.
#[derive(Default)]
pub(super) struct Resting {
    policy: RedeliveryPolicy,
    /// By time and place.
    entries: BTreeMap<(i64, i64), Entry>,
}

impl Resting {
    pub(super) fn new(policy: RedeliveryPolicy) -> Self {
        Self { policy, entries: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Lets a message rest that was refused; gives it back if it was tried often enough.
    pub(super) fn lay(&mut self, mut entry: Entry, now: i64) -> Option<Entry> {
        if self.policy.is_spent(entry.redeliveries) {
            return Some(entry);
        }
        let due = now.saturating_add(self.policy.delay(entry.redeliveries));
        entry.redeliveries = entry.redeliveries.saturating_add(1);
        self.entries.insert((due, entry.sequence), entry);
        None
    }

    /// When the next one has rested.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.entries.keys().next().map(|(due, _)| *due)
    }

    /// The next one that has rested.
    pub(super) fn take_due(&mut self, now: i64) -> Option<Entry> {
        let next = self.entries.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_as_those_of_activemq() {
        let fixed = RedeliveryPolicy {
            initial_redelivery_delay: 10,
            redelivery_delay: 40,
            ..RedeliveryPolicy::default()
        };
        assert_eq!([0, 1, 2].map(|turn| fixed.delay(turn)), [10, 40, 40]);
        let growing = RedeliveryPolicy {
            use_exponential_back_off: true,
            back_off_multiplier: 3.0,
            maximum_redelivery_delay: 200,
            ..fixed
        };
        assert_eq!([0, 1, 2, 3, 4].map(|turn| growing.delay(turn)), [10, 30, 90, 200, 200]);
        let from_nothing = RedeliveryPolicy { initial_redelivery_delay: 0, ..growing };
        assert_eq!([0, 1, 2].map(|turn| from_nothing.delay(turn)), [0, 40, 120]);
        let endless = RedeliveryPolicy { maximum_redelivery_delay: -1, ..growing };
        assert_eq!(endless.delay(i32::MAX), i64::MAX);
    }

    #[test]
    fn attempts_are_counted() {
        let policy = RedeliveryPolicy { maximum_redeliveries: 2, ..RedeliveryPolicy::default() };
        assert_eq!([0, 1, 2, 3].map(|turn| policy.is_spent(turn)), [false, false, true, true]);
        let endless = RedeliveryPolicy { maximum_redeliveries: -1, ..policy };
        assert!(!endless.is_spent(i32::MAX));
    }
}
