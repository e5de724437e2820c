//! Keeps one link of a connector: dials, bridges, and dials again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use ferrymq_discovery::known::Remote;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::negotiate::Negotiated;
use ferrymq_transport::backoff::Backoff;
use ferrymq_transport::dial::Dialer;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::connect;
use ferrymq_transport::link::Link;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::board::LinkBoard;
use super::live_endpoint::live_endpoint;
use super::order::{Order, ended, let_go};
use super::outage::{Outage, Word};
use super::register::{ClaimError, ClaimSlot, Claimed, LinkRegister, STANDBY};
use super::status::{LinkState, MadeBy};
use super::witness::Witness;
use crate::bridge::driver;
use crate::bridge::machine::Bridge;
use crate::bridge::phase::BridgeEnd;
use crate::bridge::settings::{BridgeSettings, Incarnation, Role};
use crate::config::NetworkConnectorConfig;
use crate::duplex::{Wire, split};
use crate::local_broker::{BrokerIdentity, LocalBroker};
use crate::rules::permit::Permits;

/// What all links of a connector share.
pub(super) struct Surroundings {
    pub(super) config: Arc<NetworkConnectorConfig>,
    pub(super) permits: Arc<Permits>,
    pub(super) local: Arc<dyn LocalBroker>,
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) register: Arc<LinkRegister>,
    pub(super) connector_started: i64,
    pub(super) incarnations: AtomicU64,
}

/// Keeps one link.
pub(super) struct Supervisor {
    surroundings: Arc<Surroundings>,
    remote: Remote,
    /// Which of the remote broker's addresses is tried first: the one after that at which a bridge
    /// came to nothing.
    first: usize,
    board: Arc<LinkBoard>,
    backoff: Backoff,
    random: Rng,
    failures: u32,
    /// Whether a link lived since the last one that lived for long.
    short_lived: bool,
    /// The present outage, as far as the log has been told of it.
    outage: Option<Outage>,
}

/// How an attempt ended.
enum Attempt {
    Stopped,
    /// A link that `remote` dialled does the work.
    NotNeeded {
        reason: String,
        remote: BrokerId,
    },
    Failed {
        reason: String,
        /// How to count it.
        verdict: Failure,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The link had lived.
    AfterLife,
    /// It came to life and died soon (`minConnectTime`).
    ShortLife,
    /// It never came to life.
    Early,
    /// The address leads back to this broker, or to one that is linked already: it is retried, but
    /// slowly.
    Idle,
}

impl Supervisor {
    pub(super) fn new(
        surroundings: Arc<Surroundings>,
        remote: Remote,
        board: Arc<LinkBoard>,
        random: Rng,
    ) -> Self {
        let backoff = surroundings.config.remotes.redial().backoff();
        Self {
            surroundings,
            remote,
            first: 0,
            board,
            backoff,
            random,
            failures: 0,
            short_lived: false,
            outage: None,
        }
    }

    /// Runs until told to end, or until it is let go and its link is lost.
    pub(super) async fn run(mut self, mut orders: watch::Receiver<Order>) {
        loop {
            let (reason, verdict) = match self.attempt(&mut orders).await {
                Attempt::Stopped => break,
                Attempt::Failed { reason, verdict } => (reason, verdict),
                Attempt::NotNeeded { reason, remote } => {
                    tokio::select! {
                        biased;
                        () = let_go(&mut orders) => break,
                        () = self.stand_by(reason, &remote) => continue,
                    }
                }
            };
            let Some(delay) = self.delay(verdict) else {
                self.log_given_up(&reason);
                self.board.enter(LinkState::GivenUp { reason });
                let_go(&mut orders).await;
                break;
            };
            self.log_down(&reason, delay);
            let until = Instant::now() + delay;
            self.board.enter(LinkState::WaitingToRetry { reason, until });
            tokio::select! {
                biased;
                () = let_go(&mut orders) => break,
                () = sleep_until(until) => {}
            }
        }
        self.board.enter(LinkState::Stopped);
    }

