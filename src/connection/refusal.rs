//! What a peer is told when its command fails: exceptions with the class names that JMS clients
//! know.

use ferrymq_openwire::throwable::Throwable;

use crate::destination::AckError;
use crate::routing::{
    BranchError, DurableError, OpenError, PublishError, SubscribeError, TemporaryError, WorkError,
};
use crate::transaction::XaError;

/// A command that failed: the exception that its sender gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    class: &'static str,
    message: String,
    /// Whether the connection ends after the answer.
    pub(super) fatal: bool,
}

/// An answer is no longer than this, in bytes.
const LONGEST_MESSAGE: usize = 1024;

const JMS_EXCEPTION: &str = "javax.jms.JMSException";
const INVALID_DESTINATION: &str = "javax.jms.InvalidDestinationException";
const INVALID_SELECTOR: &str = "javax.jms.InvalidSelectorException";
const INVALID_CLIENT_ID: &str = "javax.jms.InvalidClientIDException";
const RESOURCE_ALLOCATION: &str = "javax.jms.ResourceAllocationException";
const ROLLED_BACK: &str = "javax.jms.TransactionRolledBackException";
const XA_EXCEPTION: &str = "javax.transaction.xa.XAException";
const ILLEGAL_STATE: &str = "java.lang.IllegalStateException";
/// ActiveMQ's own, which a bridge recognises by its text when a temporary destination is gone.
const DOES_NOT_EXIST: &str = "org.apache.activemq.DestinationDoesNotExistException";

impl Refusal {
    fn new(class: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST_MESSAGE {
            // It quotes what the peer sent, which may be long.
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
            message.push('…');
        }
        Self { class, message, fatal: false }
    }

    /// The peer's sessions, producers and consumers are not as it believes.
    pub(super) fn state(message: impl Into<String>) -> Self {
        Self::new(ILLEGAL_STATE, message)
    }

    /// Something that this broker does not do yet.
    pub(super) fn not_supported(what: &str) -> Self {
        Self::new(JMS_EXCEPTION, format!("{what} not supported yet"))
    }

    /// A limit is reached.
    pub(super) fn limit(message: impl Into<String>) -> Self {
        Self::new(RESOURCE_ALLOCATION, message)
    }

    /// A transaction that was to be committed is not.
    pub(super) fn rolled_back(message: impl Into<String>) -> Self {
        Self::new(ROLLED_BACK, message)
    }

    /// The peer does not speak the protocol; the connection ends.
    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self { fatal: true, ..Self::new("java.io.IOException", message) }
    }

    /// The exception that the peer gets.
    pub(super) fn to_throwable(&self) -> Throwable {
        Throwable::new(self.class, self.message.as_str())
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Self { fatal: true, ..Self::new(INVALID_CLIENT_ID, error.to_string()) }
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let class = match &error {
            PublishError::InvalidName { .. } => INVALID_DESTINATION,
            PublishError::DoesNotExist { .. } => DOES_NOT_EXIST,
            PublishError::TooManyDestinations { .. }
            | PublishError::TooManyTargets { .. }
            | PublishError::NamesTooLong { .. }
            | PublishError::NoSpace(_)
            | PublishError::Overdue { .. } => RESOURCE_ALLOCATION,
        };
        Self::new(class, error.to_string())
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        let class = match error {
            SubscribeError::Destination(error) => return error.into(),
            SubscribeError::Durable(error) => return error.into(),
            SubscribeError::Selector(_) => INVALID_SELECTOR,
            SubscribeError::NotSupported(_) => JMS_EXCEPTION,
            SubscribeError::NoDestination
            | SubscribeError::InvalidName { .. }
            | SubscribeError::ForeignTemporary(_) => INVALID_DESTINATION,
        };
        Self::new(class, error.to_string())
    }
}

impl From<DurableError> for Refusal {
    fn from(error: DurableError) -> Self {
        let class = match error {
            DurableError::InUse(_) => JMS_EXCEPTION,
            DurableError::Unknown(_) | DurableError::Unnamed | DurableError::NotKept { .. } => {
                INVALID_DESTINATION
            }
            DurableError::TooMany { .. } => RESOURCE_ALLOCATION,
        };
        Self::new(class, error.to_string())
    }
}

impl From<TemporaryError> for Refusal {
    fn from(error: TemporaryError) -> Self {
        let class = match error {
            TemporaryError::Destination(error) => return error.into(),
            TemporaryError::Foreign(_) => INVALID_DESTINATION,
            TemporaryError::TooMany { .. } => RESOURCE_ALLOCATION,
            TemporaryError::InUse(_) => JMS_EXCEPTION,
        };
        Self::new(class, error.to_string())
    }
}

impl From<WorkError> for Refusal {
    fn from(error: WorkError) -> Self {
        let class = match error {
            WorkError::Ack(error) => return error.into(),
            WorkError::TooLarge(_) | WorkError::TooMany | WorkError::TooManyOpen => {
                RESOURCE_ALLOCATION
            }
        };
        Self::new(class, error.to_string())
    }
}

impl From<XaError> for Refusal {
    fn from(error: XaError) -> Self {
        Self::new(XA_EXCEPTION, error.to_string())
    }
}

impl From<BranchError> for Refusal {
    fn from(error: BranchError) -> Self {
        match error {
            BranchError::Xa(error) => error.into(),
            BranchError::Work(error) => error.into(),
        }
    }
}

impl From<AckError> for Refusal {
    fn from(error: AckError) -> Self {
        Self::new(JMS_EXCEPTION, error.to_string())
    }
}
