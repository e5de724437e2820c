//! Waiting for conditions, with a deadline that names what did not come true.
//!
//! Child processes live in real time, so this is the one place of the tests that reads the real
//! clock and sleeps.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

/// How long a test waits for something that must happen. Long, because it is only ever waited out
/// by a failure, and machines that run tests are slow now and then.
pub const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(10);

/// A moment after which waiting has failed.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// Asks again and again until there is an answer; panics with `what` when the deadline passes.
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(patience);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(!deadline.passed(), "waited {patience:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until a number stays as it is for a good while (half a second): nothing moves any more.
pub fn until_steady(what: &str, ask: impl Fn() -> u64) {
    let (mut last, mut unchanged) = (ask(), 0);
    until(what, PATIENCE, || {
        let now = ask();
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
        (unchanged >= 50).then_some(())
    });
}
