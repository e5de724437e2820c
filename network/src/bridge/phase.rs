//! Where a bridge stands between its first command and its end.

use ferrymq_transport::link::LinkError;
use tokio::time::Instant;

use crate::local_broker::BrokerIdentity;

/// The state of a bridge, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The remote broker has not said who it is.
    WaitingForBrokerInfo {
        /// When waiting ends.
        until: Instant,
    },
    /// The local broker has not answered our connection.
    OpeningLocal {
        /// The broker to bridge to.
        remote: BrokerIdentity,
        /// When waiting ends.
        until: Instant,
    },
    /// The remote broker is asked which messages it has that were handed to an earlier bridge.
    Settling {
        /// The broker to bridge to.
        remote: BrokerIdentity,
        /// When it is not asked any more, unless it answers.
        until: Instant,
    },
    /// The remote broker has been told everything and has not confirmed. Demand is followed.
    OpeningRemote {
        /// The broker to bridge to.
        remote: BrokerIdentity,
        /// When waiting ends.
        until: Instant,
    },
    /// Messages cross.
    Live {
        /// The broker bridged to.
        remote: BrokerIdentity,
        /// Since when.
        since: Instant,
    },
    /// Asked to stop: nothing new is begun, what was forwarded is still confirmed.
    Draining {
        /// When waiting for confirmations ends.
        until: Instant,
    },
    /// Nothing happens any more.
    Over {
        /// Why.
        end: BridgeEnd,
    },
}

/// Why a bridge ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BridgeEnd {
    /// It was asked to.
    #[error("stopped")]
    Stopped,
    /// Both ends are the same broker.
    #[error("the address leads back to this broker; point the connector at another one")]
    Loopback,
    /// Another broker bears the identifier of this one.
    #[error(
        "the broker there, {name} at {url}, has the identifier of this one: one of them runs on a \
         copy of the other's data directory; give it a directory of its own"
    )]
    SameIdentifier {
        /// What it is called.
        name: String,
        /// Where it says that it is.
        url: String,
    },
    /// Another link of this connector leads to the same broker.
    #[error("{0}")]
    Twin(String),
    /// The remote broker has dialled, and its link does the work of this one.
    #[error("{0}")]
    Standby(String),
    /// The remote broker did not introduce itself.
    #[error("the remote accepted the connection but did not introduce itself within {seconds} s")]
    RemoteSilent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The remote broker's introduction lacks what makes a broker.
    #[error("the remote introduced itself without a broker id")]
    RemoteUnnamed,
    /// The remote broker did not confirm the bridge.
    #[error("the remote broker did not confirm the bridge within {seconds} s")]
    RemoteUnconfirmed {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The remote broker gave no proof of life.
    #[error("the remote broker did not answer for {seconds} s (link_timeout)")]
    RemoteDeaf {
        /// For how long.
        seconds: u64,
    },
    /// The remote broker refused the bridge, for example its credentials.
    #[error("the remote broker refused the bridge: {0}")]
    RemoteRefused(String),
    /// The remote broker cannot serve anybody at the moment.
    #[error("the remote broker is failing: {0}")]
    RemoteFailing(String),
    /// The remote broker said goodbye.
    #[error("the remote broker is shutting down")]
    RemoteShutDown,
    /// The link to the remote broker broke.
    #[error("lost the link to the remote broker: {0}")]
    RemoteLost(String),
    /// Our own broker did not answer.
    #[error("the local broker did not answer the bridge within {seconds} s")]
    LocalSilent {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Our own broker refused the bridge.
    #[error("the local broker refused the bridge: {0}")]
    LocalRefused(String),
    /// Our own broker ended the connection.
    #[error("lost the link to the local broker: {0}")]
    LocalLost(String),
}

impl BridgeEnd {
    /// The remote link broke.
    pub fn remote_lost(error: &LinkError) -> Self {
        Self::RemoteLost(error.to_string())
    }

    /// The same end, with what broke the link under it where that is known.
    pub fn with_cause(self, cause: Option<LinkError>) -> Self {
        match (self, cause) {
            (Self::RemoteLost(_), Some(error)) => Self::remote_lost(&error),
            (end, _) => end,
        }
    }

    /// The local link broke.
    pub fn local_lost(error: &LinkError) -> Self {
        Self::LocalLost(error.to_string())
    }
}

impl Phase {
    /// The broker bridged to, once it is known and as long as the bridge serves.
    pub fn remote(&self) -> Option<&BrokerIdentity> {
        match self {
            Self::OpeningLocal { remote, .. }
            | Self::Settling { remote, .. }
            | Self::OpeningRemote { remote, .. }
            | Self::Live { remote, .. } => Some(remote),
            Self::WaitingForBrokerInfo { .. } | Self::Draining { .. } | Self::Over { .. } => None,
        }
    }

    /// When the phase ends by itself.
    pub fn until(&self) -> Option<Instant> {
        match self {
            Self::WaitingForBrokerInfo { until }
            | Self::OpeningLocal { until, .. }
            | Self::Settling { until, .. }
            | Self::OpeningRemote { until, .. }
            | Self::Draining { until } => Some(*until),
            Self::Live { .. } | Self::Over { .. } => None,
        }
    }
}
