//! What can go wrong, per operation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::throwable::Throwable;
use thiserror::Error;

use crate::failover::ListError;

/// A broker's refusal: the Java class that names its kind, and its text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct BrokerException {
    /// For example `javax.jms.InvalidDestinationException`. Opaque text from the peer.
    pub class: String,
    /// What happened, in the broker's words.
    pub message: String,
}

impl BrokerException {
    /// From the wire; absent parts become empty.
    pub(crate) fn from_wire(exception: Option<&Throwable>) -> Self {
        let text = |part: Option<&ferrymq_openwire::text::Text>| {
            part.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self {
            class: text(exception.and_then(|e| e.class_name.as_ref())),
            message: text(exception.and_then(|e| e.message.as_ref())),
        }
    }

    /// The class without its package: `InvalidDestinationException`.
    pub fn short_class(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or(&self.class)
    }
}

impl fmt::Display for BrokerException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.class.is_empty(), self.message.is_empty()) {
            (false, false) => write!(f, "{} ({})", self.message, self.class),
            (true, false) => f.write_str(&self.message),
            (false, true) => f.write_str(&self.class),
            (true, true) => f.write_str("the broker gave no reason"),
        }
    }
}

/// The connection has ended, and why. Everyone who waits on it gets the same.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("connection lost: {reason}")]
pub struct ConnectionLost {
    /// What ended it.
    pub reason: Arc<str>,
}

impl ConnectionLost {
    pub(crate) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self { reason: reason.into() }
    }
}

/// No connection came about.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The URL cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The broker could not be reached, or does not speak OpenWire.
    #[error(transparent)]
    Unreachable(#[from] ferrymq_transport::handshake::ConnectError),
    /// The broker refused the client.
    #[error("{url} refused the connection: {exception}")]
    Refused {
        /// The address that was dialled.
        url: String,
        /// Its reason.
        exception: BrokerException,
    },
    /// No broker of a failover list could be reached.
    #[error("{url}: no broker in {passes} passes over the list; at last: {because}")]
    GaveUp {
        /// The list.
        url: String,
        /// How often each address was tried.
        passes: u32,
        /// Why the last address was no use.
        because: Arc<str>,
    },
    /// The connection broke before the broker accepted the client.
    #[error("{url}: {lost}")]
    Lost {
        /// The address that was dialled.
        url: String,
        /// Why.
        lost: ConnectionLost,
    },
    /// The broker did not answer in time.
    #[error("{url} did not accept the connection within {waited:?}")]
    TimedOut {
        /// The address that was dialled.
        url: String,
        /// How long it was given.
        waited: Duration,
    },
}

/// Why `fanout:` is refused.
pub const FANOUT: &str = "a connection has one broker at a time; use failover:(…) or discovery:(…), \
                          and let the brokers forward";

/// A broker URL that this client cannot use.
#[derive(Debug, Error)]
pub enum AddressError {
    /// It is not a URI.
    #[error("no broker URL: {source}")]
    Malformed {
        /// As given.
        url: String,
        /// Where and why.
        source: ferrymq_transport::uri::UriError,
    },
    /// It is a failover list that cannot be used.
    #[error("{url}: {source}")]
    List {
        /// As given.
        url: String,
        /// Why not.
        source: ListError,
    },
    /// It is a composite of another kind.
    #[error("{url}: `{scheme}:` is not an address of a broker; use tcp://host:port")]
    NotAnAddress {
        /// As given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// It is an agent that finds brokers, and does not say what to do with them.
    #[error(
        "{url}: `{scheme}:` finds brokers; to be connected to one of them, write discovery:({url})"
    )]
    Agent {
        /// As given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// It would connect to several brokers at once.
    #[error("{url}: `fanout:` is not supported: {FANOUT}")]
    Fanout {
        /// As given.
        url: String,
    },
}

