//! How good a connection between two hosts is.

use std::time::Duration;

/// How good one direction between two hosts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkConditions {
    /// How long every byte is underway.
    pub latency: Duration,
    /// Up to so much longer, at random. Bytes of one stream never overtake each other.
    pub jitter: Duration,
    /// Bytes per second, shared by all streams in this direction, first come first served; `None`
    /// is without limit.
    pub bandwidth: Option<u64>,
    /// How many bytes of one stream may be underway or unread; a writer waits at that point, as it
    /// does when TCP's window is full. At least 1.
    pub buffer: usize,
}

impl Default for LinkConditions {
    /// A local network: 1 ms, no jitter, no limit, 1 MiB of buffer.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            bandwidth: None,
            buffer: 1024 * 1024,
        }
    }
}

impl LinkConditions {
    /// Within one host: at once.
    pub(super) fn loopback() -> Self {
        Self { latency: Duration::ZERO, ..Self::default() }
    }

    /// How long the line is busy with so many bytes.
    pub(super) fn transmission(&self, bytes: usize) -> Duration {
        match self.bandwidth {
            None => Duration::ZERO,
            Some(rate) => {
                let nanos = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }

    /// How many bytes travel as one piece: about 10 ms of the line, so that a slow line delivers
    /// steadily and a fast one cheaply.
    pub(super) fn piece(&self) -> usize {
        const SMALLEST: usize = 512;
        const LARGEST: usize = 16 * 1024;
        match self.bandwidth {
            None => usize::MAX,
            Some(rate) => usize::try_from(rate / 100).unwrap_or(LARGEST).clamp(SMALLEST, LARGEST),
        }
    }
}
