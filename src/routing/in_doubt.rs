//! What brokers beyond bridges may have of this one's queues, and what this one has of theirs.

use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, MessageId};
use ferrymq_openwire::message::Message;

use super::broker::Broker;
use super::directory::Living;
use super::queue_handle::{Aftermath, QueueHandle};
use super::subscribe::{Held, Subscription};
use crate::destination::{MarkRecord, SubscriptionKey};

impl Broker {
    /// The queues with messages that may be at another broker, by name.
    pub fn doubts_about(&self, broker: &BrokerId) -> Vec<Destination> {
        let doubted = |living: &Living| match living {
            Living::Queue(queue) => queue.look(|queue, _| queue.doubts_about(broker)),
            Living::Topic(_) => false,
        };
        let all = self.directory.all().into_iter().filter(doubted);
        let mut queues: Vec<Destination> = all.map(|living| living.address().clone()).collect();
        queues.sort();
        queues
    }

    /// How many messages may be at another broker, or at any, and are held for it: at most.
    pub fn messages_in_doubt(&self, broker: Option<&BrokerId>) -> usize {
        let count = |living: Living| match living {
            Living::Queue(queue) => queue.look(|queue, _| queue.in_doubt(broker)),
            Living::Topic(_) => 0,
        };
        self.directory.all().into_iter().map(count).sum()
    }

    /// Bytes of what the audits of all destinations remember.
    pub fn audit_bytes(&self) -> usize {
        self.audits.used()
    }

    /// The broker beyond a bridge does not have the message that an acknowledgement names.
    pub fn deny(&self, subscription: &Subscription, ack: &MessageAck) {
        if let (Held::Queue { queue, key }, Some(id)) = (&subscription.held, &ack.last_message_id) {
            self.clear_up(queue.deny(*key, id, self.clock.now_millis()));
        }
    }

    /// Whether this broker has a message of a queue, or had it, that another one asks about: then a
    /// second copy would be dropped. It must be said when all until now is safe.
    pub fn has_had(&self, queue: &Destination, message: &Message) -> bool {
        match self.directory.find(queue) {
            Some(Living::Queue(queue)) => queue.has_had(message),
            _ => false,
        }
    }
}

impl QueueHandle {
    /// The store has these marks of what other brokers may have.
    pub(super) fn recall_mark(&self, mark: MarkRecord, now: i64) -> Aftermath {
        let MarkRecord { broker, places } = mark;
        self.with_queue(now, |queue, effects| {
            if let Some(places) = places {
                queue.recall_mark(broker, places, now, effects);
            }
        })
    }

    fn deny(&self, key: SubscriptionKey, id: &MessageId, now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.deny(key, id, now, effects))
    }

    fn has_had(&self, message: &Message) -> bool {
        self.state.lock().audit.has_had(message)
    }
}
