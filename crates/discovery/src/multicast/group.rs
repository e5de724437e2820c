//! Who is there, from what was heard of a group: a plain machine, told packets and the time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use tokio::time::Instant;

use super::packet::{self, PacketError};
use super::secret::Secret;
use crate::allowance::Allowance;
use crate::found::dialled;
use crate::known::{Absent, Known, Remote};
use crate::own::Own;

/// Brokers that are known at a time.
pub(super) const MOST_PEERS: usize = 1024;
/// Of those, such as one machine announces.
pub(super) const MOST_OF_SOURCE: usize = 128;
/// New ones at once; then one each [`NEW_INTERVAL`].
pub(super) const MOST_NEW: u32 = 64;
/// See [`MOST_NEW`].
pub(super) const NEW_INTERVAL: Duration = Duration::from_millis(50);
/// How long a leave that was taken is told.
pub(super) const LEAVE_KEPT: Duration = Duration::from_secs(60);

/// What a group is to know.
#[derive(Debug)]
pub(super) struct GroupSettings {
    pub(super) group: String,
    pub(super) expiry: Duration,
    pub(super) secret: Option<Secret>,
    /// The options of each address.
    pub(super) discovered: Options,
    pub(super) own: Own,
    /// Whether an address is one of this machine.
    pub(super) is_local: fn(IpAddr) -> bool,
}

/// Who is there.
///
/// [`hear`](Self::hear) and [`expire`](Self::expire) say whether anything has changed; then
/// [`known`](Self::known) is different from before. Time only goes forward.
#[derive(Debug)]
pub(super) struct Group {
    settings: GroupSettings,
    /// By address, as it would be dialled.
    peers: BTreeMap<String, Peer>,
    /// Who has taken leave, until when that is told.
    left: BTreeMap<String, Leave>,
    /// How many each machine announces.
    sources: BTreeMap<IpAddr, usize>,
    newcomers: Allowance,
}

#[derive(Debug)]
struct Peer {
    endpoint: Endpoint,
    source: IpAddr,
    heard: Instant,
    counter: Option<u64>,
}

#[derive(Debug)]
struct Leave {
    endpoint: Endpoint,
    until: Instant,
    counter: Option<u64>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody new.
    New,
    /// Somebody who is known.
    Again,
    /// Somebody has taken leave.
    Left,
    /// Somebody unknown has taken leave.
    Unheeded,
    /// The own broker.
    Own,
    /// Nothing, for this reason.
    Refused(Refusal),
}

/// Why a packet counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Packet(#[from] PacketError),
    #[error("an address that cannot be dialled")]
    Address,
    #[error("another machine's loopback address")]
    Loopback,
    #[error("older than what was heard before: a recording")]
    Replayed,
    #[error("more new brokers at a time than are taken in")]
    TooFast,
    #[error("more brokers of one machine than are taken in")]
    TooManyOfSource,
    #[error("more brokers than are taken in")]
    TooMany,
}

impl Group {
    pub(super) fn new(settings: GroupSettings) -> Self {
        Self {
            settings,
            peers: BTreeMap::new(),
            left: BTreeMap::new(),
            sources: BTreeMap::new(),
            newcomers: Allowance::new(MOST_NEW, NEW_INTERVAL),
        }
    }

    /// Takes in a packet that came from `source`.
    pub(super) fn hear(&mut self, packet: &[u8], source: IpAddr, now: Instant) -> Heard {
        self.take_in(packet, source, now).unwrap_or_else(Heard::Refused)
    }

    fn take_in(&mut self, packet: &[u8], source: IpAddr, now: Instant) -> Result<Heard, Refusal> {
        let settings = &self.settings;
        let said = packet::read(&settings.group, packet, settings.secret.as_ref())?;
        let endpoint = dialled(said.service, &settings.discovered).map_err(|_| Refusal::Address)?;
        if settings.own.includes(&endpoint, settings.is_local) {
            return Ok(Heard::Own);
        }
        let key = endpoint.bare().to_string();
        let known = self.peers.get_mut(&key);
        let before = known.as_ref().map_or_else(
            || self.left.get(&key).and_then(|leave| leave.counter),
            |peer| peer.counter,
        );
        if said.counter.is_some() && said.counter <= before {
            return Err(Refusal::Replayed);
        }
        match known {
            Some(peer) if said.alive => {
                peer.heard = now;
                peer.counter = said.counter;
                Ok(Heard::Again)
            }
            Some(_) => {
                self.forget(&key);
                let until = now + LEAVE_KEPT;
                self.left.insert(key, Leave { endpoint, until, counter: said.counter });
                self.forget_leaves_beyond(MOST_PEERS);
                Ok(Heard::Left)
            }
            None if said.alive => self.enter(key, endpoint, source, said.counter, now),
            None => Ok(Heard::Unheeded),
        }
    }

    fn enter(
        &mut self,
        key: String,
        endpoint: Endpoint,
        source: IpAddr,
        counter: Option<u64>,
        now: Instant,
    ) -> Result<Heard, Refusal> {
        if is_loopback(&endpoint) && !(self.settings.is_local)(source) {
            return Err(Refusal::Loopback);
        }
        if self.peers.len() >= MOST_PEERS {
            return Err(Refusal::TooMany);
        }
        if self.sources.get(&source).is_some_and(|count| *count >= MOST_OF_SOURCE) {
            return Err(Refusal::TooManyOfSource);
        }
        if !self.newcomers.take(now) {
            return Err(Refusal::TooFast);
        }
        *self.sources.entry(source).or_default() += 1;
        self.left.remove(&key);
        self.peers.insert(key, Peer { endpoint, source, heard: now, counter });
        Ok(Heard::New)
    }

    /// Forgets those who were silent for too long; their addresses.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<String> {
        self.left.retain(|_, leave| leave.until > now);
        let expiry = self.settings.expiry;
        let silent = |peer: &Peer| now.saturating_duration_since(peer.heard) >= expiry;
        let gone: Vec<String> = self
            .peers
            .iter()
            .filter(|(_, peer)| silent(peer))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &gone {
            self.forget(key);
        }
        gone
    }

    /// When [`expire`](Self::expire) has something to do, if nothing is heard until then.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let silent = self.peers.values().map(|peer| peer.heard + self.settings.expiry).min();
        let told = self.left.values().map(|leave| leave.until).min();
        silent.into_iter().chain(told).min()
    }

    /// Who is there now.
    pub(super) fn known(&self) -> Known {
        let remotes = |endpoint: &Endpoint| Remote::at(endpoint.clone());
        Known {
            present: self.peers.values().map(|peer| remotes(&peer.endpoint)).collect(),
            absent: Absent::Silent {
                gone: self.left.values().map(|leave| remotes(&leave.endpoint)).collect(),
            },
        }
    }

    fn forget(&mut self, key: &str) {
        let Some(peer) = self.peers.remove(key) else { return };
        if let Some(count) = self.sources.get_mut(&peer.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&peer.source);
            }
        }
    }

    fn forget_leaves_beyond(&mut self, most: usize) {
        while self.left.len() > most {
            let oldest = self.left.iter().min_by_key(|(_, leave)| leave.until);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            self.left.remove(&oldest);
        }
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let host = endpoint.host.as_str();
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
