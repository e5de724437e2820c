//! The bridges back that duplex connectors of other brokers ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, BrokerSubscriptionInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::link::{Link, LinkError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::board::LinkBoard;
use super::handle::{LinkProspect, LinkWatch, Terms};
use super::register::{ClaimSlot, Claimed, LinkRegister};
use super::status::{LinkState, LinkStatus, MadeBy};
use super::supervisor::{reads_on, stopped};
use super::witness::Witness;
use crate::bridge::driver;
use crate::bridge::machine::Bridge;
use crate::bridge::phase::BridgeEnd;
use crate::bridge::settings::{BridgeSettings, Incarnation, Role};
use crate::config::NetworkConnectorConfig;
use crate::duplex::{Halves, Wire, split};
use crate::local_broker::{BrokerIdentity, LocalBroker};
use crate::network_properties::{AskedForError, asked_for};

/// How long a bridge waits for its predecessor's end.
const FORMER_LIMIT: Duration = Duration::from_secs(3);

/// Runs the bridges back that peers ask for, each over the peer's own link. They are as many as
/// the broker's connections at most, and are never dialled again: that is the peer's part.
pub struct AcceptedBridges {
    local: Arc<dyn LocalBroker>,
    started: i64,
    incarnations: AtomicU64,
    register: Arc<LinkRegister>,
    stop: watch::Sender<bool>,
    living: Mutex<BTreeMap<u64, Living>>,
}

struct Living {
    /// Whose it is: connector and broker.
    key: (String, BrokerId),
    watch: LinkWatch,
    /// Ends with the bridge.
    task: JoinHandle<()>,
}

/// A bridge back that may be built.
pub struct AdmittedBridge {
    bridges: Arc<AcceptedBridges>,
    peer: BrokerInfo,
    config: Arc<NetworkConnectorConfig>,
    link: Claimed,
}

/// Why a peer gets no bridge back.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// Its settings are of no use.
    #[error(transparent)]
    Settings(#[from] AskedForError),
    /// It does not say who it is.
    #[error("a duplex bridge needs a broker with an id")]
    Unnamed,
    /// There is one already.
    #[error("{0}")]
    NotNeeded(String),
}

impl AcceptedBridges {
    /// None yet, for the broker `local`.
    pub fn new(
        local: Arc<dyn LocalBroker>,
        clock: &Clock,
        register: Arc<LinkRegister>,
    ) -> Arc<Self> {
        let (stop, _) = watch::channel(false);
        Arc::new(Self {
            local,
            started: clock.now_millis(),
            incarnations: AtomicU64::new(1),
            register,
            stop,
            living: Mutex::default(),
        })
    }

    /// Reads what a peer asks for in its `BrokerInfo`, and whether it is needed. Changes nothing.
    pub fn admit(self: &Arc<Self>, peer: &BrokerInfo) -> Result<AdmittedBridge, AdmitError> {
        let text = peer.network_properties.as_ref();
        let text = text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        let config = Arc::new(asked_for(&text)?);
        let link = Claimed {
            remote: BrokerIdentity::of(peer).ok_or(AdmitError::Unnamed)?,
            connector: config.name.clone(),
            made_by: MadeBy::Peer,
            duplex: Some(Arc::new(config.permits())),
            give_way: watch::channel(false).0,
        };
        let checked = self.register.check(&self.local.identity(), &link);
        checked.map_err(|refused| AdmitError::NotNeeded(refused.to_string()))?;
        Ok(AdmittedBridge { bridges: Arc::clone(self), peer: peer.clone(), config, link })
    }

    /// The bridge that the same connector of a peer had before.
    fn take_former(&self, key: &(String, BrokerId)) -> Option<JoinHandle<()>> {
        let mut living = self.living.lock();
        let number = living.iter().find(|(_, living)| living.key == *key).map(|(at, _)| *at)?;
        living.remove(&number).map(|former| former.task)
    }

    /// Those that live, in the order in which they came.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.living.lock().values().flat_map(|living| living.watch.status()).collect()
    }

    /// What each of them has to say about a destination.
    pub fn prospects(&self, destination: &Destination) -> Vec<LinkProspect> {
        let living = self.living.lock();
        living.values().flat_map(|living| living.watch.prospects(destination)).collect()
    }

    /// Ends all of them, as a connector ends its own: what was forwarded is confirmed first, within
    /// reason. None is admitted any more.
    pub async fn stop(&self) {
        let _ = self.stop.send_replace(true);
        let tasks: Vec<_> = std::mem::take(&mut *self.living.lock()).into_values().collect();
        for living in tasks {
            let _ = living.task.await;
        }
    }
}

