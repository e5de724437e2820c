//! Identifiers of connections and of what lives in them, of brokers, messages and transactions.
//!
//! Their string parts may be absent on the wire, so they are optional here; two identifiers are
//! equal when Java's are.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::codec::reader::{FrameReader, Loose, Mode};
use crate::codec::writer::FieldWriter;
use crate::error::{DecodeError, EncodeError};
use crate::structure::{Structure, structures};
use crate::text::Text;

structures! {
    /// Identifies a broker: unique for as long as it runs.
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
    BrokerId "BrokerId" = 124 id {
        /// Any unique text.
        value "value": string,
    }

    /// Identifies a connection: chosen by the client.
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
    ConnectionId "ConnectionId" = 120 id {
        /// Any unique text; Java clients write `ID:<host>-<port>-<millis>-<instance>:<n>`.
        value "value": string,
    }

    /// Identifies a session of a connection. `-1` is the connection's own, which nobody announces.
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
    SessionId "SessionId" = 121 id {
        /// The connection's text.
        connection_id "connectionId": string,
        /// Number within the connection, from 1.
        value "value": long,
    }

    /// Identifies a consumer of a session.
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
    ConsumerId "ConsumerId" = 122 id {
        /// The connection's text.
        connection_id "connectionId": string,
        /// Number of the session within the connection.
        session_id "sessionId": long,
        /// Number within the session, from 1.
        value "value": long,
    }

    /// Identifies a producer of a session. On the wire its own number stands before the session's,
    /// other than in [`ConsumerId`].
    #[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
    ProducerId "ProducerId" = 123 id {
        /// The connection's text.
        connection_id "connectionId": string,
        /// Number within the session, from 1.
        value "value": long,
        /// Number of the session within the connection.
        session_id "sessionId": long,
    }

    /// Identifies a message: its producer and its number there.
    ///
    /// Equality and hash cover `producer_id` and `producer_sequence_id` only, as in ActiveMQ.
    MessageId "MessageId" = 110 id {
        /// A foreign identifier, shown instead of the others where it is set.
        text_view "textView": string @ 10..,
        /// Who made the message.
        producer_id "producerId": cached(ProducerId),
        /// Its number among the producer's, from 1.
        producer_sequence_id "producerSequenceId": long,
        /// Its number on the broker that dispatched it; 0 from a client.
        broker_sequence_id "brokerSequenceId": long,
    }

    /// A transaction of one connection.
    #[derive(PartialEq, Eq, Hash)]
    LocalTransactionId "LocalTransactionId" = 111 id {
        /// Number within the connection.
        value "value": long,
        /// The connection.
        connection_id "connectionId": cached(ConnectionId),
    }

    /// A branch of a distributed transaction.
    #[derive(PartialEq, Eq, Hash)]
    XaTransactionId "XATransactionId" = 112 id {
        /// The format of the other two.
        format_id "formatId": int,
        /// Global transaction identifier.
        global_transaction_id "globalTransactionId": bytes,
        /// Branch qualifier.
        branch_qualifier "branchQualifier": bytes,
    }
}

impl PartialEq for MessageId {
    fn eq(&self, other: &Self) -> bool {
        self.producer_sequence_id == other.producer_sequence_id
            && self.producer_id == other.producer_id
    }
}

impl Eq for MessageId {}

impl Hash for MessageId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.producer_id.hash(state);
        self.producer_sequence_id.hash(state);
    }
}

/// A transaction of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TransactionId {
    /// Of one connection.
    Local(LocalTransactionId),
    /// A branch of a distributed one.
    Xa(XaTransactionId),
}

impl Structure for TransactionId {
    const EXPECTED: &'static str = "TransactionId";

    fn type_id(&self) -> u8 {
        match self {
            Self::Local(id) => id.type_id(),
            Self::Xa(id) => id.type_id(),
        }
    }

    fn wire_name(&self) -> &'static str {
        match self {
            Self::Local(id) => id.wire_name(),
            Self::Xa(id) => id.wire_name(),
        }
    }

    fn read<M: Mode>(type_id: u8, reader: &mut FrameReader<'_, M>) -> Result<Self, DecodeError> {
        match type_id {
            111 => LocalTransactionId::read(type_id, reader).map(Self::Local),
            112 => XaTransactionId::read(type_id, reader).map(Self::Xa),
            _ => Err(DecodeError::UnexpectedType { type_id, expected: Self::EXPECTED }),
        }
    }

    fn skip(type_id: u8, reader: &mut FrameReader<'_, Loose>) -> Result<(), DecodeError> {
        match type_id {
            111 => LocalTransactionId::skip(type_id, reader),
            112 => XaTransactionId::skip(type_id, reader),
            _ => Err(DecodeError::UnexpectedType { type_id, expected: Self::EXPECTED }),
        }
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        match self {
            Self::Local(id) => id.write(writer),
            Self::Xa(id) => id.write(writer),
        }
    }
}

