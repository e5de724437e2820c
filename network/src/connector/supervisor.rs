//! Keeps one link of a connector: dials, bridges, and dials again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use ferrymq_transport::backoff::Backoff;
use ferrymq_transport::dial::Dialer;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::connect;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::board::LinkBoard;
use super::status::LinkState;
use crate::bridge::driver::{self, Observer};
use crate::bridge::effects::Event;
use crate::bridge::machine::{Bridge, BridgeCounts};
use crate::bridge::phase::BridgeEnd;
use crate::bridge::settings::{BridgeSettings, Incarnation};
use crate::config::NetworkConnectorConfig;
use crate::local_broker::LocalBroker;
use crate::rules::permit::Permits;

/// What all links of a connector share.
pub(super) struct Surroundings {
    pub(super) config: Arc<NetworkConnectorConfig>,
    pub(super) permits: Arc<Permits>,
    pub(super) local: Arc<dyn LocalBroker>,
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) connector_started: i64,
    pub(super) incarnations: AtomicU64,
}

/// Keeps one link.
pub(super) struct Supervisor {
    surroundings: Arc<Surroundings>,
    endpoint: Endpoint,
    board: Arc<LinkBoard>,
    backoff: Backoff,
    random: Rng,
    failures: u32,
    /// The reason that the log has seen, so that a long outage is told once.
    told: Option<String>,
}

/// How an attempt ended.
enum Attempt {
    Stopped,
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
    /// It never came to life, or died at once.
    Early,
    /// The address leads back to this broker: it is retried, but slowly.
    Loopback,
}

impl Supervisor {
    pub(super) fn new(
        surroundings: Arc<Surroundings>,
        endpoint: Endpoint,
        board: Arc<LinkBoard>,
        random: Rng,
    ) -> Self {
        let backoff = surroundings.config.remotes.redial().backoff();
        Self { surroundings, endpoint, board, backoff, random, failures: 0, told: None }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            let (reason, verdict) = match self.attempt(&mut stopping).await {
                Attempt::Stopped => break,
                Attempt::Failed { reason, verdict } => (reason, verdict),
            };
            let Some(delay) = self.delay(verdict) else {
                self.log_given_up(&reason);
                self.board.enter(LinkState::GivenUp { reason });
                stopped(&mut stopping).await;
                break;
            };
            self.log_down(&reason, delay);
            let until = Instant::now() + delay;
            self.board.enter(LinkState::WaitingToRetry { reason, until });
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => break,
                () = sleep_until(until) => {}
            }
        }
        self.board.enter(LinkState::Stopped);
    }

    /// Dials and bridges once.
    async fn attempt(&mut self, stopping: &mut watch::Receiver<bool>) -> Attempt {
        self.board.enter(LinkState::Connecting);
        let started = Instant::now();
        let connected = tokio::select! {
            biased;
            () = stopped(stopping) => return Attempt::Stopped,
            connected = connect(self.surroundings.dialer.as_ref(), &self.endpoint) => connected,
        };
        let remote = match connected {
            Ok(link) => link,
            Err(error) => {
                return Attempt::Failed { reason: error.to_string(), verdict: Failure::Early };
            }
        };
        self.board.enter(LinkState::Handshaking);
        let around = &self.surroundings;
        let bridge = Bridge::new(self.settings(), Instant::now());
        let mut observer = Witness { board: &self.board, uri: &self.endpoint, live: false };
        let open_local = |remote: &_| around.local.open_link(remote, around.permits.clone());
        let end = driver::run(bridge, remote, open_local, &mut observer, stopped(stopping)).await;
        let came_to_life = observer.live;
        self.board.bridge_over();
        if came_to_life {
            self.told = None;
        }
        let verdict = match end {
            BridgeEnd::Stopped => return Attempt::Stopped,
            BridgeEnd::Loopback => Failure::Loopback,
            _ if came_to_life && started.elapsed() >= self.min_connect_time() => Failure::AfterLife,
            _ => Failure::Early,
        };
        Attempt::Failed { reason: end.to_string(), verdict }
    }

    fn settings(&self) -> BridgeSettings {
        let around = &self.surroundings;
        BridgeSettings {
            local: around.local.identity(),
            config: around.config.clone(),
            permits: around.permits.clone(),
            incarnation: Incarnation {
                connector_started: around.connector_started,
                number: around.incarnations.fetch_add(1, Ordering::Relaxed),
            },
        }
    }

    fn min_connect_time(&self) -> Duration {
        self.surroundings.config.remotes.redial().min_connect_time
    }

    /// How long to wait; none: no more attempts.
    fn delay(&mut self, verdict: Failure) -> Option<Duration> {
        let redial = self.surroundings.config.remotes.redial();
        match verdict {
            Failure::Loopback => return Some(redial.longest),
            Failure::AfterLife => {
                self.failures = 0;
                self.backoff.reset();
            }
            Failure::Early => {
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
        let uri = self.endpoint.bare();
        let retry_in = format_args!("{:.1}s", delay.as_secs_f64()).to_string();
        if self.told.as_deref() == Some(reason) {
            tracing::debug!(connector, %uri, reason, retry_in, "bridge still down");
        } else {
            tracing::warn!(connector, %uri, reason, retry_in, "bridge down");
            self.told = Some(reason.to_owned());
        }
    }

    fn log_given_up(&self, reason: &str) {
        let connector = self.surroundings.config.name.as_str();
        let uri = self.endpoint.bare();
        let attempts = self.failures;
        tracing::error!(connector, %uri, reason, attempts, "bridge given up (maxReconnectAttempts)");
    }
}

/// Shows and logs what a bridge tells.
struct Witness<'a> {
    board: &'a LinkBoard,
    uri: &'a Endpoint,
    live: bool,
}

impl Observer for Witness<'_> {
    fn told(&mut self, event: &Event) {
        let connector = self.board.connector();
        let uri = self.uri.bare();
        match event {
            Event::RemoteKnown(remote) => self.board.remote_is(remote),
            Event::Live(remote) => {
                self.live = true;
                self.board.enter(LinkState::Live { since: Instant::now() });
                tracing::info!(connector, remote = %remote.name, %uri, "bridge up");
            }
            Event::DemandAdded(destination) => {
                self.board.note(|notes, _| notes.began(destination));
                tracing::debug!(connector, %destination, "demand added");
            }
            Event::DemandRemoved(destination) => {
                self.board.note(|notes, now| notes.ended(destination, now));
                tracing::debug!(connector, %destination, "demand removed");
            }
            Event::DemandIgnored { destination, verdict } => {
                self.board.note(|notes, now| notes.ignored(destination, verdict, now));
                tracing::debug!(connector, %destination, %verdict, "demand not followed");
            }
            Event::DemandRefused { destination, reason } => {
                self.board.note(|notes, now| notes.refused(destination, reason, now));
                self.board.mishap(&format!("no subscription to {destination}: {reason}"));
                tracing::warn!(connector, %destination, reason, "cannot subscribe for demand");
            }
            Event::ForwardRefused { destination, reason, given_up } => {
                let fate = if *given_up { "given up" } else { "to be tried again" };
                self.board.mishap(&format!("message for {destination} refused: {reason}"));
                tracing::debug!(connector, %destination, reason, fate, "forward refused");
            }
            Event::Held { destination, reason } => {
                self.board.mishap(&format!("message of {destination} held: {reason}"));
                tracing::debug!(connector, %destination, reason, "message may not cross");
            }
            Event::Over(_) => {}
        }
    }

    fn counted(&mut self, counts: BridgeCounts) {
        self.board.count(counts);
    }
}

/// Completes when the connector is to stop, or its handle is gone.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
