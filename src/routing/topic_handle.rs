//! A topic and its subscriptions' outboxes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::QueueId;
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::arrival::Arrival;
use super::counters::DestinationCounters;
use super::durable_subscriber::DurableSubscriber;
use super::queue_handle::{Aftermath, Removed};
use super::queue_room::of_memory;
use super::shortage::{NoSpace, Shortage};
use super::terms::Terms;
use super::topic_audit::TopicAudit;
use super::topic_publishing::{Publishing, Subscribers};
use super::topic_subscriber::TopicSubscriber;
use super::virtual_topics::FanOut;
use crate::destination::{AuditRecord, MemoryAccount, Pending, Seen};

/// Whoever gets a topic's messages. It may stand in many topics.
#[derive(Clone)]
pub(super) enum Listener {
    /// For as long as its connection lasts.
    Plain(Arc<TopicSubscriber>),
    /// Also while no consumer is there.
    Durable(Arc<DurableSubscriber>),
}

impl Listener {
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => Arc::ptr_eq(one, other),
            (Self::Durable(one), Self::Durable(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// A living topic: it holds no messages itself, only who subscribes.
pub(super) struct TopicHandle {
    address: Destination,
    account: Arc<MemoryAccount>,
    no_space: NoSpace,
    counters: DestinationCounters,
    /// Held while what a bridge brings is given out: where two ways lead here, the later copy of a
    /// message is known at once, and what follows it by that way must not overtake the first.
    audit: Mutex<TopicAudit>,
    subscribers: RwLock<Subscribers>,
    removed: AtomicBool,
    /// The queues that get copies of what is published here.
    copies: RwLock<Arc<[FanOut]>>,
    /// Whether there are such queues: mostly not, and then no lock is taken for them.
    copied: AtomicBool,
}

impl TopicHandle {
    pub(super) fn new(address: Destination, terms: Terms) -> Self {
        Self {
            address,
            account: terms.account,
            no_space: terms.no_space,
            audit: Mutex::new(TopicAudit::new(terms.audit, terms.persistence)),
            counters: DestinationCounters::default(),
            subscribers: RwLock::default(),
            removed: AtomicBool::new(false),
            copies: RwLock::new(Arc::new([])),
            copied: AtomicBool::new(false),
        }
    }

    pub(super) fn address(&self) -> &Destination {
        &self.address
    }

    pub(super) fn account(&self) -> &Arc<MemoryAccount> {
        &self.account
    }

    pub(super) fn counters(&self) -> &DestinationCounters {
        &self.counters
    }

    /// In flight, subscriptions.
    pub(super) fn depth(&self) -> (usize, usize) {
        let subscribers = self.subscribers.read();
        (subscribers.in_flight(), subscribers.len())
    }

    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.read().is_empty()
    }

    /// Gives `message` to every subscription, unless it is brought again: by another way through the
    /// network, or because it had no answer. It gets the next number of `sequence`. Returns what is
    /// left to do without the lock.
    pub(super) fn publish(
        &self,
        message: &mut Arc<Message>,
        arrival: Arrival,
        sequence: &AtomicI64,
        now: i64,
    ) -> Result<Aftermath, Removed> {
        if self.removed.load(Ordering::Acquire) {
            return Err(Removed);
        }
        let mut audit = self.audit_of(arrival);
        let mut aftermath = Aftermath::default();
        if self.takes(message, arrival, audit.as_deref_mut()) {
            let publishing = self.publishing();
            if publishing.is_heard() {
                let charge = Arc::new(self.account.charge(message.size()));
                let audit = audit.as_deref_mut();
                let mut dispatched = publishing.give_to_durable(
                    message,
                    &charge,
                    audit,
                    sequence,
                    now,
                    &mut aftermath,
                );
                dispatched += publishing.give_to_plain(message, &charge, now);
                self.counters.add_dispatched(dispatched);
            }
        }
        if let Some(mut audit) = audit {
            audit.pass();
        }
        Ok(aftermath)
    }

    /// The store knows the topic by this number.
    pub(super) fn take_up(&self, id: QueueId) {
        self.audit.lock().take_up(id);
    }

    /// Remembers what a bridge has brought before.
    pub(super) fn recall(&self, record: &AuditRecord) {
        self.audit.lock().recall(record);
    }

    /// Keeps who subscribes as it is while messages are given out; none if the topic is gone.
    pub(super) fn committing(&self) -> Option<Publishing<'_>> {
        let publishing = self.publishing();
        // Deleting it takes the other side of the same lock.
        (!self.removed.load(Ordering::Acquire)).then_some(publishing)
    }

    fn publishing(&self) -> Publishing<'_> {
        Publishing::new(&self.address, &self.account, &self.counters, self.subscribers.read())
    }

    /// Whether a message is to be given out: unless it is brought again. It is counted.
    pub(super) fn takes_once(&self, message: &Message, arrival: Arrival) -> bool {
        self.takes(message, arrival, self.audit_of(arrival).as_deref_mut())
    }

