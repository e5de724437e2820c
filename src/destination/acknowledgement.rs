//! A consumer's word on messages dispatched to it.

use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::text::Text;

/// What an acknowledgement says (`ackType` of OpenWire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKind {
    /// Received, not acknowledged yet: only widens the prefetch window.
    Delivered,
    /// Refused for good: to the dead letters.
    Poison,
    /// Consumed, a range.
    Standard,
    /// Will be delivered again by the client itself; the broker changes nothing.
    Redelivered,
    /// Consumed, exactly one.
    Individual,
    /// Expired at the client.
    Expired,
}

/// An acknowledgement, checked.
#[derive(Debug, Clone)]
pub struct Acknowledgement<'a> {
    /// What it says.
    pub kind: AckKind,
    /// First of the range; the oldest dispatched when absent.
    pub first: Option<&'a MessageId>,
    /// Last of the range.
    pub last: Option<&'a MessageId>,
    /// Where the last was dispatched from: what was sent to several destinations at once has one id
    /// in all of them.
    pub destination: Option<&'a Destination>,
    /// How many the range holds, as the consumer counts.
    pub count: usize,
    /// Why a message was refused.
    pub cause: Option<Text>,
}

/// An acknowledgement that does not fit what was dispatched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The type is not one that a broker takes from a client.
    #[error("acknowledgement of unknown type {0}")]
    UnknownKind(i8),
    /// The subscription has no such message outstanding.
    #[error("unmatched acknowledge: no message {0} is outstanding on this consumer")]
    Unmatched(String),
    /// A message is refused in a transaction.
    #[error("a message cannot be refused in a transaction (poison acknowledgement)")]
    TransactedPoison,
    /// Another open transaction holds a message of the range.
    #[error("a message of the range is acknowledged in another transaction")]
    OtherTransaction,
    /// The range holds another number of messages than the consumer says.
    #[error("unmatched acknowledge: expected {claimed} messages, but the range holds {found}")]
    Count {
        /// What the consumer says.
        claimed: usize,
        /// What was dispatched in that range.
        found: usize,
    },
}

impl<'a> Acknowledgement<'a> {
    /// One that names no messages, for a subscription that counts them.
    pub fn of_count(kind: AckKind, count: usize) -> Self {
        Self { kind, first: None, last: None, destination: None, count, cause: None }
    }

    /// Reads a command.
    pub fn of(ack: &'a MessageAck) -> Result<Self, AckError> {
        let kind = match ack.ack_type {
            0 => AckKind::Delivered,
            1 => AckKind::Poison,
            2 => AckKind::Standard,
            3 => AckKind::Redelivered,
            4 => AckKind::Individual,
            6 => AckKind::Expired,
            other => return Err(AckError::UnknownKind(other)),
        };
        Ok(Self {
            kind,
            first: ack.first_message_id.as_ref(),
            last: ack.last_message_id.as_ref(),
            destination: ack.destination.as_ref(),
            count: usize::try_from(ack.message_count).unwrap_or(0),
            cause: ack.poison_cause.as_ref().and_then(|cause| cause.message.clone()),
        })
    }
}
