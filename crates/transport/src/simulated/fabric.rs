//! What all hosts of a simulated network share.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Weak};

use fastrand::Rng;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::conditions::LinkConditions;
use super::direction::Direction;
use super::lane::{Duct, End, Lane};
use super::listener::Backlog;
use super::stream::{Holder, end};
use crate::dial::Stream;
use crate::link::PeerAddress;

/// The hosts and what connects them.
///
/// Lock order: this state, then a lane's, then a direction's.
pub(super) struct Fabric {
    state: Mutex<State>,
    /// Dials look again: a fault has begun or ended.
    changed: Notify,
}

struct State {
    random: Rng,
    usual: LinkConditions,
    hosts: BTreeSet<String>,
    /// By (from, to); made when first needed.
    directions: BTreeMap<(String, String), Arc<Mutex<Direction>>>,
    /// Directions whose conditions were set for them alone.
    set: BTreeSet<(String, String)>,
    listeners: BTreeMap<(String, u16), Bound>,
    streams: Vec<Connected>,
    /// Streams are sifted for dead ones when there are so many.
    sift_at: usize,
    next_port: u16,
}

struct Bound {
    backlog: Weak<Backlog>,
    /// Only peers on the same host reach it.
    loopback_only: bool,
}

struct Connected {
    dialer: String,
    acceptor: String,
    /// Gone when both ends are.
    duct: Weak<Duct>,
}

/// The first port that nobody asked for by number.
const FIRST_FREE_PORT: u16 = 49_152;

impl Fabric {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                random: Rng::with_seed(seed),
                usual: LinkConditions::default(),
                hosts: BTreeSet::new(),
                directions: BTreeMap::new(),
                set: BTreeSet::new(),
                listeners: BTreeMap::new(),
                streams: Vec::new(),
                sift_at: 64,
                next_port: FIRST_FREE_PORT,
            }),
            changed: Notify::new(),
        }
    }

    pub(super) fn add_host(&self, name: &str) {
        self.state.lock().hosts.insert(name.to_owned());
    }

    pub(super) fn knows(&self, host: &str) -> bool {
        self.state.lock().hosts.contains(host)
    }

    pub(super) fn direction(&self, from: &str, to: &str) -> Arc<Mutex<Direction>> {
        self.state.lock().direction(from, to)
    }

    /// Waits for some fault to begin or end.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Takes a port of a host, a free one for 0. `None`: somebody has it.
    pub(super) fn listen(
        &self,
        host: &str,
        port: u16,
        loopback_only: bool,
        backlog: &Arc<Backlog>,
    ) -> Option<u16> {
        let mut state = self.state.lock();
        let port = if port == 0 { state.free_port(host)? } else { port };
        if state.is_bound(host, port) {
            return None;
        }
        let bound = Bound { backlog: Arc::downgrade(backlog), loopback_only };
        state.listeners.insert((host.to_owned(), port), bound);
        Some(port)
    }

    /// Makes a stream between two hosts, hands one end to the listener and returns the other.
    pub(super) fn connect(&self, from: &str, to: &str, port: u16) -> io::Result<Stream> {
        let mut state = self.state.lock();
        let backlog = state
            .listeners
            .get(&(to.to_owned(), port))
            .filter(|bound| !bound.loopback_only || from == to)
            .and_then(|bound| bound.backlog.upgrade())
            .filter(|backlog| backlog.has_room())
            .ok_or(io::ErrorKind::ConnectionRefused)?;
        let own_port = state.free_port(from).unwrap_or(FIRST_FREE_PORT);
        let duct = Arc::new(Duct { there: state.lane(from, to), back: state.lane(to, from) });
        state.remember(Connected {
            dialer: from.to_owned(),
            acceptor: to.to_owned(),
            duct: Arc::downgrade(&duct),
        });
        drop(state);
        let (local, remote) = (format!("tcp://{from}:{own_port}"), format!("tcp://{to}:{port}"));
        let dialer = PeerAddress { remote: local.clone(), local: remote.clone() };
        backlog.push(end(&duct, Holder::Acceptor, dialer));
        Ok(end(&duct, Holder::Dialer, PeerAddress { remote, local }))
    }

    pub(super) fn set_usual(&self, conditions: LinkConditions) {
        let mut state = self.state.lock();
        state.usual = conditions;
        for ((from, to), direction) in &state.directions {
            if from != to && !state.set.contains(&(from.clone(), to.clone())) {
                direction.lock().conditions = conditions;
            }
        }
    }

    pub(super) fn set_direction(&self, from: &str, to: &str, conditions: LinkConditions) {
        let mut state = self.state.lock();
        state.set.insert((from.to_owned(), to.to_owned()));
        state.direction(from, to).lock().conditions = conditions;
        drop(state);
        self.look_again();
    }

    /// New dials between two hosts are refused.
    pub(super) fn refuse(&self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.direction(from, to).lock().refusing = true;
        }
        self.look_again();
    }

    /// Nothing arrives any more between two hosts.
    pub(super) fn silence(&self, a: &str, b: &str) {
        for (from, to) in [(a, b), (b, a)] {
            self.direction(from, to).lock().silent_since.get_or_insert(Instant::now());
        }
    }

    /// Ends refusal and silence between two hosts.
    pub(super) fn heal(&self, a: &str, b: &str) {
        for stream in self.streams(|stream| stream.is_between(a, b)) {
            stream.duct.there.resend();
            stream.duct.back.resend();
        }
        for (from, to) in [(a, b), (b, a)] {
            let direction = self.direction(from, to);
            let mut direction = direction.lock();
            direction.refusing = false;
            direction.silent_since = None;
        }
        self.look_again();
    }

    /// Ends all streams between two hosts by force; both ends notice at once.
    pub(super) fn reset_between(&self, a: &str, b: &str) {
        for stream in self.streams(|stream| stream.is_between(a, b)) {
            for lane in [&stream.duct.there, &stream.duct.back] {
                lane.reset(End::Reader, true);
                lane.reset(End::Writer, true);
            }
        }
    }

    /// A host loses its streams and listeners; its peers notice when the news arrives.
    pub(super) fn crash(&self, host: &str) {
        for stream in self.streams(|stream| stream.dialer == host || stream.acceptor == host) {
            let dialed = stream.dialer == host;
            let accepted = stream.acceptor == host;
            stream.duct.there.reset(End::Writer, dialed);
            stream.duct.back.reset(End::Reader, dialed);
            stream.duct.there.reset(End::Reader, accepted);
            stream.duct.back.reset(End::Writer, accepted);
        }
        let mut crashed = Vec::new();
        self.state.lock().listeners.retain(|(bound, _), listener| {
            if bound == host {
                crashed.push(listener.backlog.upgrade());
            }
            bound != host
        });
        // Closed without the lock: what waits there ends streams of its own.
        for backlog in crashed.into_iter().flatten() {
            backlog.close();
        }
        self.look_again();
    }

    /// All pairs of hosts with a fault between them.
    pub(super) fn faulty(&self) -> Vec<(String, String)> {
        let state = self.state.lock();
        let is_faulty = |direction: &Mutex<Direction>| {
            let direction = direction.lock();
            direction.refusing || direction.silent_since.is_some()
        };
        let faulty = state.directions.iter().filter(|(_, direction)| is_faulty(direction));
        faulty.map(|(pair, _)| pair.clone()).collect()
    }

    fn look_again(&self) {
        for stream in self.streams(|_| true) {
            stream.duct.there.wake();
            stream.duct.back.wake();
        }
        self.changed.notify_waiters();
    }

    fn streams(&self, wanted: impl Fn(&Connected) -> bool) -> Vec<Living> {
        let state = self.state.lock();
        state.streams.iter().filter(|stream| wanted(stream)).filter_map(Connected::living).collect()
    }
}

