//! Starting and stopping a node: the one place where its parts are wired together.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_discovery::announce::{Announce, Announcer};
use ferrymq_network::LocalBroker;
use ferrymq_network::connector::{
    AcceptedBridges, LinkRegister, NetworkConnector, NetworkConnectorHandle,
};
use ferrymq_store::contract::{Failure, Store};
use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::{Binder, Dialer};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::link::Link;
use ferrymq_transport::pace::Pace;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bridges_back::NodeBridges;
use super::guide::{Guide, GuideHandle};
use super::local_broker::NodeBroker;
use super::readers::page_queues;
use super::status::NodeStatus;
use super::watch::NodeWatch;
use crate::config::BrokerConfig;
use crate::connection::{Connections, Guidance, ListenError, Listening};
use crate::routing::{Broker, BrokerSettings, Recovered, RecoveryError, identify};

/// How often waiting messages are looked through for expired ones (ActiveMQ's
/// `expireMessagesPeriod`).
const EXPIRY_PERIOD: Duration = Duration::from_secs(30);

/// How often it is looked whether the machine's clock has been set.
const CLOCK_PERIOD: Duration = Duration::from_secs(1);
/// What a clock that is not set may wander between two looks, in milliseconds.
const WANDERING: i64 = 500;

/// How often all queues are asked for memory at most.
const RELIEF_PERIOD: Duration = Duration::from_secs(1);

/// How often limits that are reached are looked at.
const LIMITS_PERIOD: Duration = Duration::from_secs(1);

/// What a node needs from the world around it: real, or simulated.
#[derive(Clone)]
pub struct World {
    /// Opens links to others.
    pub dialer: Arc<dyn Dialer>,
    /// Takes addresses to listen on.
    pub binder: Arc<dyn Binder>,
    /// What time it is.
    pub clock: Clock,
    /// Where all randomness of the node comes from.
    pub seed: u64,
    /// What it keeps its persistent messages in; without it they end with the broker.
    pub store: Option<Arc<dyn Store>>,
    /// Opens an empty store for what waits for want of memory, when it is wanted; without it, its
    /// producers wait.
    pub spool: Option<OpenSpool>,
    /// When its threads rest; in a simulation, never.
    pub pace: Pace,
}

/// Opens a temporary store.
pub type OpenSpool =
    Arc<dyn Fn() -> Result<Arc<dyn Store>, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A transport connector cannot listen.
    #[error("transport connector '{name}': {source}")]
    Listen {
        /// The connector.
        name: String,
        /// Why.
        source: ListenError,
    },
    /// What the store holds cannot be taken up.
    #[error("cannot take up what was kept: {0}")]
    Recover(#[from] RecoveryError),
}

