//! Addresses of messages.

use std::fmt;

use crate::codec::reader::{FrameReader, Loose, Mode};
use crate::codec::writer::FieldWriter;
use crate::error::{DecodeError, EncodeError};
use crate::structure::Structure;
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

    /// The type byte of an address of this kind.
    pub(crate) fn type_id(self) -> u8 {
        match self {
            Self::Queue => 100,
            Self::Topic => 101,
            Self::TempQueue => 102,
            Self::TempTopic => 103,
        }
    }

    /// The kind of address that a type byte stands for.
    pub(crate) fn of_type(type_id: u8) -> Option<Self> {
        match type_id {
            100 => Some(Self::Queue),
            101 => Some(Self::Topic),
            102 => Some(Self::TempQueue),
            103 => Some(Self::TempTopic),
            _ => None,
        }
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
    /// False where the wire has no name at all, which is not the same as an empty one.
    named: bool,
}

impl Destination {
    /// The address `name` of this kind, exactly as on the wire.
    pub fn new(kind: DestinationKind, name: impl Into<Text>) -> Self {
        Self { kind, name: name.into(), named: true }
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

    /// The physical name; empty also where the wire has none. Neither is a valid address.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The name as the wire has it.
    pub(crate) fn wire_text(&self) -> Option<&Text> {
        self.named.then_some(&self.name)
    }
}

/// The two forms of a destination on the wire: a type byte for the kind, and one string.
///
/// ```text
/// 64 queue, 65 topic, 66 temporary queue, 67 temporary topic | physicalName: string
/// ```
impl Structure for Destination {
    const EXPECTED: &'static str = "ActiveMQDestination";

    fn type_id(&self) -> u8 {
        self.kind.type_id()
    }

    fn wire_name(&self) -> &'static str {
        match self.kind {
            DestinationKind::Queue => "ActiveMQQueue",
            DestinationKind::Topic => "ActiveMQTopic",
            DestinationKind::TempQueue => "ActiveMQTempQueue",
            DestinationKind::TempTopic => "ActiveMQTempTopic",
        }
    }

    fn read<M: Mode>(type_id: u8, reader: &mut FrameReader<'_, M>) -> Result<Self, DecodeError> {
        let kind = DestinationKind::of_type(type_id)
            .ok_or(DecodeError::UnexpectedType { type_id, expected: Self::EXPECTED })?;
        let name = reader.string()?;
        let named = name.is_some();
        Ok(Self { kind, name: name.unwrap_or_default(), named })
    }

    fn skip(type_id: u8, reader: &mut FrameReader<'_, Loose>) -> Result<(), DecodeError> {
        match DestinationKind::of_type(type_id) {
            Some(_) => reader.skip_string(),
            None => Err(DecodeError::UnexpectedType { type_id, expected: Self::EXPECTED }),
        }
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        writer.field("physicalName");
        writer.string(self.wire_text())
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
