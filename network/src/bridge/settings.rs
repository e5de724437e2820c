//! What a bridge is told before it starts, and the identifiers that follow from it.

use std::sync::Arc;

use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::{ConnectionId, ConsumerId, ProducerId, SessionId};

use crate::config::NetworkConnectorConfig;
use crate::demand::durable::bridge_client_id;
use crate::demand::policy::DemandPolicy;
use crate::local_broker::BrokerIdentity;
use crate::rules::permit::Permits;

/// What a bridge is told before it starts.
#[derive(Debug, Clone)]
pub struct BridgeSettings {
    /// The broker that owns it.
    pub local: BrokerIdentity,
    /// The configuration of its connector.
    pub config: Arc<NetworkConnectorConfig>,
    /// What may cross; follows from the configuration and is shared with the local broker.
    pub permits: Arc<Permits>,
    /// Tells its identifiers from those of every other bridge of the connector.
    pub incarnation: Incarnation,
    /// Which end of which kind of link it stands at.
    pub role: Role,
    /// Whether the far broker goes on reading the link while destinations of it are full, as
    /// FerryMQ does. One that does not (ActiveMQ) is not taken for dead while it holds messages.
    pub remote_reads_on: bool,
    /// The frames that the far broker takes; `None`: of any size. A message that exceeds them is
    /// refused on its behalf.
    pub remote_takes: Option<FrameLimit>,
}

/// Which end of which kind of link a bridge stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It dialled, and has the link for itself.
    OneWay,
    /// It dialled, and asks the far broker for a bridge back over the same link.
    Initiator,
    /// It is that bridge back: the far broker knows who is here, and dialled.
    Acceptor,
}

/// Follows the connector's name in the identifiers of a bridge back.
const BACK: &str = "-duplex";

/// Tells the identifiers of bridges of one connector apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// When the connector started, milliseconds of the epoch: tells runs of a broker apart.
    pub connector_started: i64,
    /// Number of the bridge within that run of the connector.
    pub number: u64,
}

/// The identifiers of one end of a bridge.
#[derive(Debug, Clone)]
pub(super) struct EndIds {
    pub(super) connection: ConnectionId,
    pub(super) session: SessionId,
    pub(super) client_id: String,
}

impl EndIds {
    fn new(connection: String, client_id: String) -> Self {
        let connection = ConnectionId::new(connection);
        let session = SessionId::new(&connection, 1);
        Self { connection, session, client_id }
    }

    /// The one producer of the remote end.
    pub(super) fn producer(&self) -> ProducerId {
        ProducerId::new(&self.session, 1)
    }

    /// The consumer of advisories at the remote end.
    pub(super) fn advisory_consumer(&self) -> ConsumerId {
        ConsumerId::new(&self.session, 1)
    }
}

impl BridgeSettings {
    /// The identifiers at the local broker.
    pub(super) fn local_ids(&self, remote: &BrokerIdentity) -> EndIds {
        let client_id = bridge_client_id(&self.connector(), &remote.name, &self.local.name);
        EndIds::new(format!("{}:1", self.seed(remote)), client_id)
    }

    /// The identifiers at the remote broker.
    pub(super) fn remote_ids(&self, remote: &BrokerIdentity) -> EndIds {
        let client_id = format!("{}_{}_outbound", self.connector(), self.local.name);
        EndIds::new(format!("{}:2", self.seed(remote)), client_id)
    }

    /// The form of the demand subscriptions.
    pub(super) fn demand_policy(&self, remote: &BrokerIdentity) -> DemandPolicy {
        let config = &self.config;
        let EndIds { session, client_id, .. } = self.local_ids(remote);
        DemandPolicy {
            conduit: config.conduit_subscriptions,
            conduit_network_queues: config.conduit_network_queue_subscriptions,
            prefetch_size: config.prefetch(),
            decrease_priority: config.decrease_network_consumer_priority,
            priority_base: config.consumer_priority_base,
            message_ttl: config.message_ttl,
            consumer_ttl: config.consumer_ttl,
            remote: remote.id.clone(),
            session,
            broker: self.local.name.clone(),
            client_id,
            force_durable: config.force_durable.clone(),
        }
    }

    /// The connector's name in identifiers: that of a bridge back must not clash with a connector
    /// of the own broker, which may bear the same.
    fn connector(&self) -> String {
        let name = &self.config.name;
        match self.role {
            Role::OneWay | Role::Initiator => name.clone(),
            Role::Acceptor => format!("{name}{BACK}"),
        }
    }

    /// Whether durable demand that the bridge of `connector` left is this one's: of the same
    /// connector, or of one that the broker has no more.
    pub(super) fn succeeds(&self, connector: &str) -> bool {
        let gone = |name: &str| {
            !name.ends_with(BACK) && !self.config.other_connectors.iter().any(|one| one == name)
        };
        // Which connectors a peer has is not known here.
        connector == self.connector() || (self.role != Role::Acceptor && gone(connector))
    }

    /// The common part of both connection ids, readable in any broker's console. The connector's
    /// name is part of it because two connectors may start in one millisecond.
    fn seed(&self, remote: &BrokerIdentity) -> String {
        let Incarnation { connector_started, number } = self.incarnation;
        format!(
            "{}->{}-{}-{connector_started}-{number}",
            self.local.name,
            remote.name,
            self.connector()
        )
    }
}
