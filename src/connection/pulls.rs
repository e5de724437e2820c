//! Consumers that wait for a message.

use std::collections::BTreeMap;

use ferrymq_openwire::ids::ConsumerId;
use tokio::time::Instant;

/// Consumers of one connection that wait for a message until some time, by that time and the
/// consumer's number: at most one entry for each consumer.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    waiting: BTreeMap<(Instant, u64), ConsumerId>,
}

impl Pulls {
    /// A consumer waits; it must not wait already.
    pub(super) fn wait(&mut self, until: Instant, number: u64, consumer: ConsumerId) {
        self.waiting.insert((until, number), consumer);
    }

    /// When the next wait ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((until, _), _)| *until)
    }

    /// A consumer does not wait any more, or has gone.
    pub(super) fn forget(&mut self, until: Option<Instant>, number: u64) {
        if let Some(until) = until {
            self.waiting.remove(&(until, number));
        }
    }

    /// A consumer whose wait has ended.
    pub(super) fn take_ended(&mut self, now: Instant) -> Option<ConsumerId> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
