//! What happens to a connection that fails over, for whoever wants to see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// An address is dialled.
    Trying {
        /// Where.
        address: String,
    },
    /// An address was no use.
    Failed {
        /// Where.
        address: String,
        /// Why.
        because: Arc<str>,
    },
    /// All addresses were tried in vain; they are tried again after a wait.
    Waiting {
        /// How many passes over the list have failed in a row.
        passes: u32,
        /// How long.
        wait: Duration,
    },
    /// A broker has accepted the client, and has been told again what lives in the connection.
    Connected {
        /// Where.
        address: String,
        /// Whether it had been connected before.
        again: bool,
    },
    /// The broker is lost, or left for another one.
    Lost {
        /// Where it was.
        address: String,
        /// Why.
        because: Arc<str>,
    },
    /// No broker is looked for any more.
    GaveUp {
        /// Why.
        because: Arc<str>,
    },
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trying { address } => write!(f, "trying {address}"),
            Self::Failed { because, .. } => f.write_str(because),
            Self::Waiting { passes, wait } => {
                write!(f, "no broker in {passes} passes; waiting {wait:?}")
            }
            Self::Connected { address, again: false } => write!(f, "connected to {address}"),
            Self::Connected { address, again: true } => write!(f, "reconnected to {address}"),
            Self::Lost { address, because } => write!(f, "lost {address}: {because}"),
            Self::GaveUp { because } => write!(f, "gave up: {because}"),
        }
    }
}

/// Told of each event as it happens, on the connection's own task: it must be quick and must not
/// wait. It may be called with no connection in anyone's hands yet.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Tell>>);

type Tell = dyn Fn(&ConnectionEvent) + Send + Sync;

impl Observer {
    /// Calls this.
    pub fn new(tell: impl Fn(&ConnectionEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, event: &ConnectionEvent) {
        if let Some(tell) = &self.0 {
            tell(event);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer" } else { "no Observer" })
    }
}
