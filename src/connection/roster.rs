//! Who is connected, for whoever wants to see it.
//!
//! A connection's task writes its own entry as it goes; nothing here decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ferrymq_network::BrokerIdentity;
use ferrymq_openwire::commands::BrokerInfo;
use ferrymq_openwire::ids::{BrokerId, ConnectionId};
use ferrymq_openwire::text::Text;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;

use super::guidance::{Guidance, GuidedClient};

/// The live connections of a broker.
#[derive(Default)]
pub(super) struct Roster {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// In the order in which they came.
    by_number: BTreeMap<u64, Arc<Entry>>,
    last: u64,
}

/// A connection's place on the roster; dropped, it leaves.
pub(super) struct Place {
    roster: Arc<Roster>,
    number: u64,
    entry: Arc<Entry>,
}

/// What others may see of one connection. Only its task writes, so that counting needs no more
/// than relaxed loads and stores.
pub(super) struct Entry {
    remote: String,
    in_process: bool,
    since: i64,
    /// Knows what was sent, and what waits to be.
    outbox: Mutex<Outbox>,
    /// The peer's software, where it says: `ActiveMQ 5.17.2`.
    product: Option<String>,
    introduced: Mutex<Introduced>,
    /// Told about other brokers, if it may be.
    guidance: Mutex<Option<Arc<Guidance>>>,
    consumers: AtomicUsize,
    producers: AtomicUsize,
    taken: AtomicU64,
}

#[derive(Default)]
struct Introduced {
    client_id: Option<String>,
    connection_id: Option<ConnectionId>,
    broker: Option<BrokerIdentity>,
}

/// A connection at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSnapshot {
    /// Where the peer is: `HOST:PORT`, or the name of whoever is at the far end of a pipe.
    pub remote: String,
    /// Who the peer is.
    pub far_end: FarEnd,
    /// The name that it opened the connection under; none until it has.
    pub client_id: Option<String>,
    /// The identifier that it opened the connection under; its consumers' begin with it.
    pub connection_id: Option<ConnectionId>,
    /// The peer's software, where it says: `ActiveMQ 5.17.2`.
    pub product: Option<String>,
    /// When it came, in milliseconds since 1970.
    pub since: i64,
    /// Its consumers.
    pub consumers: usize,
    /// Its producers.
    pub producers: usize,
    /// Messages taken from it.
    pub messages_in: u64,
    /// Messages handed to it, each time that one was.
    pub messages_out: u64,
    /// Commands that it has not read yet.
    pub pending: usize,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FarEnd {
    /// A client.
    Client,
    /// Another broker's bridge to this one.
    Broker(BrokerIdentity),
    /// This broker's own bridge to another one, or an embedded client: over a pipe.
    InProcess(Option<BrokerIdentity>),
}

impl Roster {
    /// Adds a connection that came at `since`.
    pub(super) fn enter(
        self: Arc<Self>,
        remote: &str,
        in_process: bool,
        since: i64,
        product: Option<String>,
        outbox: &Outbox,
    ) -> Place {
        let entry = Arc::new(Entry {
            remote: remote.to_owned(),
            in_process,
            since,
            outbox: Mutex::new(outbox.clone()),
            product,
            introduced: Mutex::default(),
            guidance: Mutex::default(),
            consumers: AtomicUsize::new(0),
            producers: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
        });
        let number = {
            let mut entries = self.entries.lock();
            entries.last += 1;
            let number = entries.last;
            entries.by_number.insert(number, Arc::clone(&entry));
            number
        };
        Place { roster: self, number, entry }
    }

    /// All connections, in the order in which they came.
    pub(super) fn snapshots(&self) -> Vec<ConnectionSnapshot> {
        let entries: Vec<Arc<Entry>> = self.entries.lock().by_number.values().cloned().collect();
        entries.iter().map(|entry| entry.snapshot()).collect()
    }

    /// The clients that may be told where to go.
    pub(super) fn guided(&self) -> Vec<GuidedClient> {
        let entries = self.entries.lock();
        let guided = entries.by_number.iter().filter_map(|(number, entry)| {
            let guidance = entry.guidance.lock().clone()?;
            let outbox = entry.outbox.lock().clone();
            Some(GuidedClient { number: *number, guidance, outbox })
        });
        guided.collect()
    }
}

impl Place {
    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.roster.entries.lock().by_number.remove(&self.number);
    }
}

impl Entry {
    /// From now on what goes to the peer goes there.
    pub(super) fn sends_by(&self, outbox: &Outbox) {
        *self.outbox.lock() = outbox.clone();
    }

    /// The peer has opened its connection under these names.
    pub(super) fn opened_by(&self, client_id: &Text, connection_id: &ConnectionId) {
        let mut introduced = self.introduced.lock();
        introduced.client_id = Some(client_id.to_string());
        introduced.connection_id = Some(connection_id.clone());
    }

    /// The peer is a client that may be told where to go.
    pub(super) fn is_guided_by(&self, guidance: Option<&Arc<Guidance>>) {
        *self.guidance.lock() = guidance.cloned();
    }

    /// The connection is a bridge's: `info` names the broker at its far end.
    pub(super) fn is_of_broker(&self, info: &BrokerInfo) {
        let nameless = BrokerInfo { broker_id: Some(BrokerId::default()), ..info.clone() };
        let identity = BrokerIdentity::of(info).or_else(|| BrokerIdentity::of(&nameless));
        self.introduced.lock().broker = identity;
    }

    /// How many consumers and producers the peer has now.
    pub(super) fn holds(&self, consumers: usize, producers: usize) {
        self.consumers.store(consumers, Ordering::Relaxed);
        self.producers.store(producers, Ordering::Relaxed);
    }

    /// Counts a message that was taken.
    pub(super) fn count_message(&self) {
        let before = self.taken.load(Ordering::Relaxed);
        self.taken.store(before.wrapping_add(1), Ordering::Relaxed);
    }

    fn snapshot(&self) -> ConnectionSnapshot {
        let outbox = self.outbox.lock().clone();
        let (client_id, connection_id, broker) = {
            let Introduced { client_id, connection_id, broker } = &*self.introduced.lock();
            (client_id.clone(), connection_id.clone(), broker.clone())
        };
        ConnectionSnapshot {
            remote: self.remote.clone(),
            far_end: match broker {
                broker if self.in_process => FarEnd::InProcess(broker),
                Some(broker) => FarEnd::Broker(broker),
                None => FarEnd::Client,
            },
            client_id,
            connection_id,
            product: self.product.clone(),
            since: self.since,
            consumers: self.consumers.load(Ordering::Relaxed),
            producers: self.producers.load(Ordering::Relaxed),
            messages_in: self.taken.load(Ordering::Relaxed),
            messages_out: outbox.dispatches(),
            pending: outbox.pending(),
        }
    }
}