/// A running broker with its listeners and network connectors.
pub struct Node {
    broker: Arc<Broker>,
    connections: Connections,
    connectors: Vec<NetworkConnectorHandle>,
    announcers: Vec<Announcer>,
    accepted: Arc<AcceptedBridges>,
    listening: Vec<Endpoint>,
    watch: NodeWatch,
    /// Tells clients where to go, if any connector does.
    guide: Option<GuideHandle>,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Node {
    /// Takes all addresses, then accepts and starts the network connectors. Peers that cannot be
    /// reached never delay it.
    pub async fn start(config: BrokerConfig, world: World) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        let announces: Vec<Option<Announce>> =
            config.listen.iter().map(|connector| connector.announce.clone()).collect();
        for connector in &config.listen {
            let listening = Listening::bind(world.binder.as_ref(), &connector.endpoint).await;
            listeners.push(
                listening.map_err(|source| StartError::Listen {
                    name: connector.name.clone(),
                    source,
                })?,
            );
        }
        let guides: Vec<_> =
            config.listen.iter().map(|connector| connector.clients.clone()).collect();
        let mut guidances = guides.into_iter();
        let listening: Vec<Endpoint> =
            listeners.iter().map(|listener| listener.endpoint().clone()).collect();
        let fresh = Broker::fresh_id(&config.name, &world.clock, world.seed);
        let id = match &world.store {
            Some(store) => identify(store.as_ref(), fresh).map_err(RecoveryError::from)?,
            None => fresh,
        };
        let settings = BrokerSettings {
            id,
            name: config.name,
            url: listening.first().map(|first| first.bare().to_string()).unwrap_or_default(),
            admin: config.admin.announced(),
            limits: config.limits,
            virtual_topics: config.virtual_topics,
            spools: world.store.is_some() && world.spool.is_some(),
            store: world.store,
        };
        let broker = Broker::new(settings, world.clock.clone());
        let recovered = broker.recover()?;
        if recovered != Recovered::default() {
            let Recovered { queues, subscriptions, messages, branches } = recovered;
            tracing::info!(
                queues,
                subscriptions,
                messages,
                branches,
                "the broker has what it kept"
            );
        }
        let connections = Connections::new(Arc::clone(&broker), world.pace);
        let tasks = TaskTracker::new();
        let end = CancellationToken::new();
        let local: Arc<dyn LocalBroker> =
            Arc::new(NodeBroker { broker: Arc::clone(&broker), connections: connections.clone() });
        let register = Arc::<LinkRegister>::default();
        let accepted =
            AcceptedBridges::new(Arc::clone(&local), &world.clock, Arc::clone(&register));
        let accepting = connections.with_bridges_back(Arc::new(NodeBridges(Arc::clone(&accepted))));
        let mut guiding = Vec::new();
        for listener in listeners {
            let guidance = Arc::new(guidances.next().map(Guidance::new).unwrap_or_default());
            listener.accept_all(accepting.clone(), &tasks, end.clone(), &guidance);
            guiding.push(guidance);
        }
        tasks.spawn(expire_messages(Arc::clone(&broker), end.clone()));
        tasks.spawn(follow_clock(broker.clock().clone(), end.clone()));
        tasks.spawn(wake_queues(Arc::clone(&broker), end.clone()));
        tasks.spawn(let_go_of_commits(Arc::clone(&broker), end.clone()));
        tasks.spawn(page_queues(Arc::clone(&broker), end.clone()));
        tasks.spawn(relieve_memory(Arc::clone(&broker), end.clone()));
        tasks.spawn(watch_limits(Arc::clone(&broker), end.clone()));
        if let Some(open) = world.spool {
            tasks.spawn(open_spool(Arc::clone(&broker), open, end.clone()));
        }

        let names: Vec<String> =
            config.network_connectors.iter().map(|connector| connector.name.clone()).collect();
        let connectors: Vec<NetworkConnectorHandle> = config
            .network_connectors
            .into_iter()
            .zip(1u64..)
            .map(|(mut connector, number)| {
                connector.own_addresses = listening.clone();
                connector.other_connectors =
                    names.iter().filter(|name| **name != connector.name).cloned().collect();
                NetworkConnector::start(
                    connector,
                    Arc::clone(&local),
                    Arc::clone(&world.dialer),
                    world.clock.clone(),
                    world.seed.wrapping_add(number),
                    Arc::clone(&register),
                )
            })
            .collect();
        let announcers = announces
            .iter()
            .zip(&listening)
            .filter_map(|(announce, endpoint)| {
                Some(announce.as_ref()?.start(endpoint, &world.clock))
            })
            .collect();
        let watch = NodeWatch::new(
            Arc::clone(&broker),
            connections.clone(),
            connectors.iter().map(NetworkConnectorHandle::watch).collect(),
            Arc::clone(&accepted),
            listening.clone(),
        );
        let guide = Guide::start(
            watch.clone(),
            connections.clone(),
            &guiding,
            Arc::clone(&world.dialer),
            world.seed.wrapping_mul(31),
        );
        if let Some(guide) = &guide {
            watch.sees_cluster(guide.members());
        }
        Ok(Self {
            guide,
            broker,
            connections,
            connectors,
            announcers,
            accepted,
            listening,
            watch,
            tasks,
            end,
        })
    }

