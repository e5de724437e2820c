//! What can be seen of a connector from outside.

use std::collections::BTreeMap;
use std::fmt;

use tokio::time::Instant;

use crate::local_broker::BrokerIdentity;

/// One link of a connector: a remote address, and the bridge over it.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    /// The connector's name.
    pub connector: String,
    /// The address of the remote broker, without options.
    pub remote_uri: String,
    /// The remote broker as it last introduced itself; it stays while the link is down.
    pub remote_broker: Option<BrokerIdentity>,
    /// The software there, where it says: `ActiveMQ 5.17.2`; it stays while the link is down.
    pub remote_product: Option<String>,
    /// Who made the link.
    pub made_by: MadeBy,
    /// Where the link stands.
    pub state: LinkState,
    /// Since when it stands there.
    pub since: Instant,
    /// When the remote broker last answered over the present link: proof that its core lives, not
    /// only its transport.
    pub proven: Option<Instant>,
    /// Messages that the remote broker has, over all bridges of this link.
    pub forwarded: u64,
    /// Messages that the remote broker has not confirmed yet.
    pub in_flight: usize,
    /// Destinations with demand.
    pub demands: usize,
    /// Messages refused by the remote broker, each try counted.
    pub refused: u64,
    /// The same by reason, each one of a few words.
    pub refused_by: BTreeMap<&'static str, u64>,
    /// Remote consumers that were announced and not followed, by the verdict on them.
    pub ignored_by: BTreeMap<&'static str, u64>,
    /// Bytes sent, over all bridges of this link.
    pub bytes_sent: u64,
    /// Bytes received, over all bridges of this link.
    pub bytes_received: u64,
    /// When the remote broker was heard last over the present link, be it a sign of life alone.
    pub heard: Option<Instant>,
    /// Messages given to the local dead letters after such refusals.
    pub given_up: u64,
    /// Copies that overlapping demands brought and that did not cross.
    pub duplicates: u64,
    /// Messages dispatched to a bridge that they may not cross; they returned to their queues with
    /// its end.
    pub held: u64,
    /// What went wrong last; it stays after the link is up again.
    pub last_error: Option<String>,
}

/// Who made a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// A connector of this broker dialled.
    Connector,
    /// The remote broker's duplex connector dialled; the name of the connector is the one there.
    Peer,
}

/// Where a link stands. None of these is final unless the connector is stopped or was told to give
/// up.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkState {
    /// The remote address is being dialled.
    Connecting,
    /// Connected; the brokers are introducing themselves.
    Handshaking,
    /// Messages cross.
    Live {
        /// Since when.
        since: Instant,
    },
    /// The link is down, or could not be made.
    WaitingToRetry {
        /// Why.
        reason: String,
        /// When the next attempt is due.
        until: Instant,
    },
    /// The far end dialled too, and its link does the work; this one is dialled again when that is
    /// lost.
    Standby {
        /// Which link does the work.
        reason: String,
    },
    /// As many attempts failed as `maxReconnectAttempts` allows.
    GivenUp {
        /// Why the last one failed.
        reason: String,
    },
    /// The connector was stopped.
    Stopped,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Handshaking => f.write_str("handshaking"),
            Self::Live { .. } => f.write_str("live"),
            Self::WaitingToRetry { reason, .. } => write!(f, "down: {reason}"),
            Self::Standby { reason } => f.write_str(reason),
            Self::GivenUp { reason } => write!(f, "given up: {reason}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}