/// The text of an optional part; empty when it is absent.
fn shown(part: Option<&Text>) -> std::borrow::Cow<'_, str> {
    part.map(Text::to_string_lossy).unwrap_or_default()
}

macro_rules! named {
    ($($id:ident),*) => { $(
        impl $id {
            /// An identifier of this text.
            pub fn new(value: impl Into<Text>) -> Self {
                Self { value: Some(value.into()) }
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&shown(self.value.as_ref()))
            }
        }
    )* };
}
named!(BrokerId, ConnectionId);

impl SessionId {
    /// Session `value` of a connection.
    pub fn new(connection_id: &ConnectionId, value: i64) -> Self {
        Self { connection_id: connection_id.value.clone(), value }
    }

    /// The connection that it belongs to.
    pub fn connection_id(&self) -> ConnectionId {
        ConnectionId { value: self.connection_id.clone() }
    }
}

impl ConsumerId {
    /// Consumer `value` of a session.
    pub fn new(session: &SessionId, value: i64) -> Self {
        Self { connection_id: session.connection_id.clone(), session_id: session.value, value }
    }

    /// The session that it belongs to.
    pub fn session_id(&self) -> SessionId {
        SessionId { connection_id: self.connection_id.clone(), value: self.session_id }
    }
}

impl ProducerId {
    /// Producer `value` of a session.
    pub fn new(session: &SessionId, value: i64) -> Self {
        Self { connection_id: session.connection_id.clone(), session_id: session.value, value }
    }

    /// The session that it belongs to.
    pub fn session_id(&self) -> SessionId {
        SessionId { connection_id: self.connection_id.clone(), value: self.session_id }
    }
}

impl LocalTransactionId {
    /// Transaction `value` of a connection.
    pub fn new(connection_id: &ConnectionId, value: i64) -> Self {
        Self { value, connection_id: Some(connection_id.clone()) }
    }
}

/// As ActiveMQ shows it.
impl fmt::Display for LocalTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = self.connection_id.as_ref().and_then(|id| id.value.as_ref());
        write!(f, "TX:{}:{}", shown(connection), self.value)
    }
}

/// As ActiveMQ shows it; [`XaTransactionId::parse`] reads it.
impl fmt::Display for XaTransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, part: &Option<Bytes>| {
            part.iter().flatten().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        write!(f, "XID:[{},globalId=", self.format_id)?;
        part(f, &self.global_transaction_id)?;
        f.write_str(",branchId=")?;
        part(f, &self.branch_qualifier)?;
        f.write_str("]")
    }
}

impl XaTransactionId {
    /// Reads what `Display` writes: `XID:[FORMAT,globalId=HEX,branchId=HEX]`.
    pub fn parse(text: &str) -> Option<Self> {
        let inside = text.strip_prefix("XID:[")?.strip_suffix(']')?;
        let (format_id, rest) = inside.split_once(",globalId=")?;
        let (global, branch) = rest.split_once(",branchId=")?;
        Some(Self {
            format_id: format_id.parse().ok()?,
            global_transaction_id: Some(from_hex(global)?),
            branch_qualifier: Some(from_hex(branch)?),
        })
    }
}

fn from_hex(text: &str) -> Option<Bytes> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(pairs.filter_map(|pair| Some(pair.first()? * 16 + pair.get(1)?)).collect())
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(id) => id.fmt(f),
            Self::Xa(id) => id.fmt(f),
        }
    }
}

impl MessageId {
    /// Message `producer_sequence_id` of a producer, not yet seen by a broker.
    pub fn new(producer_id: ProducerId, producer_sequence_id: i64) -> Self {
        Self { producer_id: Some(producer_id), producer_sequence_id, ..Self::default() }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", shown(self.connection_id.as_ref()), self.value)
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", shown(self.connection_id.as_ref()), self.session_id, self.value)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", shown(self.connection_id.as_ref()), self.session_id, self.value)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(view) = &self.text_view {
            let view = view.to_string_lossy();
            return if view.starts_with("ID:") {
                f.write_str(&view)
            } else {
                write!(f, "ID:{view}")
            };
        }
        match &self.producer_id {
            Some(producer) => write!(f, "{producer}:{}", self.producer_sequence_id),
            None => write!(f, ":{}", self.producer_sequence_id),
        }
    }
}
