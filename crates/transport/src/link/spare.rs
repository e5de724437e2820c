//! Memory that a burst left behind, given back when the burst is over.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// How long memory stays for the next burst. Giving it back at once would cost a busy link an
/// allocation for every few commands; keeping it would cost each idle one dozens of KiB.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Notices that memory has not been needed for a while.
#[derive(Default)]
pub(crate) struct Spare {
    /// Runs while there is something to give back.
    timer: Option<Pin<Box<Sleep>>>,
    used: bool,
}

impl Spare {
    /// There is memory to give back one day; `used` says whether it was needed just now.
    pub(crate) fn keep(&mut self, used: bool) {
        self.used |= used;
        if self.timer.is_none() {
            self.timer = Some(Box::pin(sleep(KEPT_FOR)));
        }
    }

    /// Completes when the memory has not been used for a while; never, if none was. Cancel-safe.
    pub(crate) async fn unneeded(&mut self) {
        loop {
            let Some(timer) = &mut self.timer else { return std::future::pending().await };
            timer.as_mut().await;
            if !self.used {
                self.timer = None;
                return;
            }
            self.used = false;
            timer.as_mut().reset(Instant::now() + KEPT_FOR);
        }
    }
}

/// A timer that is armed anew again and again, and holds its place in memory.
pub(crate) fn timer_at(at: Instant) -> Pin<Box<Sleep>> {
    Box::pin(sleep_until(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn memory_stays_while_it_is_used() {
        let started = Instant::now();
        let mut spare = Spare::default();
        spare.keep(true);
        // Used again shortly before the first look.
        let waited = tokio::time::timeout(900 * MS, spare.unneeded()).await;
        assert!(waited.is_err());
        spare.keep(true);
        spare.unneeded().await;
        assert_eq!(started.elapsed(), 2000 * MS);
        // Nothing is left to be given back.
        let waited = tokio::time::timeout(3_600_000 * MS, spare.unneeded()).await;
        assert!(waited.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_is_there_but_not_needed_goes() {
        let started = Instant::now();
        let mut spare = Spare::default();
        spare.keep(false);
        spare.unneeded().await;
        assert_eq!(started.elapsed(), KEPT_FOR);
    }
}