/// A stream of which some half is still held.
struct Living {
    dialer: String,
    acceptor: String,
    duct: Arc<Duct>,
}

impl Connected {
    fn living(&self) -> Option<Living> {
        Some(Living {
            dialer: self.dialer.clone(),
            acceptor: self.acceptor.clone(),
            duct: self.duct.upgrade()?,
        })
    }

    fn is_between(&self, a: &str, b: &str) -> bool {
        (self.dialer == a && self.acceptor == b) || (self.dialer == b && self.acceptor == a)
    }
}

impl State {
    fn direction(&mut self, from: &str, to: &str) -> Arc<Mutex<Direction>> {
        let conditions = if from == to { LinkConditions::loopback() } else { self.usual };
        let direction = self
            .directions
            .entry((from.to_owned(), to.to_owned()))
            .or_insert_with(|| Arc::new(Mutex::new(Direction::new(conditions))));
        Arc::clone(direction)
    }

    fn lane(&mut self, from: &str, to: &str) -> Lane {
        Lane::new(self.direction(from, to), self.random.fork())
    }

    fn is_bound(&self, host: &str, port: u16) -> bool {
        let bound = self.listeners.get(&(host.to_owned(), port));
        bound.is_some_and(|bound| bound.backlog.strong_count() > 0)
    }

    fn free_port(&mut self, host: &str) -> Option<u16> {
        for _ in FIRST_FREE_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_FREE_PORT);
            if !self.is_bound(host, port) {
                return Some(port);
            }
        }
        None
    }

    fn remember(&mut self, stream: Connected) {
        if self.streams.len() >= self.sift_at {
            self.streams.retain(|stream| stream.duct.strong_count() > 0);
            self.sift_at = (self.streams.len() * 2).max(64);
        }
        self.streams.push(stream);
    }
}
