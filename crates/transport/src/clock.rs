//! Wall-clock time, passed in from the edge.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// What time it is, for timestamps that peers see. Durations are measured with
/// [`tokio::time::Instant`] instead.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    System,
    /// Advances with tokio's clock, which a test or a simulation pauses.
    Simulated {
        epoch_millis: i64,
        started: Instant,
    },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { source: Source::System }
    }

    /// A clock that shows `epoch_millis` now and advances with tokio's clock.
    pub fn starting_at(epoch_millis: i64) -> Self {
        Self { source: Source::Simulated { epoch_millis, started: Instant::now() } }
    }

    /// Milliseconds since 1970, as OpenWire counts.
    pub fn now_millis(&self) -> i64 {
        match &self.source {
            Source::System => since_1970().map_or(0, millis),
            Source::Simulated { epoch_millis, started } => {
                epoch_millis.saturating_add(millis(started.elapsed()))
            }
        }
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

    #[test]
    fn the_system_clock_is_past_this_codes_first_day() {
        assert!(Clock::system().now_millis() > 1_700_000_000_000);
    }
}
