//! A topic and its subscriptions' outboxes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_transport::outbox::Outbox;
use parking_lot::{Mutex, RwLock};

use super::arrival::Arrival;
use super::counters::DestinationCounters;
use super::durable_subscriber::DurableSubscriber;
use super::queue_handle::{Aftermath, Removed, nothing_more};
use super::terms::Terms;
use super::virtual_topics::FanOut;
use crate::destination::{
    Acknowledgement, Admission, Audit, MemberNumber, MemoryAccount, Pending, SharedWindow,
    TopicSubscription,
};

/// How many advisories a consumer may leave unsettled before its connection is closed: they count
/// on no memory account, so that nothing else limits them.
const MOST_ADVISORIES: usize = 65_536;

/// The number of the topics in a window that queues share.
pub(super) const OF_TOPICS: MemberNumber = 0;

/// How many dispatches a subscription keeps room for between inputs.
const KEPT: usize = 64;

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

    fn in_flight(&self) -> usize {
        match self {
            Self::Plain(subscriber) => subscriber.in_flight(),
            Self::Durable(subscriber) => subscriber.in_flight(),
        }
    }
}

/// A living topic: it holds no messages itself, only who subscribes.
pub(super) struct TopicHandle {
    address: Destination,
    account: Arc<MemoryAccount>,
    counters: DestinationCounters,
    /// Held while what a bridge brings is given out: where two ways lead here, the later copy of a
    /// message is known at once, and what follows it by that way must not overtake the first.
    audit: Mutex<Audit>,
    subscribers: RwLock<Vec<Listener>>,
    removed: AtomicBool,
    /// The queues that get copies of what is published here.
    copies: RwLock<Arc<[FanOut]>>,
    /// Whether there are such queues: mostly not, and then no lock is taken for them.
    copied: AtomicBool,
}

/// A topic subscription and the outbox that it feeds, behind one lock.
pub(super) struct TopicSubscriber {
    consumer: ConsumerId,
    outbox: Outbox,
    /// The window of a consumer that has queues, too: its acknowledgements count over both.
    beside: Option<Arc<SharedWindow>>,
    state: Mutex<State>,
}

struct State {
    subscription: TopicSubscription,
    /// How many advisories it was told when it came, beyond those that it may leave unsettled.
    replayed: usize,
    /// Reused between inputs.
    dispatches: Vec<Arc<Message>>,
    batch: Vec<Command>,
}

impl TopicSubscriber {
    pub(super) fn new(
        consumer: ConsumerId,
        outbox: Outbox,
        prefetch: usize,
        admission: Admission,
    ) -> Self {
        let state = State {
            subscription: TopicSubscription::new(prefetch, admission),
            replayed: 0,
            dispatches: Vec::new(),
            batch: Vec::new(),
        };
        Self { consumer, outbox, beside: None, state: Mutex::new(state) }
    }

    /// The topics' part of a consumer that has queues, too.
    pub(super) fn beside(self, window: Arc<SharedWindow>) -> Self {
        Self { beside: Some(window), ..self }
    }

    pub(super) fn consumer(&self) -> &ConsumerId {
        &self.consumer
    }

    /// Messages dispatched and not settled.
    pub(super) fn in_flight(&self) -> usize {
        self.state.lock().subscription.in_flight()
    }

    /// Gives it a message; returns whether one was dispatched.
    pub(super) fn offer(&self, destination: &Destination, pending: Pending, now: i64) -> bool {
        let mut state = self.state.lock();
        let State { subscription, dispatches, .. } = &mut *state;
        subscription.offer(pending, now, dispatches);
        let dispatched = self.carry_out(&mut state, Some(destination)) > 0;
        let unsettled = state.subscription.uncharged();
        if unsettled > MOST_ADVISORIES.saturating_add(state.replayed) && !self.outbox.is_closed() {
            tracing::warn!(
                consumer = %self.consumer,
                unsettled,
                "closing a connection whose advisory consumer does not acknowledge"
            );
            self.outbox.abort();
        }
        dispatched
    }

    /// Tells it, alone, of what lives already. There may be any number of that.
    pub(super) fn replay(&self, destination: &Destination, message: Arc<Message>, now: i64) {
        self.state.lock().replayed += 1;
        self.offer(destination, Pending { message, charge: None }, now);
    }

    pub(super) fn acknowledge(&self, ack: &Acknowledgement<'_>, now: i64) -> usize {
        let mut state = self.state.lock();
        let State { subscription, dispatches, .. } = &mut *state;
        let settled = subscription.acknowledge(ack, now, dispatches);
        self.carry_out(&mut state, None);
        settled
    }

    pub(super) fn set_prefetch(&self, prefetch: usize, now: i64) {
        let mut state = self.state.lock();
        let State { subscription, dispatches, .. } = &mut *state;
        subscription.set_prefetch(prefetch, now, dispatches);
        self.carry_out(&mut state, None);
    }

    /// Lets it have one message; true if there is none for it yet.
    pub(super) fn pull(&self, now: i64) -> bool {
        let mut state = self.state.lock();
        let State { subscription, dispatches, .. } = &mut *state;
        let owed = subscription.pull(now, dispatches);
        self.carry_out(&mut state, None);
        owed
    }

