//! Starting and stopping a connector.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::Dialer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::board::LinkBoard;
use super::status::{LinkState, LinkStatus, MadeBy};
use super::supervisor::{Supervisor, Surroundings};
use crate::config::NetworkConnectorConfig;
use crate::local_broker::LocalBroker;

/// Starts network connectors.
#[derive(Debug)]
pub struct NetworkConnector;

/// A running connector. Dropped, it stops in its own time; [`stop`](Self::stop) waits.
#[derive(Debug)]
pub struct NetworkConnectorHandle {
    links: Vec<Link>,
    stop: watch::Sender<bool>,
}

/// Sees the links of a connector, also when its handle is gone.
#[derive(Debug, Clone)]
pub struct LinkWatch {
    boards: Vec<Arc<LinkBoard>>,
}

#[derive(Debug)]
struct Link {
    board: Arc<LinkBoard>,
    task: JoinHandle<()>,
}

impl NetworkConnector {
    /// Starts a link to each broker of the list, all at once, on the present tokio runtime. Cannot
    /// fail: what cannot be reached is dialled again and again.
    pub fn start(
        config: NetworkConnectorConfig,
        local: Arc<dyn LocalBroker>,
        dialer: Arc<dyn Dialer>,
        clock: Clock,
        seed: u64,
    ) -> NetworkConnectorHandle {
        let (stop, stopping) = watch::channel(false);
        let config = Arc::new(config);
        let surroundings = Arc::new(Surroundings {
            permits: Arc::new(config.permits()),
            local,
            dialer,
            connector_started: clock.now_millis(),
            incarnations: AtomicU64::new(1),
            config: config.clone(),
        });
        let mut seeds = fastrand::Rng::with_seed(seed);
        let links = config.remotes.endpoints().iter().map(|endpoint| {
            let uri = endpoint.bare().to_string();
            let board = Arc::new(LinkBoard::new(&config.name, uri, MadeBy::Connector));
            let supervisor = Supervisor::new(
                surroundings.clone(),
                endpoint.clone(),
                board.clone(),
                seeds.fork(),
            );
            Link { board, task: tokio::spawn(supervisor.run(stopping.clone())) }
        });
        NetworkConnectorHandle { links: links.collect(), stop }
    }
}

impl NetworkConnectorHandle {
    /// All links, in the order of the list.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.links.iter().map(|link| link.board.status()).collect()
    }

    /// What sees the links from elsewhere.
    pub fn watch(&self) -> LinkWatch {
        LinkWatch { boards: self.links.iter().map(|link| Arc::clone(&link.board)).collect() }
    }

    /// Ends all bridges: nothing new is forwarded, confirmations are awaited for a moment, both
    /// ends are told.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for link in self.links {
            if link.task.await.is_err() {
                link.board.enter(LinkState::Stopped);
            }
        }
    }
}

impl LinkWatch {
    /// All links, in the order of the list.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.boards.iter().map(|board| board.status()).collect()
    }
}
