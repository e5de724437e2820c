//! How much a connection's consumers may have outstanding.

/// A consumer with such a window has enough at hand while its acknowledgements lie unread for
/// [a moment](super::serve): those of topics, by ActiveMQ's defaults. With those of queues (1000) a
/// fast consumer would come to its end.
const WIDE: usize = 10_000;
/// A consumer with less waits for each acknowledgement to make room, even if it lies unread only as
/// long as a thread [rests](ferrymq_transport::pace::Pace).
const SHORT: usize = 100;

/// The prefetch windows of a connection's consumers, together.
#[derive(Debug, Default)]
pub(super) struct Windows {
    total: usize,
    /// How many are less than [`WIDE`].
    narrow: usize,
    /// How many are less than [`SHORT`].
    short: usize,
}

impl Windows {
    pub(super) fn add(&mut self, window: usize) {
        self.total = self.total.saturating_add(window);
        self.narrow += usize::from(window < WIDE);
        self.short += usize::from(window < SHORT);
    }

    pub(super) fn remove(&mut self, window: usize) {
        self.total = self.total.saturating_sub(window);
        self.narrow -= usize::from(window < WIDE);
        self.short -= usize::from(window < SHORT);
    }

    /// How much may lawfully lie in the outbox.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Whether no consumer soon waits for what an acknowledgement makes room for.
    pub(super) fn are_wide(&self) -> bool {
        self.narrow == 0
    }

    /// Whether a consumer waits for what each acknowledgement makes room for.
    pub(super) fn are_short(&self) -> bool {
        self.short > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_short_window_makes_acknowledgements_awaited() {
        let mut windows = Windows::default();
        windows.add(SHORT);
        assert!(!windows.are_short());
        windows.add(1);
        assert!(windows.are_short());
        windows.remove(1);
        assert!(!windows.are_short());
    }

    #[test]
    fn one_narrow_window_makes_acknowledgements_urgent() {
        let mut windows = Windows::default();
        windows.add(WIDE);
        windows.add(32_766);
        assert!(windows.are_wide());
        windows.add(1);
        assert!(!windows.are_wide());
        assert_eq!(windows.total(), WIDE + 32_766 + 1);
        windows.remove(1);
        assert!(windows.are_wide());
        windows.remove(32_766);
        assert_eq!(windows.total(), WIDE);
    }
}
