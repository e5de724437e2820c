//! The broker: what all connections share.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use ferrymq_network::BrokerIdentity;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, ProducerId, SessionId};
use ferrymq_store::contract::{Failure, Store};
use ferrymq_transport::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::alarms::Alarms;
use super::clients::Clients;
use super::counters::Totals;
use super::death::Death;
use super::directory::{DestinationSnapshot, Directory, Living, Target};
use super::durables::Durables;
use super::letter_audit::LetterAudit;
use super::letter_numbers::LetterNumbers;
use super::persistence::Persistence;
use super::queue_handle::Aftermath;
use super::registry::Registry;
use super::safe_commits::SafeCommits;
use super::shortages::Shortages;
use super::spool::Spool;
use super::work::Work;
use crate::config::{DestinationPolicy, Limits, VirtualTopic};
use crate::destination::{AuditMemory, MemoryAccount};
use crate::selector::Selectors;
use crate::transaction::{Branches, Outcomes, Tags};

/// How many bytes the audits of all destinations may take together, beside one producer for each.
const AUDIT_BYTES: usize = 64 * 1024 * 1024;

/// What a broker is made from.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// Its identifier, unique among all brokers that ever were: see [`fresh_id`](Broker::fresh_id).
    pub id: String,
    /// Its name, unique in its network.
    pub name: String,
    /// Where peers may reach it; goes into its `BrokerInfo`.
    pub url: String,
    /// Where its admin API answers, for other brokers to tell; goes into its `BrokerInfo`.
    pub admin: Option<String>,
    /// How much it may hold.
    pub limits: Limits,
    /// The topics whose messages also go to queues.
    pub virtual_topics: Vec<VirtualTopic>,
    /// What its persistent messages are kept in; without it they end with the broker.
    pub store: Option<Arc<dyn Store>>,
    /// Whether there is a temporary store to be [given](Broker::give_spool) beside it.
    pub spools: bool,
}

pub(super) struct Settings {
    pub(super) policies: Vec<DestinationPolicy>,
    /// What becomes of messages for which there is no room, where no policy says it.
    pub(super) send_fail_if_no_space: bool,
    pub(super) send_fail_if_no_space_after_timeout: Duration,
}

/// Accepts, keeps and dispatches messages; shared by all connections.
///
/// Locks, in the order in which they may be taken: branches of transactions, durable subscriptions, registry, directory, one
/// destination, one topic subscription, an outbox. None is held over a wait.
pub struct Broker {
    pub(super) identity: BrokerIdentity,
    pub(super) settings: Settings,
    pub(super) persistence: Option<Arc<Persistence>>,
    /// Where non-persistent messages of queues wait while memory is short.
    pub(super) spool: Option<Arc<Spool>>,
    /// Why the store has failed, once it has.
    pub(super) store_failure: watch::Sender<Option<Failure>>,
    pub(super) clock: Clock,
    pub(super) memory: Arc<MemoryAccount>,
    pub(super) shortages: Shortages,
    /// What the audits of all destinations take together.
    pub(super) audits: Arc<AuditMemory>,
    /// The next message's number.
    pub(super) sequence: AtomicI64,
    pub(super) directory: Directory,
    /// Queues that want to be woken.
    alarms: Alarms,
    pub(super) durables: Mutex<Durables>,
    pub(super) registry: Mutex<Registry>,
    pub(super) clients: Mutex<Clients>,
    /// The identities of dead letters.
    pub(super) letters: LetterNumbers,
    /// Which messages of topics have one. Locked alone.
    pub(super) buried: Mutex<LetterAudit>,
    /// Those of all consumers.
    pub(super) selectors: Selectors,
    pub(super) tags: Arc<Tags>,
    /// Of distributed transactions.
    pub(super) branches: Mutex<Branches<Work>>,
    /// How the local transactions of connections that are gone ended.
    pub(super) outcomes: Mutex<Outcomes>,
    pub(super) safe_commits: SafeCommits,
}

impl Broker {
    /// An identifier for a broker. It is unique for as long as no other broker of the same name starts
    /// within the same millisecond with the same seed.
    pub fn fresh_id(name: &str, clock: &Clock, seed: u64) -> String {
        format!("ID:{name}-{}-{seed:x}-0:1", clock.now_millis())
    }

