//! Addresses of messages.

use std::fmt;

use crate::text::Text;

/// Queue or topic, lasting or temporary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DestinationKind {
    /// Each message goes to one consumer.
    Queue,
    /// Each message goes to every subscription.
    Topic,
    /// A queue that lives as long as its connection, which alone may consume from it.
    TempQueue,
    /// A topic that lives as long as its connection, which alone may consume from it.
    TempTopic,
}

impl DestinationKind {
    /// Whether messages go to one consumer each.
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Queue | Self::TempQueue)
    }

    /// Whether it ends with its connection.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::TempQueue | Self::TempTopic)
    }

    /// The prefix of its textual form: `queue://`, `topic://`, `temp-queue://`, `temp-topic://`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Queue => "queue://",
            Self::Topic => "topic://",
            Self::TempQueue => "temp-queue://",
            Self::TempTopic => "temp-topic://",
        }
    }
}

/// An address: a kind and a physical name.
///
/// A name may be composite (several, separated by commas) or a pattern (`*` for one level, `>` for
/// all below). The living thing at an address is a queue or a topic; this is only its address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    kind: DestinationKind,
    name: Text,
}

impl Destination {
    /// The address `name` of this kind, exactly as on the wire.
    pub fn new(kind: DestinationKind, name: impl Into<Text>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A queue's address.
    pub fn queue(name: impl Into<Text>) -> Self {
        Self::new(DestinationKind::Queue, name)
    }

    /// A topic's address.
    pub fn topic(name: impl Into<Text>) -> Self {
        Self::new(DestinationKind::Topic, name)
    }

    /// Queue or topic, lasting or temporary.
    pub fn kind(&self) -> DestinationKind {
        self.kind
    }

    /// The physical name.
    pub fn name(&self) -> &Text {
        &self.name
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.prefix(), self.name)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
