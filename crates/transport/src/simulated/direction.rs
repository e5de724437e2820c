//! One direction between two hosts, shared by all streams that run that way.

use fastrand::Rng;
use tokio::time::Instant;

use super::conditions::LinkConditions;

/// One direction between two hosts.
#[derive(Debug)]
pub(super) struct Direction {
    pub(super) conditions: LinkConditions,
    /// Since when nothing arrives any more.
    pub(super) silent_since: Option<Instant>,
    /// Whether new dials are refused.
    pub(super) refusing: bool,
    /// When the line has sent everything that was given to it.
    free_at: Instant,
}

impl Direction {
    pub(super) fn new(conditions: LinkConditions) -> Self {
        Self { conditions, silent_since: None, refusing: false, free_at: Instant::now() }
    }

    /// Puts so many bytes on the line and says when they arrive.
    pub(super) fn send(&mut self, bytes: usize, now: Instant, random: &mut Rng) -> Instant {
        self.free_at = self.free_at.max(now) + self.conditions.transmission(bytes);
        let jitter = self.conditions.jitter;
        let late = if jitter.is_zero() { jitter } else { jitter.mul_f64(random.f64()) };
        self.free_at + self.conditions.latency + late
    }

    /// Whether something that arrives at `at` has been noticed.
    pub(super) fn has_arrived(&self, at: Instant, now: Instant) -> bool {
        at <= now && self.silent_since.is_none_or(|since| at <= since)
    }
}