    fn audit_of(&self, arrival: Arrival) -> Option<MutexGuard<'_, TopicAudit>> {
        arrival.bringer().map(|_| self.audit.lock())
    }

    fn takes(&self, message: &Message, arrival: Arrival, audit: Option<&mut TopicAudit>) -> bool {
        if let (Some(audit), Some(bringer)) = (audit, arrival.bringer())
            && !self.is_new(audit.seen(message, bringer), arrival, audit)
        {
            tracing::trace!(topic = %self.address, "dropping a second copy of a message");
            return false;
        }
        self.counters.add_enqueued();
        true
    }

    fn is_new(&self, seen: Option<Seen>, arrival: Arrival, audit: &mut TopicAudit) -> bool {
        self.counters.add_forgotten(audit.take_forgotten());
        !arrival.may_be_a_copy() || self.counters.judge(seen)
    }

    /// Lets queues have copies of what is published here, each once.
    pub(super) fn copy_to(&self, queues: impl IntoIterator<Item = FanOut>) {
        let mut copies = self.copies.write();
        let mut all = copies.to_vec();
        for fan_out in queues {
            if !all.iter().any(|other| other.queue.address() == fan_out.queue.address()) {
                all.push(fan_out);
            }
        }
        self.copied.store(!all.is_empty(), Ordering::Release);
        *copies = all.into();
    }

    /// A queue is gone.
    pub(super) fn copy_no_more_to(&self, queue: &Destination) {
        let mut copies = self.copies.write();
        let left: Vec<FanOut> =
            copies.iter().filter(|copy| copy.queue.address() != queue).cloned().collect();
        self.copied.store(!left.is_empty(), Ordering::Release);
        *copies = left.into();
    }

    /// The queues that get copies; none for most topics.
    pub(super) fn copies(&self) -> Option<Arc<[FanOut]>> {
        self.copied.load(Ordering::Acquire).then(|| Arc::clone(&self.copies.read()))
    }

    /// Whether the next message must wait: here, or at a queue that gets a copy.
    pub(super) fn is_full(&self, arrival: Arrival, persistent: bool) -> bool {
        let full = |copies: Arc<[FanOut]>| {
            copies.iter().any(|copy| copy.queue.is_full(arrival, persistent))
        };
        arrival.finds_full(&self.account) || self.copies().is_some_and(full)
    }

    /// Which limit keeps the next message out that comes so.
    pub(super) fn shortage(&self, arrival: Arrival, persistent: bool) -> Option<Shortage> {
        if arrival.finds_full(&self.account) {
            return Some(of_memory(&self.account, &self.address));
        }
        self.copies()?.iter().find_map(|copy| copy.queue.shortage(arrival, persistent))
    }

    pub(super) fn no_space(&self) -> NoSpace {
        self.no_space
    }

    /// Gives an advisory to every subscription. It counts on no account, so that durable ones,
    /// which nothing else would bound, do not get it.
    pub(super) fn publish_advisory(&self, message: &Arc<Message>, now: i64) {
        for subscriber in self.subscribers.read().plain() {
            let pending = Pending { message: Arc::clone(message), charge: None };
            subscriber.offer(&self.address, pending, now);
        }
    }

    /// Adds a subscription, once.
    pub(super) fn attach(&self, subscriber: &Listener) -> Result<(), Removed> {
        if let Listener::Durable(_) = subscriber {
            self.audit.lock().record();
        }
        let mut subscribers = self.subscribers.write();
        // Deleting it takes the same lock.
        if self.removed.load(Ordering::Acquire) {
            return Err(Removed);
        }
        match subscriber {
            Listener::Plain(subscriber) => subscribers.add(subscriber),
            Listener::Durable(subscriber) => subscribers.add_durable(subscriber),
        }
        Ok(())
    }

    pub(super) fn detach(&self, subscriber: &Listener) {
        let mut subscribers = self.subscribers.write();
        match subscriber {
            Listener::Plain(subscriber) => subscribers.remove(subscriber),
            Listener::Durable(subscriber) => subscribers.remove_durable(subscriber),
        }
    }

    /// Ends the topic unless it has consumers and `unless_consumed`. What durable subscriptions
    /// stand in never ends: they would miss what is published to its successor.
    pub(super) fn remove(&self, unless_consumed: bool) -> bool {
        let mut subscribers = self.subscribers.write();
        if unless_consumed && !subscribers.is_empty() || !subscribers.durable().is_empty() {
            return false;
        }
        subscribers.clear();
        self.removed.store(true, Ordering::Release);
        // Whoever publishes takes its lock before.
        drop(subscribers);
        self.audit.lock().end();
        true
    }

    pub(super) fn count_settled(&self, messages: usize) {
        self.counters.add_settled(messages);
    }
}
