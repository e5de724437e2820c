//! What dead letters are known by.

use std::sync::atomic::{AtomicI64, Ordering};

use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::text::Text;

/// Gives dead letters their identities.
///
/// Several copies of one message may die, of a virtual topic's queues for example, and what became
/// of one is no copy of what became of another. So a letter has an identity of its own, by which
/// brokers and clients tell it from others; what an application is shown (`JMSMessageID`) is the one
/// that the message had, as in ActiveMQ.
pub(super) struct LetterNumbers {
    producer: ProducerId,
    written: AtomicI64,
}

impl LetterNumbers {
    /// For a broker that has `started` at this time, in milliseconds since 1970.
    pub(super) fn new(broker: &BrokerId, started: i64) -> Self {
        let connection = ConnectionId::new(format!("{broker}:letters"));
        let producer = ProducerId::new(&SessionId::new(&connection, started), 1);
        Self { producer, written: AtomicI64::new(0) }
    }

    /// An identity for what becomes of `message`.
    pub(super) fn next(&self, message: Option<&MessageId>) -> MessageId {
        let number = self.written.fetch_add(1, Ordering::Relaxed) + 1;
        let text_view = message.map(|id| Text::from(id.to_string()));
        MessageId { text_view, ..MessageId::new(self.producer.clone(), number) }
    }
}
