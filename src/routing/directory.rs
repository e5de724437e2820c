//! Which destinations live.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::text::Text;
use parking_lot::RwLock;

use super::address_range;
use super::arrival::Arrival;
use super::counters::{DestinationCounters, Totals};
use super::publish_error::PublishError;
use super::queue_group::QueueGroup;
use super::queue_handle::QueueHandle;
use super::shortage::{NoSpace, Shortage};
use super::terms::Terms;
use super::topic_handle::{Listener, TopicHandle};
use super::topic_subscriber::TopicSubscriber;
use super::virtual_topics::{TopicsOf, VirtualTopics};
use crate::config::VirtualTopic;
use crate::destination::MemoryAccount;

/// How many destinations a broker keeps: clients make them by naming them, so there is an end.
const MOST_DESTINATIONS: usize = 200_000;

/// How long a name may be: an advisory topic's name holds that of its destination, and a string of
/// the wire ends at 64 KiB.
const LONGEST_NAME: usize = 8 * 1024;
/// How long all names may be together.
const MOST_NAME_BYTES: usize = 64 * 1024 * 1024;

/// A living destination, to send to: keep it while sending to the same address.
#[derive(Clone)]
pub struct Target(pub(super) Living);

#[derive(Clone)]
pub(super) enum Living {
    Queue(Arc<QueueHandle>),
    Topic(Arc<TopicHandle>),
}

impl Living {
    pub(super) fn address(&self) -> &Destination {
        match self {
            Self::Queue(queue) => queue.address(),
            Self::Topic(topic) => topic.address(),
        }
    }

    pub(super) fn counters(&self) -> &DestinationCounters {
        match self {
            Self::Queue(queue) => queue.counters(),
            Self::Topic(topic) => topic.counters(),
        }
    }
}

impl Target {
    /// Its address.
    pub fn address(&self) -> &Destination {
        self.0.address()
    }

    /// The account that its messages count on.
    pub fn account(&self) -> &Arc<MemoryAccount> {
        match &self.0 {
            Living::Queue(queue) => queue.account(),
            Living::Topic(topic) => topic.account(),
        }
    }

    /// Whether the next message that comes so must wait for room.
    pub fn is_full(&self, arrival: Arrival, persistent: bool) -> bool {
        match &self.0 {
            Living::Queue(queue) => queue.is_full(arrival, persistent),
            Living::Topic(topic) => topic.is_full(arrival, persistent),
        }
    }

    /// Which limit keeps the next message out that comes so; none: it has room by now.
    pub fn shortage(&self, arrival: Arrival, persistent: bool) -> Option<Shortage> {
        match &self.0 {
            Living::Queue(queue) => queue.shortage(arrival, persistent),
            Living::Topic(topic) => topic.shortage(arrival, persistent),
        }
    }

    /// What becomes of a message for which there is no room here.
    pub fn no_space(&self) -> NoSpace {
        match &self.0 {
            Living::Queue(queue) => queue.no_space(),
            Living::Topic(topic) => topic.no_space(),
        }
    }

    /// A message has to wait for room.
    pub fn note_parked(&self) {
        self.0.counters().add_parked();
    }

