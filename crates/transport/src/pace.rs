//! When the threads that serve links rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a thread rests; the kernel adds some 50 µs. A longer rest saves little more.
const REST: Duration = Duration::from_micros(200);
/// How often it is decided anew whether to rest.
const WINDOW: Duration = Duration::from_millis(1);
/// From so many commands a millisecond on, a thread that rests finds several when it is back.
const STREAM: u128 = 32;

/// Lets threads rest for a moment before they wait for more, while much arrives that nobody waits
/// for.
///
/// Some peers put each command into a packet of its own: a JMS client acknowledges every message so.
/// A thread that is woken for each pays several times for waking up what handling costs. After a
/// rest it finds many at once, and what it then writes is as many. Network cards hold interrupts
/// back for the same reason.
///
/// The price is delay: one rest at most, for what arrives meanwhile. So nobody rests when little
/// arrives, nor while anyone waits for an answer.
#[derive(Debug, Clone)]
pub struct Pace {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    /// Commands in this window.
    arrived: AtomicU64,
    /// Whether someone waits for the answer to one of them.
    awaited: AtomicBool,
    /// When this window began, since the start.
    since: Mutex<Duration>,
    /// Whether the last one was a stream.
    streams: AtomicBool,
}

impl Default for Pace {
    fn default() -> Self {
        let shared = Shared {
            started: Instant::now(),
            arrived: AtomicU64::new(0),
            awaited: AtomicBool::new(false),
            since: Mutex::default(),
            streams: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Pace {
    /// Counts commands that have arrived together, and whether anyone waits for the answer to one.
    pub fn arrived(&self, commands: usize, awaited: bool) {
        self.shared.arrived.fetch_add(commands as u64, Ordering::Relaxed);
        // Read first: a line that all threads share is not written for nothing.
        if awaited && !self.shared.awaited.load(Ordering::Relaxed) {
            self.shared.awaited.store(true, Ordering::Relaxed);
        }
    }

    /// What a thread of the runtime calls before it waits for something to do.
    pub fn rest(&self) {
        if self.look(self.shared.started.elapsed()) {
            pause(REST);
        }
    }

    /// Whether so much arrives, awaited by nobody, that threads rest. Never, where none does.
    pub fn is_stream(&self) -> bool {
        self.shared.streams.load(Ordering::Relaxed)
    }

    /// Whether what arrives is a stream, by the last whole window before a time since the start.
    fn look(&self, now: Duration) -> bool {
        let mut since = self.shared.since.lock();
        let length = now.saturating_sub(*since);
        if length >= WINDOW {
            let arrived = u128::from(self.shared.arrived.swap(0, Ordering::Relaxed));
            let awaited = self.shared.awaited.swap(false, Ordering::Relaxed);
            let many = arrived * WINDOW.as_micros() >= STREAM * length.as_micros();
            *since = now;
            self.shared.streams.store(many && !awaited, Ordering::Relaxed);
        }
        self.is_stream()
    }
}

#[expect(clippy::disallowed_methods, reason = "blocking its thread, and briefly, is the purpose")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn only_a_stream_that_nobody_waits_for_is_worth_a_rest() {
        let pace = Pace::default();
        assert!(!pace.look(MS));
        pace.arrived(20, false);
        pace.arrived(20, false);
        assert!(pace.look(2 * MS));
        // Few, in as much time.
        pace.arrived(31, false);
        assert!(!pace.look(3 * MS));
        pace.arrived(1_000, false);
        pace.arrived(1, true);
        assert!(!pace.look(4 * MS));
        pace.arrived(1_000, false);
        assert!(pace.look(5 * MS));
    }

    #[test]
    fn a_window_lasts_its_time_and_a_long_one_counts_by_its_length() {
        let pace = Pace::default();
        pace.arrived(32, false);
        assert!(!pace.look(MS / 2));
        assert!(pace.look(MS));
        // Nothing has come since, but that is not known yet.
        assert!(pace.look(MS + MS / 2));
        assert!(!pace.look(2 * MS));
        pace.arrived(320, false);
        assert!(!pace.look(13 * MS));
        pace.arrived(320, false);
        assert!(pace.look(23 * MS));
    }
}