impl AdmittedBridge {
    /// Starts it over the peer's link; `theirs` are the peer's durable subscriptions, if it has told
    /// of them already. What is left for the broker is the other half; the task ends with the link.
    pub fn start(
        self,
        wire: Wire,
        theirs: Option<Box<BrokerSubscriptionInfo>>,
    ) -> (Link, JoinHandle<Option<LinkError>>) {
        let Self { bridges, peer, config, link } = self;
        let number = bridges.incarnations.fetch_add(1, Ordering::Relaxed);
        let terms = Terms::of(&config);
        let key = (link.connector.clone(), link.remote.id.clone());
        let giving_way = link.give_way.subscribe();
        let claim = ClaimSlot::default();
        // If a link of this broker's own has come between, this one ends as soon as it begins.
        *claim.lock() = bridges.register.claim(&bridges.local.identity(), link).ok();
        let former = bridges.take_former(&key);
        let settings = BridgeSettings {
            local: bridges.local.identity(),
            permits: Arc::clone(&terms.permits),
            config: Arc::clone(&config),
            incarnation: Incarnation { connector_started: bridges.started, number },
            role: Role::Acceptor,
            remote_reads_on: reads_on(wire.negotiated.as_ref()),
            remote_takes: wire.negotiated.as_ref().and_then(|agreed| agreed.peer_takes),
        };
        let uri = wire.peer.remote.clone();
        let board = Arc::new(LinkBoard::new(&config.name, uri.clone(), MadeBy::Peer));
        if let Some(negotiated) = &wire.negotiated {
            board.link_is(negotiated, wire.outbox.traffic());
        }
        board.enter(LinkState::Handshaking);
        let mut said = vec![Command::BrokerInfo(Box::new(peer))];
        said.extend(theirs.map(Command::BrokerSubscriptionInfo));
        let Halves { own, served, joined } = split(wire, said);
        let place = Place { bridges: Arc::clone(&bridges), number, former, giving_way, claim };
        // Held until the task has its place, so that it cannot leave it before.
        let mut living = bridges.living.lock();
        let task = tokio::spawn(run(place, settings, own, Arc::clone(&board), uri));
        living.insert(number, Living { key, watch: LinkWatch::of(board, terms), task });
        drop(living);
        (served, joined)
    }
}

/// A bridge's place among the living; dropped, it leaves.
struct Place {
    bridges: Arc<AcceptedBridges>,
    number: u64,
    /// The same connector's bridge over an earlier link, which has to be gone first.
    former: Option<JoinHandle<()>>,
    giving_way: watch::Receiver<bool>,
    claim: ClaimSlot,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.bridges.living.lock().remove(&self.number);
    }
}

async fn run(
    mut place: Place,
    settings: BridgeSettings,
    link: Link,
    board: Arc<LinkBoard>,
    uri: String,
) {
    if let Some(former) = place.former.take() {
        // It was told to end and waits for little; the limit is for what nobody foresaw.
        let _ = timeout(FORMER_LIMIT, former).await;
    }
    if place.claim.lock().is_none() {
        return;
    }
    let local = &place.bridges.local;
    let permits = Arc::clone(&settings.permits);
    let connector = settings.config.name.clone();
    let bridge = Bridge::new(settings, Instant::now());
    let mut stopping = place.bridges.stop.subscribe();
    let mut observer = Witness::new(&board, uri.clone(), Arc::clone(&place.claim));
    let open_local = |remote: &_| Ok(local.open_link(remote, Arc::clone(&permits)));
    let mut giving_way = place.giving_way.clone();
    let stop = async {
        tokio::select! {
            () = stopped(&mut stopping) => {}
            () = stopped(&mut giving_way) => {}
        }
    };
    let end = driver::run(bridge, link, open_local, &mut observer, stop).await;
    if end != BridgeEnd::Stopped {
        tracing::warn!(connector, uri, reason = %end, "bridge back down: the peer may dial again");
    }
}
