//! Starting and stopping a connector.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ferrymq_discovery::agent as discovery;
use ferrymq_discovery::own::Own;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::Dialer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::board::LinkBoard;
use super::demand_notes::DemandNote;
use super::keeper::Keeper;
use super::register::LinkRegister;
use super::roster::LinkRoster;
use super::status::LinkStatus;
use super::supervisor::Surroundings;
use crate::config::NetworkConnectorConfig;
use crate::local_broker::LocalBroker;
use crate::rules::permit::Permits;
use crate::rules::verdict::Verdict;

/// Starts network connectors.
#[derive(Debug)]
pub struct NetworkConnector;

/// A running connector. Dropped, it stops in its own time; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub struct NetworkConnectorHandle {
    roster: LinkRoster,
    terms: Terms,
    stop: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

/// Sees the links of a connector, also when its handle is gone.
#[derive(Debug, Clone)]
pub struct LinkWatch {
    roster: LinkRoster,
    terms: Terms,
}

/// What the configuration says about what may cross.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) permits: Arc<Permits>,
    pub(super) follows_demand: bool,
}

impl Terms {
    pub(super) fn of(config: &NetworkConnectorConfig) -> Self {
        Self { permits: Arc::new(config.permits()), follows_demand: !config.static_bridge }
    }
}

/// What there is to say about a link and one destination, whether or not there is demand.
#[derive(Debug, Clone)]
pub struct LinkProspect {
    /// The link.
    pub status: LinkStatus,
    /// Whether the destination may cross it.
    pub permit: Verdict,
    /// Whether demand of consumers beyond it is followed at all (`static_bridge`).
    pub follows_demand: bool,
    /// What became of wishes for it that no subscription stands for; the newest first.
    pub notes: Vec<DemandNote>,
}

impl NetworkConnector {
    /// Starts a link to each broker of the list, all at once, or to each that discovery finds, on
    /// the present tokio runtime. Cannot fail: what cannot be reached is dialled again and again.
    pub fn start(
        config: NetworkConnectorConfig,
        local: Arc<dyn LocalBroker>,
        dialer: Arc<dyn Dialer>,
        clock: Clock,
        seed: u64,
        register: Arc<LinkRegister>,
    ) -> NetworkConnectorHandle {
        let (stop, stopping) = watch::channel(false);
        let config = Arc::new(config);
        let terms = Terms::of(&config);
        let surroundings = Arc::new(Surroundings {
            permits: Arc::clone(&terms.permits),
            local,
            dialer,
            register,
            connector_started: clock.now_millis(),
            incarnations: AtomicU64::new(1),
            config: config.clone(),
        });
        let mut seeds = fastrand::Rng::with_seed(seed);
        let discovery = config.remotes.agent().start(discovery::Surroundings {
            own: Own::new(config.own_addresses.clone()),
            // The links of a list draw the first seeds.
            seed: seed.wrapping_mul(31),
        });
        let roster = LinkRoster::default();
        let mut keeper = Keeper::new(surroundings, roster.clone(), seeds.fork());
        keeper.reconcile(&discovery.known());
        let keeper = tokio::spawn(keeper.run(discovery, stopping));
        NetworkConnectorHandle { roster, terms, stop, keeper }
    }
}

impl NetworkConnectorHandle {
    /// All links, in the order of the list or in which they were found.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.watch().status()
    }

    /// What sees the links from elsewhere.
    pub fn watch(&self) -> LinkWatch {
        LinkWatch { roster: self.roster.clone(), terms: self.terms.clone() }
    }

    /// Ends all bridges: nothing new is forwarded, confirmations are awaited for a moment, both
    /// ends are told.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.keeper.await;
    }
}

impl LinkWatch {
    /// Sees one link.
    pub(super) fn of(board: Arc<LinkBoard>, terms: Terms) -> Self {
        let roster = LinkRoster::default();
        roster.add(board);
        Self { roster, terms }
    }

    /// All links, in the order of the list or in which they were found.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.roster.boards().iter().map(|board| board.status()).collect()
    }

    /// What each link has to say about a destination, in the order of the list.
    pub fn prospects(&self, destination: &Destination) -> Vec<LinkProspect> {
        let prospect = |board: &Arc<LinkBoard>| LinkProspect {
            status: board.status(),
            permit: self.terms.permits.verdict(destination),
            follows_demand: self.terms.follows_demand,
            notes: board.notes(destination),
        };
        self.roster.boards().iter().map(prospect).collect()
    }
}
