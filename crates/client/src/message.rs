//! A message on its way out.

use std::time::Duration;

use bytes::Bytes;
use ferrymq_openwire::body;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageKind;
use ferrymq_openwire::properties::{Properties, Value};

/// A message to send: a body, headers and properties.
///
/// ```
/// # use ferrymq_client::message::OutgoingMessage;
/// let order = OutgoingMessage::text("12 anchors").property("port", "Hamburg").correlation_id("a7");
/// # let _ = order;
/// ```
#[derive(Debug, Clone, Default)]
pub struct OutgoingMessage {
    pub(crate) kind: MessageKind,
    pub(crate) content: Option<Bytes>,
    pub(crate) properties: Properties,
    pub(crate) headers: Headers,
}

/// What the sender says about a message beside its body; absent parts follow the producer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers {
    pub(crate) persistent: Option<bool>,
    pub(crate) priority: Option<u8>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) reply_to: Option<Destination>,
    pub(crate) jms_type: Option<String>,
    pub(crate) group: Option<(String, i32)>,
}

impl OutgoingMessage {
    /// A message without a body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A text message.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::with_content(MessageKind::Text, body::text_content(text.as_ref()))
    }

    /// A message of bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::with_content(MessageKind::Bytes, bytes.into())
    }

    /// A message of named values.
    pub fn map(values: &Properties) -> Self {
        Self::with_content(MessageKind::Map, body::map_content(values))
    }

    /// A message of values in order.
    pub fn stream(values: &[Value]) -> Self {
        Self::with_content(MessageKind::Stream, body::stream_content(values))
    }

    fn with_content(kind: MessageKind, content: Bytes) -> Self {
        Self { kind, content: Some(content), ..Self::default() }
    }

    /// The same with a property.
    #[must_use]
    pub fn property(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.properties.insert(name, value);
        self
    }

    /// The same, to survive a restart of the broker, or not.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.headers.persistent = Some(persistent);
        self
    }

    /// The same with a priority from 0 (lowest) to 9.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.headers.priority = Some(priority);
        self
    }

    /// The same, to be delivered within this time or never.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.headers.ttl = Some(ttl);
        self
    }

    /// The same with a correlation id, by which a reply finds its request.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.headers.correlation_id = Some(id.into());
        self
    }

    /// The same, to be replied to at this address.
    #[must_use]
    pub fn reply_to(mut self, destination: Destination) -> Self {
        self.headers.reply_to = Some(destination);
        self
    }

    /// The same with an application's name for its kind (JMSType).
    #[must_use]
    pub fn jms_type(mut self, name: impl Into<String>) -> Self {
        self.headers.jms_type = Some(name.into());
        self
    }

    /// The same as the `sequence`th of a group (from 1; -1 closes it): messages of one group go to
    /// one consumer.
    #[must_use]
    pub fn group(mut self, id: impl Into<String>, sequence: i32) -> Self {
        self.headers.group = Some((id.into(), sequence));
        self
    }

    /// The properties as the wire has them; absent if there are none.
    pub(crate) fn encoded_properties(&self) -> Option<Bytes> {
        (!self.properties.is_empty()).then(|| self.properties.encode())
    }
}

impl From<&str> for OutgoingMessage {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for OutgoingMessage {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