    /// The broker's name.
    pub fn name(&self) -> &str {
        &self.broker.identity().name
    }

    /// The addresses that it listens on, in the order of the configuration.
    pub fn listening(&self) -> &[Endpoint] {
        &self.listening
    }

    /// Completes when its store has failed: it can confirm nothing any more, and must be stopped.
    pub async fn failed(&self) -> Failure {
        self.broker.store_failed().await
    }

    /// Opens an in-process link to the broker: a connection like any other, without a socket.
    pub fn open_link(&self, name: &str) -> Link {
        self.connections.open_pipe(name, None)
    }

    /// What it is doing.
    pub fn status(&self) -> NodeStatus {
        self.watch.status()
    }

    /// What sees the node from elsewhere, for as long as it is wanted.
    pub fn watch(&self) -> NodeWatch {
        self.watch.clone()
    }

    /// Stops: no new connections, bridges end, every peer is told, and what is queued for peers
    /// leaves as far as they read it in time.
    pub async fn stop(self) {
        self.end.cancel();
        if let Some(guide) = self.guide {
            guide.hand_over().await;
        }
        let mut stopping: JoinSet<()> =
            self.connectors.into_iter().map(NetworkConnectorHandle::stop).collect();
        for announcer in self.announcers {
            stopping.spawn(announcer.stop());
        }
        self.accepted.stop().await;
        while stopping.join_next().await.is_some() {}
        self.connections.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn expire_messages(broker: Arc<Broker>, end: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = tokio::time::sleep(EXPIRY_PERIOD) => broker.expire_messages(),
        }
    }
}

/// Looks whether the machine's clock has been set: messages expire by it, and nothing else is moved.
async fn follow_clock(clock: Clock, end: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = tokio::time::sleep(CLOCK_PERIOD) => {}
        }
        let step_ms = clock.follow();
        if step_ms.abs() > WANDERING {
            tracing::warn!(
                step_ms,
                "the machine's clock was set; messages expire by what it shows now"
            );
        }
    }
}

/// Lets consumers have what was committed when it is safe, also where nobody waits to be told.
async fn let_go_of_commits(broker: Arc<Broker>, end: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = broker.commit_is_safe() => broker.let_go_of_commits(),
        }
    }
}

/// Takes memory back from queues that can do without, when somebody waits for it.
async fn relieve_memory(broker: Arc<Broker>, end: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = broker.memory_wanted() => {}
        }
        broker.relieve_memory();
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = tokio::time::sleep(RELIEF_PERIOD) => {}
        }
    }
}

/// Opens a temporary store once it is wanted.
async fn open_spool(broker: Arc<Broker>, open: OpenSpool, end: CancellationToken) {
    tokio::select! {
        biased;
        () = end.cancelled() => return,
        () = broker.spool_wanted() => {}
    }
    // It makes files.
    match tokio::task::spawn_blocking(move || open()).await {
        Ok(Ok(store)) => {
            tracing::info!("memory is short: non-persistent messages of queues wait on disk");
            broker.give_spool(store);
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "no temporary store: who sends non-persistent messages waits for memory");
        }
        Err(error) => tracing::error!(%error, "the temporary store could not be opened"),
    }
}

/// Says of limits that were reached when there is room again.
async fn watch_limits(broker: Arc<Broker>, end: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = broker.shortage_begun() => {}
        }
        while broker.end_shortages() {
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                () = tokio::time::sleep(LIMITS_PERIOD) => {}
            }
        }
    }
}

/// Wakes queues when they want to be.
async fn wake_queues(broker: Arc<Broker>, end: CancellationToken) {
    loop {
        let wait = broker.next_alarm().map(|at| {
            let wait = at.saturating_sub(broker.clock().now_millis());
            Duration::from_millis(u64::try_from(wait).unwrap_or(0))
        });
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                broker.wake_queues();
                // Who has much to do is due again at once.
                tokio::task::yield_now().await;
            }
            () = broker.alarm_changed() => {}
        }
    }
}
