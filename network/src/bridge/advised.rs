//! What a remote broker's advisories say.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo, MessageAck};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;

use crate::demand::durable::DurableKey;

/// The news of one advisory.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// A consumer lives.
    Consumer(Box<ConsumerInfo>),
    /// A consumer is gone.
    ConsumerGone(ConsumerId),
    /// A durable subscription ended.
    Unsubscribed(DurableKey),
    /// A temporary destination came or went.
    Temporary(DestinationInfo),
    /// Nothing that a bridge acts on.
    Nothing,
}

impl News {
    /// Reads an advisory.
    pub(super) fn of(advisory: &Message) -> Self {
        match advisory.data_structure() {
            Some(Command::ConsumerInfo(info)) => Self::Consumer(info),
            Some(Command::RemoveInfo(info)) => match info.object_id.map(|id| *id) {
                Some(Command::ConsumerId(consumer)) => Self::ConsumerGone(consumer),
                _ => Self::Nothing,
            },
            Some(Command::RemoveSubscriptionInfo(info)) => {
                DurableKey::ended(&info).map_or(Self::Nothing, Self::Unsubscribed)
            }
            Some(Command::DestinationInfo(info)) => Self::Temporary(info),
            _ => Self::Nothing,
        }
    }
}

/// Acknowledges advisories in bulk, before their window closes.
#[derive(Debug)]
pub(super) struct AdvisoryAcks {
    consumer: ConsumerId,
    threshold: i64,
    unacknowledged: i32,
}

impl AdvisoryAcks {
    const STANDARD: i8 = 2;
    const PERCENT: i64 = 75;

    pub(super) fn new(consumer: ConsumerId, prefetch: i32) -> Self {
        let threshold = i64::from(prefetch) * Self::PERCENT / 100;
        Self { consumer, threshold, unacknowledged: 0 }
    }

    /// Counts an advisory; the acknowledgement that is due, if any.
    pub(super) fn count(
        &mut self,
        topic: Option<Destination>,
        advisory: Option<&Message>,
    ) -> Option<MessageAck> {
        self.unacknowledged += 1;
        if i64::from(self.unacknowledged) <= self.threshold {
            return None;
        }
        let count = std::mem::take(&mut self.unacknowledged);
        Some(MessageAck {
            destination: topic,
            consumer_id: Some(self.consumer.clone()),
            ack_type: Self::STANDARD,
            last_message_id: advisory.and_then(Message::message_id),
            message_count: count,
            ..MessageAck::default()
        })
    }
}
