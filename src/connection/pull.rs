//! Consumers without a window: they ask for each message.

use std::time::Duration;

use ferrymq_openwire::commands::MessagePull;
use tokio::time::Instant;

use super::peer::{Outcome, Peer};
use super::refusal::Refusal;

impl Peer {
    /// A consumer asks for one message, and says how long to wait for it: 0 for ever, less not at
    /// all (ActiveMQ's -1), else milliseconds. A wait that ends is answered by a dispatch without a
    /// message. A new question replaces the one before.
    pub(super) fn pull(&mut self, pull: &MessagePull) -> Result<Outcome, Refusal> {
        if pull.message_id.is_some() || pull.correlation_id.is_some() {
            return Err(Refusal::not_supported("pulling a message by its identifier is"));
        }
        // It may cross the end of its consumer: then nobody waits for an answer.
        let Some(id) = &pull.consumer_id else { return Ok(Outcome::Done) };
        let Some(consumer) = self.consumers.get_mut(id) else { return Ok(Outcome::Done) };
        self.pulls.forget(consumer.pull_until.take(), consumer.number);
        if !self.broker.pull(&consumer.subscription) {
            return Ok(Outcome::Done);
        }
        match u64::try_from(pull.timeout) {
            Err(_) => self.broker.end_pull(&consumer.subscription),
            Ok(0) => {}
            Ok(millis) => {
                // What is too far away to be reckoned is for ever.
                let until = Instant::now().checked_add(Duration::from_millis(millis));
                consumer.pull_until = until;
                if let Some(until) = until {
                    self.pulls.wait(until, consumer.number, id.clone());
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// Tells those consumers whose wait has ended.
    pub(super) fn end_pulls(&mut self) {
        let now = Instant::now();
        while let Some(id) = self.pulls.take_ended(now) {
            if let Some(consumer) = self.consumers.get_mut(&id) {
                consumer.pull_until = None;
                self.broker.end_pull(&consumer.subscription);
            }
        }
    }
}
