//! Which destinations live.

use std::collections::HashMap;
use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::destination::Destination;
use parking_lot::RwLock;

use super::counters::{DestinationCounters, Totals};
use super::publish_error::PublishError;
use super::queue_handle::QueueHandle;
use super::topic_handle::{TopicHandle, TopicSubscriber};
use crate::destination::MemoryAccount;

/// How many destinations a broker keeps: clients make them by naming them, so there is an end.
const MOST_DESTINATIONS: usize = 200_000;

/// A living destination, to send to: keep it while sending to the same address.
#[derive(Clone)]
pub struct Target(pub(super) Living);

#[derive(Clone)]
pub(super) enum Living {
    Queue(Arc<QueueHandle>),
    Topic(Arc<TopicHandle>),
}

impl Living {
    fn counters(&self) -> &DestinationCounters {
        match self {
            Self::Queue(queue) => queue.counters(),
            Self::Topic(topic) => topic.counters(),
        }
    }
}

impl Target {
    /// Its address.
    pub fn address(&self) -> &Destination {
        match &self.0 {
            Living::Queue(queue) => queue.address(),
            Living::Topic(topic) => topic.address(),
        }
    }

    /// The account that its messages count on.
    pub fn account(&self) -> &Arc<MemoryAccount> {
        match &self.0 {
            Living::Queue(queue) => queue.account(),
            Living::Topic(topic) => topic.account(),
        }
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> DestinationSnapshot {
        let (waiting, in_flight, consumers) = match &self.0 {
            Living::Queue(queue) => queue.depth(),
            Living::Topic(topic) => {
                let (in_flight, consumers) = topic.depth();
                (0, in_flight, consumers)
            }
        };
        let counters = self.0.counters();
        DestinationSnapshot {
            address: self.address().clone(),
            waiting,
            in_flight,
            consumers,
            memory: self.account().used(),
            enqueued: counters.enqueued(),
            dispatched: counters.dispatched(),
            settled: counters.settled(),
            expired: counters.expired(),
            dead: counters.dead(),
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
    /// In order of subscription.
    patterns: Vec<TopicPattern>,
}

/// A subscription to all topics of a pattern.
pub(super) struct TopicPattern {
    pattern: DestinationPattern,
    /// A bridge's: of the topics that match, those that may cross.
    permits: Option<Arc<Permits>>,
    subscriber: Arc<TopicSubscriber>,
}

impl TopicPattern {
    pub(super) fn new(
        pattern: DestinationPattern,
        permits: Option<Arc<Permits>>,
        subscriber: Arc<TopicSubscriber>,
    ) -> Self {
        Self { pattern, permits, subscriber }
    }

    fn matches(&self, address: &Destination) -> bool {
        self.pattern.matches(address)
            && self.permits.as_ref().is_none_or(|permits| permits.verdict(address).may_cross())
    }
}

impl Directory {
    pub(super) fn find(&self, address: &Destination) -> Option<Living> {
        self.tables.read().living.get(address).cloned()
    }

    /// The destination at `address`; brought to life, with what `account` gives, if it is not.
    pub(super) fn find_or_create(
        &self,
        address: &Destination,
        account: impl FnOnce() -> Arc<MemoryAccount>,
    ) -> Result<Found, PublishError> {
        if let Some(living) = self.find(address) {
            return Ok(Found { living, created: false });
        }
        let mut tables = self.tables.write();
        if let Some(living) = tables.living.get(address) {
            return Ok(Found { living: living.clone(), created: false });
        }
        if tables.living.len() >= MOST_DESTINATIONS {
            return Err(PublishError::TooManyDestinations {
                address: address.clone(),
                most: MOST_DESTINATIONS,
            });
        }
        let living = if address.kind().is_queue() {
            Living::Queue(Arc::new(QueueHandle::new(address.clone(), account())))
        } else {
            let topic = TopicHandle::new(address.clone(), account());
            for pattern in tables.patterns.iter().filter(|pattern| pattern.matches(address)) {
                topic.attach(&pattern.subscriber);
            }
            Living::Topic(Arc::new(topic))
        };
        tables.living.insert(address.clone(), living.clone());
        Ok(Found { living, created: true })
    }

    pub(super) fn remove(&self, address: &Destination) {
        let mut tables = self.tables.write();
        if let Some(living) = tables.living.remove(address) {
            tables.gone.add(living.counters());
        }
    }

    /// Lets a subscription have all topics that match, now and later.
    pub(super) fn attach_pattern(&self, pattern: TopicPattern) {
        let mut tables = self.tables.write();
        for (address, living) in &tables.living {
            if let Living::Topic(topic) = living
                && pattern.matches(address)
            {
                topic.attach(&pattern.subscriber);
            }
        }
        tables.patterns.push(pattern);
    }

    pub(super) fn detach_pattern(&self, subscriber: &Arc<TopicSubscriber>) {
        let mut tables = self.tables.write();
        let before = tables.patterns.len();
        tables.patterns.retain(|pattern| !Arc::ptr_eq(&pattern.subscriber, subscriber));
        if tables.patterns.len() == before {
            return;
        }
        for living in tables.living.values() {
            if let Living::Topic(topic) = living {
                topic.detach(subscriber);
            }
        }
    }

    /// The subscriptions by pattern that match an address which has no living topic.
    pub(super) fn matching(&self, address: &Destination) -> Vec<Arc<TopicSubscriber>> {
        let tables = self.tables.read();
        let mut found: Vec<Arc<TopicSubscriber>> = Vec::new();
        for pattern in tables.patterns.iter().filter(|pattern| pattern.matches(address)) {
            if !found.iter().any(|other| Arc::ptr_eq(other, &pattern.subscriber)) {
                found.push(Arc::clone(&pattern.subscriber));
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
        let tables = self.tables.read();
        let mut all: Vec<(&Destination, &Living)> = tables.living.iter().collect();
        all.sort_by_key(|(address, _)| *address);
        all.into_iter().map(|(_, living)| living.clone()).collect()
    }
}

/// A destination, and whether it was just brought to life.
pub(super) struct Found {
    pub(super) living: Living,
    pub(super) created: bool,
}