    /// Ends the wait for a message that was pulled, if it has not come.
    pub(super) fn end_pull(&self) {
        let mut state = self.state.lock();
        if state.subscription.end_pull() {
            self.outbox.push(nothing_more(&self.consumer));
        }
    }

    fn carry_out(&self, state: &mut State, destination: Option<&Destination>) -> usize {
        let count = state.dispatches.len();
        let State { dispatches, batch, .. } = state;
        for message in dispatches.drain(..) {
            let destination = destination.cloned().or_else(|| message.destination());
            let command = Command::MessageDispatch(MessageDispatch {
                consumer_id: Some(self.consumer.clone()),
                destination,
                redelivery_counter: message.redelivery_counter(),
                message: Some(Arc::clone(&message)),
                ..MessageDispatch::default()
            });
            match &self.beside {
                None => batch.push(command),
                Some(window) => window.hand_over_beside(OF_TOPICS, message, || {
                    self.outbox.push(command);
                }),
            }
        }
        if !batch.is_empty() {
            self.outbox.push_all(batch);
            batch.clear();
            // It may have got all that had waited at once.
            dispatches.shrink_to(KEPT);
            batch.shrink_to(KEPT);
        }
        count
    }
}

impl TopicHandle {
    pub(super) fn new(address: Destination, terms: Terms) -> Self {
        Self {
            address,
            account: terms.account,
            audit: Mutex::new(terms.audit),
            counters: DestinationCounters::default(),
            subscribers: RwLock::new(Vec::new()),
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
        (subscribers.iter().map(|subscriber| subscriber.in_flight()).sum(), subscribers.len())
    }

    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.read().is_empty()
    }

    /// Gives `message` to every subscription, unless a bridge brings it again: by another way
    /// through the network, or because it had no answer. Returns what is left to do without the
    /// lock.
    pub(super) fn publish(
        &self,
        message: &Arc<Message>,
        arrival: Arrival,
        now: i64,
    ) -> Result<Aftermath, Removed> {
        if self.removed.load(Ordering::Acquire) {
            return Err(Removed);
        }
        let mut audit = (arrival == Arrival::Forwarded).then(|| self.audit.lock());
        if let Some(audit) = &mut audit
            && !self.is_new(message, audit)
        {
            tracing::trace!(topic = %self.address, "dropping a second copy of a message");
            return Ok(Aftermath::default());
        }
        self.counters.add_enqueued();
        let subscribers = self.subscribers.read();
        let mut aftermath = Aftermath::default();
        if subscribers.is_empty() {
            return Ok(aftermath);
        }
        let charge = Arc::new(self.account.charge(message.size()));
        let mut dispatched = 0;
        for subscriber in subscribers.iter() {
            let pending =
                Pending { message: Arc::clone(message), charge: Some(Arc::clone(&charge)) };
            dispatched += usize::from(match subscriber {
                Listener::Plain(subscriber) => subscriber.offer(&self.address, pending, now),
                Listener::Durable(subscriber) => subscriber.offer(pending, now, &mut aftermath),
            });
        }
        self.counters.add_dispatched(dispatched);
        Ok(aftermath)
    }

    fn is_new(&self, message: &Message, audit: &mut Audit) -> bool {
        let seen = audit.seen(message);
        self.counters.judge(seen, audit.take_forgotten())
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

    /// Gives an advisory to every subscription. It counts on no account, so that durable ones,
    /// which nothing else would bound, do not get it.
    pub(super) fn publish_advisory(&self, message: &Arc<Message>, now: i64) {
        for subscriber in self.subscribers.read().iter() {
            if let Listener::Plain(subscriber) = subscriber {
                let pending = Pending { message: Arc::clone(message), charge: None };
                subscriber.offer(&self.address, pending, now);
            }
        }
    }

    /// Adds a subscription, once.
    pub(super) fn attach(&self, subscriber: &Listener) -> Result<(), Removed> {
        let mut subscribers = self.subscribers.write();
        // Deleting it takes the same lock.
        if self.removed.load(Ordering::Acquire) {
            return Err(Removed);
        }
        if !subscribers.iter().any(|other| other.is(subscriber)) {
            subscribers.push(subscriber.clone());
        }
        Ok(())
    }

    pub(super) fn detach(&self, subscriber: &Listener) {
        self.subscribers.write().retain(|other| !other.is(subscriber));
    }

    /// Ends the topic unless it has consumers and `unless_consumed`. What durable subscriptions
    /// stand in never ends: they would miss what is published to its successor.
    pub(super) fn remove(&self, unless_consumed: bool) -> bool {
        let mut subscribers = self.subscribers.write();
        let durable = |listener: &Listener| matches!(listener, Listener::Durable(_));
        if unless_consumed && !subscribers.is_empty() || subscribers.iter().any(durable) {
            return false;
        }
        subscribers.clear();
        self.removed.store(true, Ordering::Release);
        true
    }

    pub(super) fn count_settled(&self, messages: usize) {
        self.counters.add_settled(messages);
    }
}