    /// Whether what a bridge brings had better wait.
    pub fn holds_back(&self) -> bool {
        matches!(&self.0, Living::Queue(queue) if queue.holds_back())
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> DestinationSnapshot {
        let [waiting, on_disk, set_aside, in_flight, consumers] = match &self.0 {
            Living::Queue(queue) => queue.depth(),
            Living::Topic(topic) => {
                let (in_flight, consumers) = topic.depth();
                [0, 0, 0, in_flight, consumers]
            }
        };
        let counters = self.0.counters();
        DestinationSnapshot {
            address: self.address().clone(),
            waiting,
            on_disk,
            set_aside,
            in_flight,
            consumers,
            memory: self.account().used(),
            enqueued: counters.enqueued(),
            dispatched: counters.dispatched(),
            settled: counters.settled(),
            expired: counters.expired(),
            dead: counters.dead(),
            duplicates: counters.duplicates(),
            doubtful: counters.doubtful(),
            forgotten: counters.forgotten(),
            parked: counters.parked(),
            too_large: counters.too_large(),
        }
    }
}

/// A destination at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationSnapshot {
    /// Its address.
    pub address: Destination,
    /// Messages that wait for a consumer.
    pub waiting: usize,
    /// How many of those are on disk only.
    pub on_disk: usize,
    /// Messages that are damaged on disk, and that nobody gets.
    pub set_aside: usize,
    /// Messages dispatched and not settled.
    pub in_flight: usize,
    /// Subscriptions, those of bridges included.
    pub consumers: usize,
    /// Bytes that its messages hold.
    pub memory: u64,
    /// Messages taken in.
    pub enqueued: u64,
    /// Messages handed to consumers.
    pub dispatched: u64,
    /// Messages acknowledged.
    pub settled: u64,
    /// Messages that expired.
    pub expired: u64,
    /// Messages that a consumer refused for good.
    pub dead: u64,
    /// Messages that a bridge brought again, and that were not taken again.
    pub duplicates: u64,
    /// Messages of a bridge that the audit could not tell from new ones, and that were taken.
    pub doubtful: u64,
    /// Producers that the audit has forgotten, because there were too many.
    pub forgotten: u64,
    /// Messages that had to wait because there was no room.
    pub parked: u64,
    /// Messages that consumers of the topic did not get because their frames are too small.
    pub too_large: u64,
}

/// The living destinations, and the topic subscriptions by pattern that new topics get.
#[derive(Default)]
pub(super) struct Directory {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    living: HashMap<Destination, Living>,
    /// What was counted at destinations that are gone.
    gone: Totals,
    /// The topics among them, by name, for patterns to find theirs.
    topics: BTreeMap<Destination, Arc<TopicHandle>>,
    /// The queues among them, for the same.
    queues: BTreeMap<Destination, Arc<QueueHandle>>,
    /// By the first level of their names (`None` where it is a wildcard); each in order of
    /// subscription.
    patterns: HashMap<Option<Text>, Vec<TopicPattern>>,
    /// Consumers of several queues, by the first levels of their names.
    groups: HashMap<Option<Text>, Vec<Arc<QueueGroup>>>,
    /// Which queues get copies of which topics' messages.
    virtual_topics: VirtualTopics,
    /// Bytes of all names.
    name_bytes: usize,
}

impl Tables {
    /// The subscriptions by pattern that an address matches.
    fn matching<'a>(&'a self, address: &'a Destination) -> impl Iterator<Item = &'a TopicPattern> {
        let keys = [first_level(address.name()), None];
        let patterns = keys.into_iter().filter_map(|key| self.patterns.get(&key)).flatten();
        patterns.filter(|pattern| pattern.matches(address))
    }

    /// Lets a new queue have copies of what is published to its virtual topics.
    fn join_topics(&mut self, queue: &Arc<QueueHandle>) {
        for topics in self.virtual_topics.add(queue) {
            match topics {
                TopicsOf::One(topic, fan_out) => {
                    if let Some(topic) = self.topics.get(&topic) {
                        topic.copy_to([fan_out]);
                    }
                }
                TopicsOf::Matching(pattern, rule, fan_out) => {
                    for (address, topic) in address_range::matching(&self.topics, &pattern) {
                        if rule.matches(address) {
                            topic.copy_to([fan_out.clone()]);
                        }
                    }
                }
            }
        }
    }

    fn leave_topics(&mut self, queue: &Destination) {
        for topics in self.virtual_topics.remove(queue) {
            for (_, topic) in address_range::matching(&self.topics, &topics) {
                topic.copy_no_more_to(queue);
            }
        }
    }

    /// The consumers of several queues that are to have the queue at an address.
    fn groups_for<'a>(
        &'a self,
        address: &'a Destination,
    ) -> impl Iterator<Item = &'a Arc<QueueGroup>> {
        let keys = [first_level(address.name()), None];
        let groups = keys.into_iter().filter_map(|key| self.groups.get(&key)).flatten();
        groups.filter(|group| group.wants(address))
    }
}

/// The first level of a name, unless it is a wildcard.
fn first_level(name: &Text) -> Option<Text> {
    let first = name.as_bytes().split(|byte| *byte == b'.').next()?;
    if first == b"*" || first == b">" { None } else { Text::from_wire(first).ok() }
}

