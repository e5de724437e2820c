//! Seeing what a node does, from elsewhere.

use std::sync::{Arc, OnceLock};

use ferrymq_network::connector::{AcceptedBridges, LinkProspect, LinkStatus, LinkWatch};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, MessageId, XaTransactionId};
use ferrymq_transport::clock::Clock;
use ferrymq_transport::endpoint::Endpoint;
use tokio::time::Instant;

use super::cluster::{Member, Plan};
use super::status::{BrokerStatus, NodeStatus};
use crate::connection::{ConnectionSnapshot, Connections};
use crate::routing::{Broker, DestinationSnapshot, DurableSnapshot, NotKept, QueueInsight};
use crate::transaction::{BranchSnapshot, XaError};

/// Sees what a node does, from any task, also while the node stops.
#[derive(Clone)]
pub struct NodeWatch {
    seen: Arc<Seen>,
}

type Cluster = Box<dyn Fn() -> (Vec<Member>, Plan) + Send + Sync>;

struct Seen {
    broker: Arc<Broker>,
    connections: Connections,
    links: Vec<LinkWatch>,
    accepted: Arc<AcceptedBridges>,
    listening: Vec<Endpoint>,
    /// The other brokers, and what is to be done about clients; once a guide has started.
    cluster: OnceLock<Cluster>,
    /// When the node started, by both clocks.
    started: (i64, Instant),
}

/// Why an operator cannot end a prepared branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// It is not there, has been ended already, or cannot be ended now.
    #[error(transparent)]
    Xa(#[from] XaError),
    /// It is ended, but that is not kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

impl NodeWatch {
    pub(super) fn new(
        broker: Arc<Broker>,
        connections: Connections,
        links: Vec<LinkWatch>,
        accepted: Arc<AcceptedBridges>,
        listening: Vec<Endpoint>,
    ) -> Self {
        let started = (broker.clock().now_millis(), Instant::now());
        Self {
            seen: Arc::new(Seen {
                broker,
                connections,
                links,
                accepted,
                listening,
                cluster: OnceLock::new(),
                started,
            }),
        }
    }

    /// The broker as a whole.
    pub fn broker(&self) -> BrokerStatus {
        let Seen { broker, listening, started: (started, since), .. } = &*self.seen;
        BrokerStatus {
            identity: broker.identity().clone(),
            listening: listening.clone(),
            started: *started,
            uptime: since.elapsed(),
            connections: broker.open_clients(),
            destinations: broker.living_destinations(),
            memory_used: broker.memory().used() + broker.memory().waiting(),
            memory_limit: broker.memory().limit(),
            store: broker.store_space(),
            spool: broker.spool_space(),
            limits: broker.limits(),
            in_doubt: broker.messages_in_doubt(None),
            audit_bytes: broker.audit_bytes(),
            totals: broker.totals(),
        }
    }

    /// From now on the cluster is seen.
    pub(super) fn sees_cluster(
        &self,
        cluster: impl Fn() -> (Vec<Member>, Plan) + Send + Sync + 'static,
    ) {
        // There is one guide.
        let _ = self.seen.cluster.set(Box::new(cluster));
    }

    /// The other brokers that clients are told of, and which clients would be sent where; none if
    /// no connector guides its clients.
    pub fn cluster(&self) -> Option<(Vec<Member>, Plan)> {
        self.seen.cluster.get().map(|cluster| cluster())
    }

    /// The clock.
    pub(super) fn clock(&self) -> Clock {
        self.seen.broker.clock().clone()
    }

    /// What the wall clock of the broker shows, in milliseconds since 1970.
    pub fn now_millis(&self) -> i64 {
        self.seen.broker.clock().now_millis()
    }

    /// All connections, in the order in which they came.
    pub fn connections(&self) -> Vec<ConnectionSnapshot> {
        self.seen.connections.snapshots()
    }

    /// All destinations, by address.
    pub fn destinations(&self) -> Vec<DestinationSnapshot> {
        self.seen.broker.destinations()
    }

    /// How many messages may be at another broker and are held for it: at most.
    pub fn in_doubt(&self, broker: &BrokerId) -> usize {
        self.seen.broker.messages_in_doubt(Some(broker))
    }

    /// All durable subscriptions, by client and name.
    pub fn durable_subscriptions(&self) -> Vec<DurableSnapshot> {
        self.seen.broker.durable_subscriptions()
    }

    /// Branches of distributed transactions that wait for their coordinators, those included that an
    /// operator has ended, in the order in which they began.
    pub fn prepared_branches(&self) -> Vec<BranchSnapshot> {
        self.seen.broker.prepared_branches()
    }

    /// Ends a prepared branch in its coordinator's place; completes when that is kept.
    pub async fn decide_branch(
        &self,
        id: &XaTransactionId,
        commit: bool,
    ) -> Result<(), DecisionError> {
        self.seen.broker.decide_branch(id, commit)?;
        Ok(self.seen.broker.settled().await?)
    }

    /// Forgets a branch that an operator has ended; completes when that is kept.
    pub async fn forget_branch(&self, id: &XaTransactionId) -> Result<(), DecisionError> {
        self.seen.broker.forget_branch(id)?;
        Ok(self.seen.broker.settled().await?)
    }

    /// Forgets the damaged messages of a queue that are set aside, and says how many that were;
    /// completes when that is kept. `None` if there is no such queue.
    pub async fn release_set_aside(&self, queue: &Destination) -> Option<Result<usize, NotKept>> {
        let released = self.seen.broker.release_set_aside(queue)?;
        Some(self.seen.broker.settled().await.map(|()| released))
    }

    /// All links of network connectors, in the order of the configuration, and then those of
    /// bridges back that other brokers asked for, in the order in which they came.
    pub fn links(&self) -> Vec<LinkStatus> {
        let mut links: Vec<_> = self.seen.links.iter().flat_map(LinkWatch::status).collect();
        links.extend(self.seen.accepted.status());
        links
    }

    /// What a queue holds and who could take it; `None` if there is no such queue.
    pub fn queue_insight(
        &self,
        queue: &Destination,
        message: Option<&MessageId>,
    ) -> Option<QueueInsight> {
        self.seen.broker.queue_insight(queue, message)
    }

    /// What each link of a network connector has to say about a destination.
    pub fn link_prospects(&self, destination: &Destination) -> Vec<LinkProspect> {
        let links = self.seen.links.iter().flat_map(|links| links.prospects(destination));
        links.chain(self.seen.accepted.prospects(destination)).collect()
    }

    pub(super) fn status(&self) -> NodeStatus {
        let Seen { broker, .. } = &*self.seen;
        NodeStatus {
            name: broker.identity().name.clone(),
            connections: broker.open_clients(),
            memory: broker.memory().used() + broker.memory().waiting(),
            destinations: self.destinations(),
            links: self.links(),
        }
    }
}