/// A producer, consumer or temporary destination did not come about, or did not go away.
#[derive(Debug, Clone, Error)]
pub enum OpenError {
    /// The broker refused.
    #[error("the broker refused {what}: {exception}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Its reason.
        exception: BrokerException,
    },
    /// The connection is gone.
    #[error("{what}: {lost}")]
    Lost {
        /// What was asked for.
        what: String,
        /// Why it is gone.
        lost: ConnectionLost,
    },
    /// The broker did not answer in time.
    #[error("{what}: no answer from the broker within {waited:?}")]
    TimedOut {
        /// What was asked for.
        what: String,
        /// How long it was given.
        waited: Duration,
    },
    /// The options contradict each other or ask for what does not exist.
    #[error("{what}: {reason}")]
    Invalid {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A message was not sent, or nobody knows whether it was.
#[derive(Debug, Clone, Error)]
pub enum SendError {
    /// The broker refused it.
    #[error("the broker refused a message to {destination}: {exception}")]
    Refused {
        /// Where it was to go.
        destination: Destination,
        /// Its reason.
        exception: BrokerException,
    },
    /// The connection ended before the broker confirmed the message.
    #[error("a message to {destination} is not confirmed: {lost}")]
    Lost {
        /// Where it was to go.
        destination: Destination,
        /// Why it ended.
        lost: ConnectionLost,
    },
    /// The broker did not confirm it in time. It may arrive all the same.
    #[error("a message to {destination} was not confirmed within {waited:?}")]
    TimedOut {
        /// Where it was to go.
        destination: Destination,
        /// How long it was given.
        waited: Duration,
    },
    /// There was no broker to send it to for as long as the `timeout` of the failover list has it.
    #[error("a message to {destination} was not sent: no broker within {waited:?} (timeout)")]
    NoBroker {
        /// Where it was to go.
        destination: Destination,
        /// How long it waited.
        waited: Duration,
    },
    /// The message is larger than the largest frame that the broker takes.
    #[error(
        "a message to {destination} takes a frame of {size} bytes; the largest that was agreed on \
         with the broker is {largest} (wireFormat.maxFrameSize)"
    )]
    TooLarge {
        /// Where it was to go.
        destination: Destination,
        /// Its size, in bytes.
        size: u64,
        /// The limit of client and broker, whichever is lower.
        largest: u64,
    },
    /// The producer has no destination of its own and none was given.
    #[error("the producer has no destination; use send_to")]
    NoDestination,
    /// The producer belongs to another destination.
    #[error("the producer sends to {own} only, not to {asked}")]
    ForeignDestination {
        /// Where it sends to.
        own: Destination,
        /// Where the message was to go.
        asked: Destination,
    },
    /// The message cannot be encoded.
    #[error("cannot encode a message to {destination}: {reason}")]
    Unencodable {
        /// Where it was to go.
        destination: Destination,
        /// What is wrong with it.
        reason: String,
    },
    /// The producer was closed.
    #[error("the producer is closed")]
    Closed,
}

/// No message can come any more.
#[derive(Debug, Clone, Error)]
pub enum ReceiveError {
    /// The connection is gone.
    #[error("consumer of {destination}: {lost}")]
    Lost {
        /// What it consumed from.
        destination: Destination,
        /// Why it is gone.
        lost: ConnectionLost,
    },
    /// The broker ended the consumer.
    #[error("the broker closed the consumer of {destination}")]
    ClosedByBroker {
        /// What it consumed from.
        destination: Destination,
    },
}

/// An acknowledgement could not be handed to the broker; it will deliver the messages again.
#[derive(Debug, Clone, Error)]
#[error("cannot acknowledge: {lost}")]
pub struct AckError {
    /// Why not.
    pub lost: ConnectionLost,
}

/// A transaction was not committed, or nobody knows whether it was.
#[derive(Debug, Clone, Error)]
pub enum CommitError {
    /// The broker rolled it back: nothing of it has happened. What was received in it is received
    /// again.
    #[error("the transaction was rolled back: {0}")]
    RolledBack(BrokerException),
    /// The link was lost before the broker answered. A connection that fails over asks again when it
    /// finds the same FerryMQ broker, which tells what became of it, also after it was killed; so this
    /// is what is left when another broker was found, or none, or one that does not know any more.
    #[error("it is not known whether the transaction was committed: {0}")]
    Lost(ConnectionLost),
    /// The broker did not answer in time. It may be committed all the same.
    #[error("the broker did not say within {0:?} whether the transaction was committed")]
    TimedOut(Duration),
}