    /// Dials and bridges once.
    async fn attempt(&mut self, orders: &mut watch::Receiver<Order>) -> Attempt {
        self.board.enter(LinkState::Connecting);
        let started = Instant::now();
        let connected = tokio::select! {
            biased;
            () = ended(orders) => return Attempt::Stopped,
            connected = self.connect() => connected,
        };
        let (remote, endpoint, at) = match connected {
            Ok(connected) => connected,
            Err(reason) => return Attempt::Failed { reason, verdict: Failure::Early },
        };
        if let Some(negotiated) = &remote.negotiated {
            self.board.link_is(negotiated, remote.outbox.traffic());
        }
        self.board.enter(LinkState::Handshaking);
        let (give_way, mut giving_way) = watch::channel(false);
        let stop = async {
            tokio::select! {
                () = ended(orders) => {}
                () = stopped(&mut giving_way) => {}
            }
        };
        let (end, came_to_life) = self.bridge(remote, &endpoint, give_way, stop).await;
        let giving_way = *giving_way.borrow();
        self.board.bridge_over();
        if came_to_life {
            self.outage = None;
        }
        self.first = if came_to_life { 0 } else { at + 1 };
        let verdict = match &end {
            BridgeEnd::Stopped if !giving_way => return Attempt::Stopped,
            BridgeEnd::Loopback | BridgeEnd::SameIdentifier { .. } | BridgeEnd::Twin(_) => {
                Failure::Idle
            }
            _ if let Some(reason) = not_needed(&end, giving_way)
                && let Some(remote) = self.board.status().remote_broker =>
            {
                return Attempt::NotNeeded { reason, remote: remote.id };
            }
            _ if came_to_life && started.elapsed() >= self.min_connect_time() => Failure::AfterLife,
            _ if came_to_life => Failure::ShortLife,
            _ => Failure::Early,
        };
        Attempt::Failed { reason: end.to_string(), verdict }
    }

