//! How much a connection's consumers may have outstanding.

/// A consumer with such a window (ActiveMQ's default for queues) has enough at hand while its
/// acknowledgements lie unread for [some milliseconds](super::serve).
const WIDE: usize = 1000;

/// The prefetch windows of a connection's consumers, together.
#[derive(Debug, Default)]
pub(super) struct Windows {
    total: usize,
    /// How many are less than [`WIDE`].
    narrow: usize,
}

impl Windows {
    pub(super) fn add(&mut self, window: usize) {
        self.total = self.total.saturating_add(window);
        self.narrow += usize::from(window < WIDE);
    }

    pub(super) fn remove(&mut self, window: usize) {
        self.total = self.total.saturating_sub(window);
        self.narrow -= usize::from(window < WIDE);
    }

    /// How much may lawfully lie in the outbox.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Whether no consumer soon waits for what an acknowledgement makes room for.
    pub(super) fn are_wide(&self) -> bool {
        self.narrow == 0
    }
}
