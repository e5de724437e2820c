//! How the consumers of a queue share what waits in it: each has ahead what it gets done soon.

use super::allowance::{Allowance, PATIENCE};
use super::subscription::{QueueSubscription, Subscription};

/// Whether a queue bounds what its consumers have ahead, and when it looks whether one of them waits
/// for more.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    bounds: bool,
    /// Whether a consumer has as much as it may have ahead, as far as was seen.
    reached: bool,
    due: Option<i64>,
}

/// How many milliseconds' work a consumer may have ahead.
const TARGET: i64 = 100;

impl Sharing {
    /// Of a queue that several may share.
    pub(super) fn bounded() -> Self {
        Self { bounds: true, ..Self::default() }
    }

    /// Whether the queue is one that is woken when it wants to be.
    pub(super) fn is_woken(&self) -> bool {
        self.bounds
    }

    /// The bound of a new subscription.
    pub(super) fn allowance(&self, asked: &QueueSubscription, now: i64) -> Allowance {
        // Who pulls says for itself how much it wants; a shared window is not this queue's. A broker
        // that is no FerryMQ answers at once, so that nothing is won; and while its queue is full, it
        // lets what comes later overtake what waits there.
        let foreign = asked.network && asked.settling > 0;
        let of_its_own = !asked.browser && asked.shared.is_none() && asked.prefetch > 0;
        if self.bounds && of_its_own && !foreign {
            Allowance::new(asked.prefetch, TARGET, now)
        } else {
            Allowance::unbounded()
        }
    }

    /// A subscription has no room.
    pub(super) fn note_full(&mut self, subscription: &Subscription, now: i64) {
        if self.due.is_none() && subscription.is_bounded() {
            self.reached = true;
            self.due = Some(now.saturating_add(PATIENCE));
        }
    }

    /// A message has to wait.
    pub(super) fn note_waiting(&mut self, now: i64) {
        if self.reached && self.due.is_none() {
            self.due = Some(now.saturating_add(PATIENCE));
        }
    }

    /// When to look whether somebody needs more.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.due
    }

    /// Whether it is time to look; [`looked`](Self::looked) follows.
    pub(super) fn take_due(&mut self, now: i64) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// All have been looked at; `next` is when one of them may need more, if any may.
    pub(super) fn looked(&mut self, next: Option<i64>, now: i64) {
        self.reached = next.is_some();
        self.due = next.map(|next| next.max(now.saturating_add(PATIENCE)));
    }
}
