//! A message as it was received.

use std::sync::Arc;

use bytes::Bytes;
use ferrymq_openwire::body::{self, BodyError};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::{Message, MessageKind};
use ferrymq_openwire::properties::{Properties, PropertyError, Value};

/// A message as it was received: its body, headers and properties.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    pub(crate) message: Arc<Message>,
    pub(crate) destination: Destination,
    pub(crate) redeliveries: u32,
}

impl ReceivedMessage {
    /// The message as the broker sent it.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }

    /// What its content is.
    pub fn kind(&self) -> MessageKind {
        self.message.kind()
    }

    /// The text of a text message; `None` if it has none.
    pub fn text(&self) -> Result<Option<String>, BodyError> {
        body::text_body(&self.message)
    }

    /// The content of a bytes message.
    pub fn bytes(&self) -> Result<Bytes, BodyError> {
        body::bytes_body(&self.message)
    }

    /// The values of a map message.
    pub fn map(&self) -> Result<Properties, BodyError> {
        body::map_body(&self.message)
    }

    /// The values of a stream message.
    pub fn stream(&self) -> Result<Vec<Value>, BodyError> {
        body::stream_body(&self.message)
    }

    /// Its properties.
    pub fn properties(&self) -> Result<Properties, PropertyError> {
        self.message.properties()
    }

    /// Where the broker took it from.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Its identity.
    pub fn message_id(&self) -> Option<MessageId> {
        self.message.message_id()
    }

    /// By which a reply finds its request.
    pub fn correlation_id(&self) -> Option<String> {
        self.message.correlation_id().map(|text| text.to_string_lossy().into_owned())
    }

    /// Where replies go.
    pub fn reply_to(&self) -> Option<Destination> {
        self.message.reply_to()
    }

    /// The application's name for its kind.
    pub fn jms_type(&self) -> Option<String> {
        self.message.jms_type().map(|text| text.to_string_lossy().into_owned())
    }

    /// The group that it belongs to.
    pub fn group_id(&self) -> Option<String> {
        self.message.group_id().map(|text| text.to_string_lossy().into_owned())
    }

    /// From 0 (lowest) to 9.
    pub fn priority(&self) -> i8 {
        self.message.priority()
    }

    /// Whether it survives a restart of the broker.
    pub fn persistent(&self) -> bool {
        self.message.persistent()
    }

    /// When it was sent: milliseconds of the epoch.
    pub fn timestamp(&self) -> i64 {
        self.message.timestamp()
    }

    /// When it expires: milliseconds of the epoch; 0 for never.
    pub fn expiration(&self) -> i64 {
        self.message.expiration()
    }

    /// How often it was delivered before this time.
    pub fn redeliveries(&self) -> u32 {
        self.redeliveries
    }

    /// Whether it was delivered before.
    pub fn redelivered(&self) -> bool {
        self.redeliveries > 0
    }
}
