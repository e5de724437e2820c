//! Counters of a destination.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::destination::Seen;

/// What has happened at one destination since it came to life.
#[derive(Debug, Default)]
pub struct DestinationCounters {
    enqueued: AtomicU64,
    dispatched: AtomicU64,
    settled: AtomicU64,
    expired: AtomicU64,
    dead: AtomicU64,
    duplicates: AtomicU64,
    doubtful: AtomicU64,
    forgotten: AtomicU64,
    parked: AtomicU64,
    too_large: AtomicU64,
}

impl DestinationCounters {
    /// A message has to wait for room.
    pub(super) fn add_parked(&self) {
        self.parked.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that had to wait because there was no room.
    pub fn parked(&self) -> u64 {
        self.parked.load(Ordering::Relaxed)
    }

    /// Counts messages that consumers of a topic lost because their frames are too small.
    pub(super) fn add_too_large(&self, messages: usize) {
        if messages > 0 {
            self.too_large.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    /// Messages that consumers of a topic did not get because their frames are too small, each time
    /// that one did not.
    pub fn too_large(&self) -> u64 {
        self.too_large.load(Ordering::Relaxed)
    }

    pub(super) fn add_enqueued(&self) {
        self.enqueued.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_dispatched(&self, messages: usize) {
        if messages > 0 {
            self.dispatched.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn add_settled(&self, messages: usize) {
        self.settled.fetch_add(messages as u64, Ordering::Relaxed);
    }

    pub(super) fn add_expired(&self, messages: usize) {
        // Mostly none, and a line that other threads write is not touched for that.
        if messages > 0 {
            self.expired.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn add_dead(&self, messages: usize) {
        if messages > 0 {
            self.dead.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    /// Counts messages that may be second copies, and are sent on all the same.
    pub(super) fn add_doubtful(&self, messages: usize) {
        if messages > 0 {
            self.doubtful.fetch_add(messages as u64, Ordering::Relaxed);
        }
    }

    /// Counts what an audit has forgotten.
    pub(super) fn add_forgotten(&self, producers: u64) {
        if producers > 0 {
            self.forgotten.fetch_add(producers, Ordering::Relaxed);
        }
    }

    /// Counts what an audit found, and whether the message is to be taken: unless it was here
    /// before.
    pub(super) fn judge(&self, seen: Option<Seen>) -> bool {
        match seen {
            None | Some(Seen::Never) => true,
            Some(Seen::Unknown) => {
                self.doubtful.fetch_add(1, Ordering::Relaxed);
                true
            }
            Some(Seen::Before) => {
                self.duplicates.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Messages taken in.
    pub fn enqueued(&self) -> u64 {
        self.enqueued.load(Ordering::Relaxed)
    }

    /// Messages handed to consumers, each time that one was.
    pub fn dispatched(&self) -> u64 {
        self.dispatched.load(Ordering::Relaxed)
    }

    /// Messages that consumers have acknowledged.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Messages that expired; for durable subscriptions once for each.
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// Messages that nobody gets because a consumer refused them, or its connection could not take
    /// them; for durable subscriptions once for each.
    pub fn dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }

    /// Messages that a bridge brought again, and that were not taken again.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// Messages of a bridge that the audit could not tell from new ones, and that were taken.
    pub fn doubtful(&self) -> u64 {
        self.doubtful.load(Ordering::Relaxed)
    }

    /// Producers that the audit has forgotten, because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }
}

/// What has happened at several destinations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages taken in.
    pub enqueued: u64,
    /// Messages handed to consumers, each time that one was.
    pub dispatched: u64,
    /// Messages that consumers have acknowledged.
    pub settled: u64,
    /// Messages that expired; for durable subscriptions once for each.
    pub expired: u64,
    /// Messages that nobody gets because a consumer refused them, or its connection could not take
    /// them; for durable subscriptions once for each.
    pub dead: u64,
    /// Messages that a bridge brought again, and that were not taken again.
    pub duplicates: u64,
    /// Messages of a bridge that the audit could not tell from new ones, and that were taken.
    pub doubtful: u64,
    /// Producers that audits have forgotten, because there were too many.
    pub forgotten: u64,
    /// Messages that had to wait because there was no room.
    pub parked: u64,
    /// Messages that consumers of topics did not get because their frames are too small, each time
    /// that one did not.
    pub too_large: u64,
}

impl Totals {
    pub(super) fn add(&mut self, counters: &DestinationCounters) {
        self.enqueued += counters.enqueued();
        self.dispatched += counters.dispatched();
        self.settled += counters.settled();
        self.expired += counters.expired();
        self.dead += counters.dead();
        self.duplicates += counters.duplicates();
        self.doubtful += counters.doubtful();
        self.forgotten += counters.forgotten();
        self.parked += counters.parked();
        self.too_large += counters.too_large();
    }
}
