//! What is done in a transaction, while it is open.

use std::sync::Arc;

use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::message::Message;

use super::arrival::Arrival;
use super::broker::Broker;
use super::route::Route;
use super::subscribe::{Held, Subscription};
use super::work::{Work, WorkError};
use crate::destination::{AckError, AckKind, Acknowledgement};

impl Broker {
    /// The work of a new transaction.
    pub fn begin_work(&self) -> Result<Work, WorkError> {
        Ok(Work::new(self.tags.lease().ok_or(WorkError::TooManyOpen)?))
    }

    /// Applies an acknowledgement as part of a transaction: what it covers belongs to nobody else
    /// until the transaction ends.
    pub fn hold(
        &self,
        work: &mut Work,
        subscription: &Subscription,
        ack: &MessageAck,
    ) -> Result<(), WorkError> {
        let checked = Acknowledgement::of(ack)?;
        match checked.kind {
            AckKind::Standard | AckKind::Individual => {}
            AckKind::Poison => return Err(AckError::TransactedPoison.into()),
            // These say what has happened already, whatever becomes of the transaction.
            AckKind::Delivered | AckKind::Redelivered | AckKind::Expired => {
                return Ok(self.acknowledge(subscription, ack)?);
            }
        }
        let now = self.clock.now_millis();
        let tag = work.tag.tag();
        match &subscription.held {
            Held::Queue { queue, key } => {
                self.clear_up(queue.hold(*key, &checked, tag, now)?);
                work.holds_of(queue);
            }
            Held::Durable { subscriber, topics, key } => {
                self.clear_up(subscriber.hold(*key, &checked, tag, now)?);
                work.holds_of_durable(subscriber, topics);
            }
            Held::Several(several) => {
                let (queues, aftermath) = several.group.hold(&checked, tag, now)?;
                self.clear_up(aftermath);
                queues.iter().for_each(|queue| work.holds_of(queue));
                work.holds_of_group(&several.group, several.topics.as_ref());
            }
            Held::Topic { subscriber, topics } => {
                let count = if checked.kind == AckKind::Individual { 1 } else { checked.count };
                // It makes room at once, as where the ids of messages are known.
                let delivered = Acknowledgement::of_count(AckKind::Delivered, count);
                topics.count_settled(subscriber.acknowledge(&delivered, now));
                work.counts_of(subscriber, topics, count);
            }
        }
        Ok(())
    }
}

impl Work {
    /// Takes a message for the destinations of `route`. They count it from now on.
    pub fn send(
        &mut self,
        route: &Route,
        message: Arc<Message>,
        arrival: Arrival,
    ) -> Result<(), WorkError> {
        self.check_count()?;
        if !route.admits_uncommitted(message.size()) {
            return Err(WorkError::TooLarge(route.address().clone()));
        }
        route.copies(message, |target, copy| self.push(target, copy, arrival));
        Ok(())
    }
}