    /// Connects to the first address that answers; also which one, by its place among them.
    async fn connect(&self) -> Result<(Link, Endpoint, usize), String> {
        let addresses: Vec<&Endpoint> = self.remote.addresses().collect();
        let mut reasons = Vec::new();
        for turn in 0..addresses.len() {
            let at = (self.first + turn) % addresses.len();
            let Some(endpoint) = addresses.get(at) else { continue };
            match self.connect_to(endpoint).await {
                Ok(link) => {
                    if addresses.len() > 1 {
                        self.board.reached_at(endpoint.bare().to_string());
                    }
                    return Ok((link, (*endpoint).clone(), at));
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    async fn connect_to(&self, endpoint: &Endpoint) -> Result<Link, String> {
        let limit = self.surroundings.config.link_timeout;
        let live = live_endpoint(endpoint, limit);
        match timeout(limit, connect(self.surroundings.dialer.as_ref(), &live)).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "cannot connect to {}: no answer within {limit:?} (link_timeout)",
                endpoint.bare()
            )),
        }
    }

    /// Bridges over a fresh link until that ends: why, and whether the bridge came to life.
    async fn bridge(
        &self,
        remote: Link,
        endpoint: &Endpoint,
        give_way: watch::Sender<bool>,
        stop: impl Future<Output = ()>,
    ) -> (BridgeEnd, bool) {
        let around = &self.surroundings;
        let bridge = Bridge::new(self.settings(&remote), Instant::now());
        let claim = ClaimSlot::default();
        let uri = endpoint.bare().to_string();
        let mut observer = Witness::new(&self.board, uri, Arc::clone(&claim));
        let open_local = |remote: &BrokerIdentity| {
            let link = Claimed {
                remote: remote.clone(),
                connector: around.config.name.clone(),
                made_by: MadeBy::Connector,
                duplex: around.config.duplex.then(|| Arc::clone(&around.permits)),
                give_way: give_way.clone(),
            };
            let entered = around.register.claim(&around.local.identity(), link);
            *claim.lock() = Some(entered.map_err(|refused| match refused {
                ClaimError::Twin { .. } => BridgeEnd::Twin(refused.to_string()),
                ClaimError::Standby { .. } => BridgeEnd::Standby(refused.to_string()),
            })?);
            Ok(around.local.open_link(remote, Arc::clone(&around.permits)))
        };
        let end = if around.config.duplex {
            let halves = split(Wire::new(remote), Vec::new());
            around.local.serve(halves.served);
            let end = driver::run(bridge, halves.own, open_local, &mut observer, stop).await;
            end.with_cause(halves.joined.await.ok().flatten())
        } else {
            driver::run(bridge, remote, open_local, &mut observer, stop).await
        };
        (end, observer.saw_it_live())
    }

    /// Waits until the link that the far end dialled is lost. It may not have arrived yet.
    async fn stand_by(&mut self, reason: String, remote: &BrokerId) {
        let connector = self.surroundings.config.name.as_str();
        let uri = &self.remote;
        tracing::info!(connector, %uri, reason, "not needed for now");
        self.board.enter(LinkState::Standby { reason });
        let Surroundings { register, permits, config, .. } = &*self.surroundings;
        let arrives = register.until_peer_links(remote, permits, true);
        let _ = timeout(config.link_timeout, arrives).await;
        register.until_peer_links(remote, permits, false).await;
        // Who lost it dials again, too; whoever is first will do.
        self.failures = 0;
        self.backoff.reset();
        let delay = self.backoff.next(&mut self.random);
        sleep(delay).await;
    }

    fn settings(&self, link: &Link) -> BridgeSettings {
        let around = &self.surroundings;
        BridgeSettings {
            local: around.local.identity(),
            config: around.config.clone(),
            permits: around.permits.clone(),
            incarnation: Incarnation {
                connector_started: around.connector_started,
                number: around.incarnations.fetch_add(1, Ordering::Relaxed),
            },
            role: if around.config.duplex { Role::Initiator } else { Role::OneWay },
            remote_reads_on: reads_on(link.negotiated.as_ref()),
            remote_takes: link.negotiated.as_ref().and_then(|agreed| agreed.peer_takes),
        }
    }

    fn min_connect_time(&self) -> Duration {
        self.surroundings.config.remotes.redial().min_connect_time
    }

    /// How long to wait; none: no more attempts.
    fn delay(&mut self, verdict: Failure) -> Option<Duration> {
        let redial = self.surroundings.config.remotes.redial();
        match verdict {
            Failure::Idle => return Some(redial.longest),
            Failure::AfterLife => {
                self.failures = 0;
                self.short_lived = false;
                self.backoff.reset();
            }
            Failure::Early | Failure::ShortLife => {
                // Waits grew while nobody answered, and somebody did. Where links die again and
                // again, as soon as they live, waits grow once more; in ActiveMQ they grow at once.
                if verdict == Failure::ShortLife && !std::mem::replace(&mut self.short_lived, true)
                {
                    self.backoff.reset();
                }
                self.failures = self.failures.saturating_add(1);
                if redial.max_attempts > 0 && self.failures >= redial.max_attempts {
                    return None;
                }
            }
        }
        Some(self.backoff.next(&mut self.random))
    }

    fn log_down(&mut self, reason: &str, delay: Duration) {
        let connector = self.surroundings.config.name.as_str();
        let uri = &self.remote;
        let retry_in = format_args!("{:.1}s", delay.as_secs_f64()).to_string();
        let now = Instant::now();
        let word = match &mut self.outage {
            Some(outage) => outage.goes_on(reason, now),
            None => {
                let (outage, word) = Outage::begin(reason, now);
                self.outage = Some(outage);
                Some(word)
            }
        };
        match word {
            None => tracing::debug!(connector, %uri, reason, retry_in, "bridge still down"),
            Some(Word { tries: 1, .. }) => {
                tracing::warn!(connector, %uri, reason, retry_in, "bridge down");
            }
            Some(Word { lasting, tries }) => {
                let down_for = format_args!("{}s", lasting.as_secs()).to_string();
                tracing::warn!(
                    connector,
                    %uri,
                    reason,
                    retry_in,
                    down_for,
                    tries,
                    "bridge still down"
                );
            }
        }
    }

    fn log_given_up(&self, reason: &str) {
        let connector = self.surroundings.config.name.as_str();
        let uri = &self.remote;
        let attempts = self.failures;
        tracing::error!(connector, %uri, reason, attempts, "bridge given up (maxReconnectAttempts)");
    }
}

/// What the link waits for, if it ended because another one does its work.
fn not_needed(end: &BridgeEnd, gave_way: bool) -> Option<String> {
    match end {
        BridgeEnd::Standby(reason) => Some(reason.clone()),
        BridgeEnd::RemoteRefused(reason) => {
            reason.find(STANDBY).and_then(|at| reason.get(at..)).map(str::to_owned)
        }
        _ if gave_way => Some(STANDBY.to_owned()),
        _ => None,
    }
}

/// Whether the peer goes on reading a link while it has no room for its messages.
pub(super) fn reads_on(negotiated: Option<&Negotiated>) -> bool {
    let provider = negotiated.and_then(|agreed| agreed.provider.as_ref());
    provider.is_some_and(|provider| provider.as_bytes() == b"FerryMQ")
}

/// Completes when the connector is to stop, or its handle is gone.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
