//! How far producers may be ahead of consumers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts deliveries that are due and lets producers on while they are not too many.
#[derive(Debug)]
pub(super) struct Gate {
    /// How many deliveries may be due; without consumers, any number.
    limit: u64,
    /// Deliveries that were promised by sending.
    promised: AtomicU64,
    /// Deliveries that happened.
    happened: AtomicU64,
    /// Somebody waits.
    waiting: AtomicBool,
    /// Everybody shall stop.
    stopped: AtomicBool,
    freed: Notify,
}

impl Gate {
    /// A gate that lets this many deliveries be due.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            promised: AtomicU64::new(0),
            happened: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            freed: Notify::new(),
        }
    }

    /// Waits until so many more deliveries may be due, and promises them. `false`: stop.
    pub(super) async fn pass(&self, deliveries: u64) -> bool {
        loop {
            if self.is_stopped() {
                return false;
            }
            let freed = self.freed.notified();
            let promised = self.promised.fetch_add(deliveries, Ordering::SeqCst) + deliveries;
            let due = promised.saturating_sub(self.happened());
            // A promise larger than the limit passes when nothing else is due.
            if due <= self.limit.max(deliveries) {
                return true;
            }
            self.promised.fetch_sub(deliveries, Ordering::SeqCst);
            self.waiting.store(true, Ordering::SeqCst);
            // What happened between the look and the flag rang for nobody.
            let due = self.promised().saturating_sub(self.happened());
            if due + deliveries <= self.limit.max(deliveries) || self.is_stopped() {
                continue;
            }
            freed.await;
        }
    }

    /// Gives promises back that were not used.
    pub(super) fn give_back(&self, deliveries: u64) {
        self.promised.fetch_sub(deliveries, Ordering::SeqCst);
    }

    /// So many deliveries happened.
    pub(super) fn arrived(&self, deliveries: u64) {
        self.happened.fetch_add(deliveries, Ordering::SeqCst);
        if self.waiting.swap(false, Ordering::SeqCst) {
            self.freed.notify_waiters();
        }
    }

    /// Nobody passes any more.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.freed.notify_waiters();
    }

    /// Whether nobody passes any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Deliveries promised so far.
    pub(super) fn promised(&self) -> u64 {
        self.promised.load(Ordering::SeqCst)
    }

    /// Deliveries that happened so far.
    pub(super) fn happened(&self) -> u64 {
        self.happened.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn producers_wait_for_consumers_and_stop_when_told() {
        let gate = Arc::new(Gate::new(10));
        assert!(gate.pass(8).await);
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.pass(4).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.arrived(1);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "7 are due, 4 more are too many");
        gate.arrived(1);
        assert!(waiting.await.unwrap());
        let stopped = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.pass(4).await }
        });
        tokio::task::yield_now().await;
        gate.stop();
        assert!(!stopped.await.unwrap());
    }
}
