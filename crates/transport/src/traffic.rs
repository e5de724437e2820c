//! What a link has carried.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Bytes of a link in both directions, counted where they are written and read; frames are not
/// looked at. One task writes each number, anybody reads.
#[derive(Debug)]
pub struct Traffic {
    start: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    /// When bytes came last, in milliseconds after the start, plus 1; 0: never.
    heard: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        }
    }
}

impl Traffic {
    /// Bytes written.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes read.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// When the peer was heard last, be it a sign of life alone; `None`: not yet.
    pub fn heard(&self) -> Option<Instant> {
        let after = self.heard.load(Ordering::Relaxed).checked_sub(1)?;
        self.start.checked_add(std::time::Duration::from_millis(after))
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        let after = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.heard.store(after.saturating_add(1), Ordering::Relaxed);
    }
}
