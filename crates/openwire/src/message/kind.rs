//! The kinds of messages.

/// What a message's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum MessageKind {
    /// Headers and properties only. Advisories carry a command besides.
    #[default]
    Message = 23,
    /// Bytes.
    Bytes = 24,
    /// Named values.
    Map = 25,
    /// A serialized Java object; opaque here.
    Object = 26,
    /// A sequence of values.
    Stream = 27,
    /// A string.
    Text = 28,
    /// A reference to content that is kept elsewhere (since version 3).
    Blob = 29,
}

impl MessageKind {
    /// The type byte of a message of this kind.
    pub fn type_id(self) -> u8 {
        self as u8
    }

    /// The kind of message that a type byte stands for.
    pub fn of_type(type_id: u8) -> Option<Self> {
        match type_id {
            23 => Some(Self::Message),
            24 => Some(Self::Bytes),
            25 => Some(Self::Map),
            26 => Some(Self::Object),
            27 => Some(Self::Stream),
            28 => Some(Self::Text),
            29 => Some(Self::Blob),
            _ => None,
        }
    }

    /// ActiveMQ's name of the structure.
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Message => "ActiveMQMessage",
            Self::Bytes => "ActiveMQBytesMessage",
            Self::Map => "ActiveMQMapMessage",
            Self::Object => "ActiveMQObjectMessage",
            Self::Stream => "ActiveMQStreamMessage",
            Self::Text => "ActiveMQTextMessage",
            Self::Blob => "ActiveMQBlobMessage",
        }
    }

    /// The first version that has this kind.
    pub(crate) fn since(self) -> u8 {
        if self == Self::Blob { 3 } else { 1 }
    }
}