    /// A broker without destinations.
    pub fn new(settings: BrokerSettings, clock: Clock) -> Arc<Self> {
        let BrokerSettings { id, name, url, admin, limits, virtual_topics, store, spools } =
            settings;
        let started = clock.now_millis();
        let advisories = ConnectionId::new(format!("{id}:advisory"));
        let producer = ProducerId::new(&SessionId::new(&advisories, started), 1);
        let identity = BrokerIdentity { id: BrokerId::new(id), name, url, admin };
        Arc::new(Self {
            letters: LetterNumbers::new(&identity.id, started),
            registry: Mutex::new(Registry::new(producer, &identity)),
            identity,
            persistence: store.map(Persistence::new),
            spool: spools.then(Arc::default),
            store_failure: watch::Sender::new(None),
            settings: Settings {
                policies: limits.policies,
                send_fail_if_no_space: limits.send_fail_if_no_space,
                send_fail_if_no_space_after_timeout: limits.send_fail_if_no_space_after_timeout,
            },
            clock,
            memory: MemoryAccount::root(limits.memory),
            shortages: Shortages::default(),
            audits: AuditMemory::new(AUDIT_BYTES),
            sequence: AtomicI64::new(1),
            directory: Directory::new(virtual_topics),
            alarms: Alarms::default(),
            durables: Mutex::new(Durables::default()),
            clients: Mutex::new(Clients::default()),
            buried: Mutex::default(),
            selectors: Selectors::default(),
            tags: Arc::default(),
            branches: Mutex::default(),
            outcomes: Mutex::default(),
            safe_commits: SafeCommits::default(),
        })
    }

    /// Who it is.
    pub fn identity(&self) -> &BrokerIdentity {
        &self.identity
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The account of all messages.
    pub fn memory(&self) -> &Arc<MemoryAccount> {
        &self.memory
    }

    /// All destinations, by address.
    pub fn destinations(&self) -> Vec<DestinationSnapshot> {
        self.directory.all().into_iter().map(|living| Target(living).snapshot()).collect()
    }

    /// How many destinations live.
    pub fn living_destinations(&self) -> usize {
        self.directory.len()
    }

    /// What was counted at all destinations since the broker started, gone ones included: it never
    /// falls.
    pub fn totals(&self) -> Totals {
        self.directory.totals()
    }

    /// Drops what has expired while it waited in queues and durable subscriptions, and the places for
    /// answers that nobody told of.
    pub fn expire_messages(&self) {
        self.end_places();
        if let Some(persistence) = &self.persistence {
            persistence.retry();
        }
        let now = self.clock.now_millis();
        let durables = self.durables.lock().all();
        for subscriber in durables {
            self.clear_up(subscriber.expire(now));
        }
        for living in self.directory.all() {
            if let Living::Queue(queue) = living {
                self.clear_up(queue.expire(now));
            }
        }
    }

    /// When the next queue wants to be woken, in milliseconds since 1970.
    pub fn next_alarm(&self) -> Option<i64> {
        self.alarms.next()
    }

    /// Completes when another time has become the [next](Self::next_alarm), perhaps before this was
    /// called.
    pub async fn alarm_changed(&self) {
        self.alarms.changed().await;
    }

    /// Wakes the queues whose time has come, each once: one that has more to do at once says so.
    pub fn wake_queues(&self) {
        let now = self.clock.now_millis();
        let due: Vec<_> = std::iter::from_fn(|| self.alarms.take_due(now)).collect();
        for address in due {
            if let Some(Living::Queue(queue)) = self.directory.find(&address) {
                self.clear_up(queue.tick(now));
            }
        }
    }

    /// Does what a destination left to do: dead letters for what expired and what was refused.
    pub(super) fn clear_up(&self, aftermath: Aftermath) {
        if aftermath.is_empty() {
            return;
        }
        for (at, queue) in aftermath.alarms {
            self.alarms.set(at, queue);
        }
        for message in aftermath.expired {
            self.bury(&message, Death::Expired, "the message expired");
        }
        for letter in aftermath.dead_letters {
            self.bury(&letter.message, Death::Refused, &letter.cause.to_string_lossy());
        }
        if let Some(persistence) = &self.persistence {
            aftermath.gone.into_iter().for_each(|origin| persistence.forget(origin));
        }
    }
}
