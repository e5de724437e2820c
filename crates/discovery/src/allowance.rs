//! How much of something is taken in within a time.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and after that one for each `interval`.
#[derive(Debug)]
pub(crate) struct Allowance {
    most: u32,
    interval: Duration,
    left: u32,
    counted: Option<Instant>,
}

impl Allowance {
    pub(crate) fn new(most: u32, interval: Duration) -> Self {
        Self { most, interval, left: most, counted: None }
    }

    /// Whether one more is within bounds.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let since = *self.counted.get_or_insert(now);
        let whole =
            now.saturating_duration_since(since).as_nanos() / self.interval.as_nanos().max(1);
        let earned = u32::try_from(whole).unwrap_or(u32::MAX);
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(self.most);
            self.counted = Some(now);
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_time() {
        let start = Instant::now();
        let mut allowance = Allowance::new(2, Duration::from_millis(100));
        let at = |millis| start + Duration::from_millis(millis);
        let taken: Vec<bool> =
            [0, 0, 0, 50, 100, 110, 10_000, 10_000, 10_000].map(|m| allowance.take(at(m))).into();
        assert_eq!(taken, [true, true, false, false, true, false, true, true, false]);
    }
}