/// A subscription to all topics of a pattern.
pub(super) struct TopicPattern {
    pattern: DestinationPattern,
    /// A bridge's: of the topics that match, those that may cross.
    permits: Option<Arc<Permits>>,
    subscriber: Listener,
}

impl TopicPattern {
    pub(super) fn new(
        pattern: DestinationPattern,
        permits: Option<Arc<Permits>>,
        subscriber: Listener,
    ) -> Self {
        Self { pattern, permits, subscriber }
    }

    fn matches(&self, address: &Destination) -> bool {
        self.pattern.matches(address)
            && self.permits.as_ref().is_none_or(|permits| permits.verdict(address).may_cross())
    }
}

impl Directory {
    /// An empty one, with these rules of virtual topics.
    pub(super) fn new(rules: Vec<VirtualTopic>) -> Self {
        let tables = Tables { virtual_topics: VirtualTopics::new(rules), ..Tables::default() };
        Self { tables: RwLock::new(tables) }
    }

    /// Whether a name with wildcards is that of a queue of several virtual topics.
    pub(super) fn names_virtual_queue(&self, address: &Destination) -> bool {
        self.tables.read().virtual_topics.names_queue(address)
    }

    pub(super) fn find(&self, address: &Destination) -> Option<Living> {
        self.tables.read().living.get(address).cloned()
    }

    /// The destination at `address`; brought to life, on the `terms` given, if it is not.
    pub(super) fn find_or_create(
        &self,
        address: &Destination,
        terms: impl FnOnce() -> Terms,
    ) -> Result<Found, PublishError> {
        if let Some(living) = self.find(address) {
            return Ok(Found { living, created: false });
        }
        let mut tables = self.tables.write();
        if let Some(living) = tables.living.get(address) {
            return Ok(Found { living: living.clone(), created: false });
        }
        let length = address.name().as_bytes().len();
        if length > LONGEST_NAME || tables.name_bytes + length > MOST_NAME_BYTES {
            return Err(PublishError::NamesTooLong {
                length,
                longest: LONGEST_NAME,
                most: MOST_NAME_BYTES,
            });
        }
        if tables.living.len() >= MOST_DESTINATIONS {
            return Err(PublishError::TooManyDestinations {
                address: address.clone(),
                most: MOST_DESTINATIONS,
            });
        }
        let living = if address.kind().is_queue() {
            let queue = Arc::new(QueueHandle::new(address.clone(), terms()));
            for group in tables.groups_for(address) {
                // It is empty: nothing is dispatched here.
                group.join(&queue, i64::MIN);
            }
            tables.join_topics(&queue);
            tables.queues.insert(address.clone(), Arc::clone(&queue));
            Living::Queue(queue)
        } else {
            let topic = Arc::new(TopicHandle::new(address.clone(), terms()));
            for pattern in tables.matching(address) {
                // It is new.
                let _ = topic.attach(&pattern.subscriber);
            }
            topic.copy_to(tables.virtual_topics.of(address));
            tables.topics.insert(address.clone(), Arc::clone(&topic));
            Living::Topic(topic)
        };
        tables.name_bytes += length;
        tables.living.insert(address.clone(), living.clone());
        Ok(Found { living, created: true })
    }

    /// Returns whether it was there.
    pub(super) fn remove(&self, address: &Destination) -> bool {
        let mut tables = self.tables.write();
        let gone = tables.living.remove(address);
        if let Some(living) = &gone {
            tables.gone.add(living.counters());
            tables.name_bytes -= address.name().as_bytes().len();
            tables.topics.remove(address);
            if tables.queues.remove(address).is_some() {
                tables.leave_topics(address);
            }
            for group in tables.groups_for(address) {
                group.leave(address);
            }
        }
        gone.is_some()
    }

    /// Lets a subscription have all topics that match, now and later.
    pub(super) fn attach_pattern(&self, pattern: TopicPattern) {
        let mut tables = self.tables.write();
        for (address, topic) in address_range::matching(&tables.topics, &pattern.pattern) {
            if pattern.matches(address) {
                // Where one is being deleted, its successor finds the pattern.
                let _ = topic.attach(&pattern.subscriber);
            }
        }
        let key = first_level(pattern.pattern.name());
        tables.patterns.entry(key).or_default().push(pattern);
    }

