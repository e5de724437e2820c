//! How many messages went within a time.

use ferrymq_network::rules::replay::ReplayPolicy;

/// What has gone back over one bridge in the present window of time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    started: i64,
    count: u32,
}

impl Rate {
    /// When the next message may go; none: now.
    pub(super) fn next_turn(&self, policy: &ReplayPolicy, now: i64) -> Option<i64> {
        let used_up = policy.rate_limit > 0 && self.count >= policy.rate_limit;
        (used_up && !self.is_over(policy, now))
            .then(|| self.started.saturating_add(policy.rate_duration))
    }

    /// One goes. A window starts with the first one after the last window.
    pub(super) fn count(&mut self, policy: &ReplayPolicy, now: i64) {
        if self.count == 0 || self.is_over(policy, now) {
            *self = Self { started: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
    }

    fn is_over(&self, policy: &ReplayPolicy, now: i64) -> bool {
        now >= self.started.saturating_add(policy.rate_duration)
    }
}
