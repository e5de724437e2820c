//! When messages expire: by the wall clock, which their senders go by, too.
//!
//! All other times of a queue are durations, measured by a clock that nobody sets.

use ferrymq_transport::clock::WallOffset;

use super::effects::Effects;
use super::queue::Queue;

impl Queue {
    /// The same queue, which is told how far the wall clock is ahead.
    pub fn telling(mut self, offset: WallOffset) -> Self {
        self.offset = offset;
        self
    }

    /// What the wall clock shows at a time.
    pub fn wall(&self, now: i64) -> i64 {
        self.offset.wall(now)
    }

    /// Drops what has expired while it waited.
    pub fn expire(&mut self, now: i64, effects: &mut Effects) {
        let wall = self.wall(now);
        while let Some(&(expiration, sequence)) = self.expiring.first()
            && expiration < wall
        {
            self.expiring.pop_first();
            effects.expired.extend(self.take_pending(sequence).map(|entry| entry.message));
        }
        self.look_for_expired(wall);
    }
}
