//! Identifiers of connections and of what lives in them, of brokers, messages and transactions.
//!
//! Their string parts may be absent on the wire, so they are optional here; two identifiers are
//! equal when Java's are.

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::text::Text;

/// Identifies a broker: unique for as long as it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrokerId {
    /// Any unique text.
    pub value: Option<Text>,
}

/// Identifies a connection: chosen by the client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Any unique text.
    pub value: Option<Text>,
}

/// Identifies a session of a connection. `-1` is the connection's own, which nobody announces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    /// The connection's text.
    pub connection_id: Option<Text>,
    /// Number within the connection.
    pub value: i64,
}

/// Identifies a consumer of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId {
    /// The connection's text.
    pub connection_id: Option<Text>,
    /// Number of the session within the connection.
    pub session_id: i64,
    /// Number within the session.
    pub value: i64,
}

/// Identifies a producer of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerId {
    /// The connection's text.
    pub connection_id: Option<Text>,
    /// Number within the session.
    pub value: i64,
    /// Number of the session within the connection.
    pub session_id: i64,
}

/// Identifies a message: its producer and its number there.
///
/// Equality and hash cover `producer_id` and `producer_sequence_id` only, as in ActiveMQ.
#[derive(Debug, Clone, Default)]
pub struct MessageId {
    /// A foreign identifier, shown instead of the others where it is set.
    pub text_view: Option<Text>,
    /// Who made the message.
    pub producer_id: Option<ProducerId>,
    /// Its number among the producer's, from 1.
    pub producer_sequence_id: i64,
    /// Its number on the broker that dispatched it; 0 from a client.
    pub broker_sequence_id: i64,
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

/// A transaction of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LocalTransactionId {
    /// Number within the connection.
    pub value: i64,
    /// The connection.
    pub connection_id: Option<ConnectionId>,
}

/// A branch of a distributed transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct XaTransactionId {
    /// The format of the other two.
    pub format_id: i32,
    /// Global transaction identifier.
    pub global_transaction_id: Option<Bytes>,
    /// Branch qualifier.
    pub branch_qualifier: Option<Bytes>,
}

/// A transaction of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TransactionId {
    /// Of one connection.
    Local(LocalTransactionId),
    /// A branch of a distributed one.
    Xa(XaTransactionId),
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