    /// Changes which of the topics that a pattern matches a bridge's subscription may have. It misses
    /// nothing of those that it may have before and after.
    pub(super) fn permit_anew(&self, anew: TopicPattern) {
        let mut tables = self.tables.write();
        for (address, topic) in address_range::matching(&tables.topics, &anew.pattern) {
            if anew.matches(address) {
                // Where one is being deleted, its successor finds the pattern.
                let _ = topic.attach(&anew.subscriber);
            } else {
                topic.detach(&anew.subscriber);
            }
        }
        let patterns = tables.patterns.entry(first_level(anew.pattern.name())).or_default();
        let same = |other: &TopicPattern| {
            other.pattern == anew.pattern && other.subscriber.is(&anew.subscriber)
        };
        match patterns.iter().position(same).and_then(|at| patterns.get_mut(at)) {
            Some(former) => *former = anew,
            None => patterns.push(anew),
        }
    }

    /// Ends what [`attach_pattern`](Self::attach_pattern) began.
    pub(super) fn detach_pattern(&self, pattern: &DestinationPattern, subscriber: &Listener) {
        let mut tables = self.tables.write();
        let key = first_level(pattern.name());
        if let Some(patterns) = tables.patterns.get_mut(&key) {
            patterns.retain(|other| other.pattern != *pattern || !other.subscriber.is(subscriber));
            if patterns.is_empty() {
                tables.patterns.remove(&key);
            }
        }
        for (_, topic) in address_range::matching(&tables.topics, pattern) {
            topic.detach(subscriber);
        }
    }

    /// Lets a consumer have the queues that come from now on; returns those that it is to join now.
    pub(super) fn attach_group(&self, group: &Arc<QueueGroup>) -> Vec<Arc<QueueHandle>> {
        let mut tables = self.tables.write();
        let keys: HashSet<Option<Text>> =
            group.patterns().iter().map(|pattern| first_level(pattern.name())).collect();
        for key in keys {
            tables.groups.entry(key).or_default().push(Arc::clone(group));
        }
        let patterns = group.patterns().iter();
        let living = patterns.flat_map(|pattern| address_range::matching(&tables.queues, pattern));
        living
            .filter(|(address, _)| group.wants(address))
            .map(|(_, queue)| Arc::clone(queue))
            .collect()
    }

    /// Lets a consumer have no queues that come from now on.
    pub(super) fn detach_group(&self, group: &Arc<QueueGroup>) {
        let mut tables = self.tables.write();
        for pattern in group.patterns() {
            let key = first_level(pattern.name());
            if let Some(groups) = tables.groups.get_mut(&key) {
                groups.retain(|other| !Arc::ptr_eq(other, group));
                if groups.is_empty() {
                    tables.groups.remove(&key);
                }
            }
        }
    }

    /// The subscriptions by pattern, durable ones left out, that match an address which has no
    /// living topic.
    pub(super) fn matching(&self, address: &Destination) -> Vec<Arc<TopicSubscriber>> {
        let tables = self.tables.read();
        let mut found: Vec<Arc<TopicSubscriber>> = Vec::new();
        let mut seen = HashSet::new();
        for pattern in tables.matching(address) {
            if let Listener::Plain(subscriber) = &pattern.subscriber
                && seen.insert(Arc::as_ptr(subscriber))
            {
                found.push(Arc::clone(subscriber));
            }
        }
        found
    }

    pub(super) fn len(&self) -> usize {
        self.tables.read().living.len()
    }

    /// What was counted at all destinations, gone ones included.
    pub(super) fn totals(&self) -> Totals {
        let tables = self.tables.read();
        let mut totals = tables.gone;
        for living in tables.living.values() {
            totals.add(living.counters());
        }
        totals
    }

    /// All living destinations, by address.
    pub(super) fn all(&self) -> Vec<Living> {
        let mut all: Vec<Living> = self.tables.read().living.values().cloned().collect();
        all.sort_by(|one, other| one.address().cmp(other.address()));
        all
    }
}

/// A destination, and whether it was just brought to life.
pub(super) struct Found {
    pub(super) living: Living,
    pub(super) created: bool,
}