/// The connection did not end in order. It is gone all the same.
#[derive(Debug, Clone, Error)]
pub enum CloseError {
    /// The broker answered the farewell with an exception.
    #[error("the broker objected to the end of the connection: {0}")]
    Refused(BrokerException),
    /// The connection broke before the broker answered the farewell.
    #[error(transparent)]
    Lost(#[from] ConnectionLost),
    /// The broker did not answer the farewell in time.
    #[error("no answer to the farewell within {0:?}")]
    TimedOut(Duration),
}

/// A request got no reply.
#[derive(Debug, Clone, Error)]
pub enum ReplyError {
    /// It could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No reply came in time.
    #[error("no reply from {destination} within {waited:?}")]
    TimedOut {
        /// Where the request went.
        destination: Destination,
        /// How long it was given.
        waited: Duration,
    },
    /// The connection ended before the reply came.
    #[error("waiting for a reply from {destination}: {lost}")]
    Lost {
        /// Where the request went.
        destination: Destination,
        /// Why it ended.
        lost: ConnectionLost,
    },
}

/// Why a request was not answered with success.
#[derive(Debug, Clone)]
pub(crate) enum RequestFailure {
    /// The broker answered with an exception.
    Refused(BrokerException),
    /// The connection ended before an answer came.
    Lost(ConnectionLost),
}

/// How the answer to a request failed; callers add what they asked for.
#[derive(Debug, Clone)]
pub(crate) enum AskError {
    Failed(RequestFailure),
    TimedOut(Duration),
}

impl AskError {
    pub(crate) fn opening(self, what: impl Into<String>) -> OpenError {
        let what = what.into();
        match self {
            Self::Failed(RequestFailure::Refused(exception)) => {
                OpenError::Refused { what, exception }
            }
            Self::Failed(RequestFailure::Lost(lost)) => OpenError::Lost { what, lost },
            Self::TimedOut(waited) => OpenError::TimedOut { what, waited },
        }
    }

    pub(crate) fn sending(self, destination: &Destination) -> SendError {
        let destination = destination.clone();
        match self {
            Self::Failed(RequestFailure::Refused(exception)) => {
                SendError::Refused { destination, exception }
            }
            Self::Failed(RequestFailure::Lost(lost)) => SendError::Lost { destination, lost },
            Self::TimedOut(waited) => SendError::TimedOut { destination, waited },
        }
    }

    pub(crate) fn committing(self) -> CommitError {
        match self {
            // A FerryMQ broker that was asked again and has forgotten.
            Self::Failed(RequestFailure::Refused(exception))
                if exception.short_class() == "IllegalStateException" =>
            {
                CommitError::Lost(ConnectionLost::new(exception.message))
            }
            Self::Failed(RequestFailure::Refused(exception)) => CommitError::RolledBack(exception),
            Self::Failed(RequestFailure::Lost(lost)) => CommitError::Lost(lost),
            Self::TimedOut(waited) => CommitError::TimedOut(waited),
        }
    }

    pub(crate) fn closing(self) -> CloseError {
        match self {
            Self::Failed(RequestFailure::Refused(exception)) => CloseError::Refused(exception),
            Self::Failed(RequestFailure::Lost(lost)) => CloseError::Lost(lost),
            Self::TimedOut(waited) => CloseError::TimedOut(waited),
        }
    }

    pub(crate) fn connecting(self, url: String) -> ConnectError {
        match self {
            Self::Failed(RequestFailure::Refused(exception)) => {
                ConnectError::Refused { url, exception }
            }
            Self::Failed(RequestFailure::Lost(lost)) => ConnectError::Lost { url, lost },
            Self::TimedOut(waited) => ConnectError::TimedOut { url, waited },
        }
    }
}
