//! Time, passed in from the edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// What time it is, in milliseconds since 1970, as OpenWire counts.
///
/// A machine's clock is set now and then, by an hour when a virtual machine goes on after a pause.
/// [`now_millis`](Self::now_millis) does not follow such steps, so that it can tell how long something
/// has taken; [`wall_millis`](Self::wall_millis) does, and is for what others compare with clocks of
/// their own: timestamps and expirations.
#[derive(Debug, Clone)]
pub struct Clock {
    /// When it started, since 1970: exactly, so that two of one machine agree.
    epoch: Duration,
    started: Instant,
    ahead: WallOffset,
    /// Whether there is a machine's clock to follow; a test's or a simulation's advances with tokio's.
    system: bool,
}

/// How far the machine's clock is ahead of [`Clock::now_millis`], as far as it was
/// [followed](Clock::follow): cheap to ask on every path.
#[derive(Debug, Clone, Default)]
pub struct WallOffset(Arc<AtomicI64>);

impl WallOffset {
    /// The machine's time at a time of [`Clock::now_millis`].
    pub fn wall(&self, now_millis: i64) -> i64 {
        now_millis.saturating_add(self.0.load(Ordering::Relaxed))
    }
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { system: true, ..Self::starting(since_1970().unwrap_or_default()) }
    }

    /// A clock that shows `epoch_millis` now and advances with tokio's clock, which a test or a
    /// simulation pauses.
    pub fn starting_at(epoch_millis: i64) -> Self {
        Self::starting(Duration::from_millis(u64::try_from(epoch_millis).unwrap_or_default()))
    }

    fn starting(epoch: Duration) -> Self {
        Self { epoch, started: Instant::now(), ahead: WallOffset::default(), system: false }
    }

    /// What the machine's clock showed when this one was made, and what has elapsed since. It never
    /// jumps.
    pub fn now_millis(&self) -> i64 {
        millis(self.epoch.saturating_add(self.started.elapsed()))
    }

    /// What the machine's clock shows.
    pub fn wall_millis(&self) -> i64 {
        let system = self.system.then(since_1970).flatten();
        system.map_or_else(|| self.ahead.wall(self.now_millis()), millis)
    }

    /// How far the machine's clock is ahead.
    pub fn wall_offset(&self) -> &WallOffset {
        &self.ahead
    }

    /// Looks at the machine's clock, which may have been set; returns by how many milliseconds, since
    /// the last look. All clones of this clock know of it.
    pub fn follow(&self) -> i64 {
        let ahead = self.wall_millis().saturating_sub(self.now_millis());
        ahead.saturating_sub(self.ahead.0.swap(ahead, Ordering::Relaxed))
    }

    /// Sets the clock that a simulated machine has, forward or back.
    pub fn set_by(&self, millis: i64) {
        self.ahead.0.fetch_add(millis, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn since_1970() -> Option<Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_advances_with_tokios() {
        let clock = Clock::starting_at(1_000);
        let copy = clock.clone();
        assert_eq!(clock.now_millis(), 1_000);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now_millis(), 3_601_000);
        assert_eq!(copy.now_millis(), 3_601_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_moves_no_duration() {
        let clock = Clock::starting_at(5_000);
        let copy = clock.clone();
        clock.set_by(-3_600_000);
        assert_eq!((copy.now_millis(), copy.wall_millis()), (5_000, 5_000 - 3_600_000));
        assert_eq!(copy.wall_offset().wall(7_000), 7_000 - 3_600_000);
    }

    #[test]
    fn the_system_clock_is_past_this_codes_first_day() {
        let clock = Clock::system();
        assert!(clock.now_millis() > 1_700_000_000_000);
        // As if it had been set since: what it shows is what the machine's shows.
        clock.set_by(3_600_000);
        assert!((clock.wall_millis() - clock.now_millis()).abs() < 60_000);
        assert!(clock.follow() < -3_000_000);
        assert!(clock.follow().abs() < 60_000);
    }
}
