//! A durable topic subscription: what it keeps, and the consumer that it feeds while there is one.

use std::sync::Arc;

use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageDispatch};
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::{Batch, QueueId, QueueState, ReadLimits};
use ferrymq_transport::clock::WallOffset;
use ferrymq_transport::outbox::Outbox;
use parking_lot::{Mutex, MutexGuard};

use super::durable_name::{DurableName, DurableSnapshot, Wanted};
use super::nothing_more::nothing_more;
use super::pager::Paged;
use super::paging::{look_after, take_up, tell_set_aside};
use super::persistence::{Origin, QueueStore};
use super::queue_handle::Aftermath;
use crate::destination::{
    AckError, Acknowledgement, Admission, Delivered, Effects, MemoryAccount, Page, PageSize, Queue,
    QueueSubscription, SharedCharge, SubscriptionKey,
};
use crate::transaction::Tag;

/// How many dispatches a subscription keeps room for between inputs.
const KEPT: usize = 64;

/// A durable subscription, behind one lock: a queue with at most one consumer. It stands in its
/// topics whether somebody is there or not.
pub(super) struct DurableSubscriber {
    name: DurableName,
    wanted: Wanted,
    state: Mutex<State>,
}

struct State {
    /// What readers know it by.
    key: Paged,
    queue: Queue,
    /// Where its persistent messages are kept.
    store: Option<QueueStore>,
    /// Which messages it keeps, asked when they are published.
    admission: Admission,
    /// The last consumer, as others are told of it.
    info: ConsumerInfo,
    active: Option<Active>,
    /// Set when it has been removed: it keeps nothing any more.
    ended: bool,
    enqueued: u64,
    dispatched: u64,
    settled: u64,
    /// Reused between inputs.
    effects: Effects,
    batch: Vec<Command>,
}

/// The consumer that is there.
struct Active {
    key: SubscriptionKey,
    consumer: ConsumerId,
    outbox: Outbox,
}

/// A consumer that comes to a durable subscription.
pub(super) struct Arrival<'a> {
    /// Its description, with the client's identifier.
    pub(super) info: &'a ConsumerInfo,
    pub(super) prefetch: usize,
    pub(super) admission: Admission,
    pub(super) outbox: &'a Outbox,
}

impl DurableSubscriber {
    /// A subscription without a consumer. Its messages come with a charge that all who hold them
    /// share; `account` counts those that come back from disk. With a store it has so many bytes of
    /// those that wait in memory.
    pub(super) fn new(
        name: DurableName,
        wanted: Wanted,
        admission: Admission,
        account: Arc<MemoryAccount>,
        kept: Option<(QueueStore, u64)>,
        offset: WallOffset,
    ) -> Self {
        let queue = Queue::new(account);
        let (queue, store) = match kept {
            Some((store, window)) => (queue.paging(window), Some(store)),
            None => (queue, None),
        };
        let state = State {
            key: Paged::Subscription(name.clone()),
            queue: queue.telling(offset),
            store,
            admission,
            info: ConsumerInfo::default(),
            active: None,
            ended: false,
            enqueued: 0,
            dispatched: 0,
            settled: 0,
            effects: Effects::default(),
            batch: Vec::new(),
        };
        Self { name, wanted, state: Mutex::new(state) }
    }

    pub(super) fn name(&self) -> &DurableName {
        &self.name
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Keeps everybody else away while messages are given to several, or a transaction is committed.
    ///
    /// Whoever keeps them away from several subscriptions takes these in the order of their names,
    /// and no queue after them.
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked { state: self.state.lock() }
    }

    /// The last consumer, as others are told of it.
    pub(super) fn info(&self) -> ConsumerInfo {
        self.state.lock().info.clone()
    }

    /// Takes over from `info` whose demand it is; returns the whole description.
    pub(super) fn describe(&self, info: &ConsumerInfo) -> ConsumerInfo {
        let mut state = self.state.lock();
        state.info.broker_path = info.broker_path.clone();
        state.info.network_consumer_path = info.network_consumer_path.clone();
        state.info.priority = info.priority;
        state.info.clone()
    }

    pub(super) fn is_active(&self) -> bool {
        self.state.lock().active.is_some()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.state.lock().queue.in_flight()
    }

    pub(super) fn snapshot(&self) -> DurableSnapshot {
        let state = self.state.lock();
        DurableSnapshot {
            name: self.name.clone(),
            address: self.wanted.address.clone(),
            selector: self.wanted.selector.clone(),
            consumer: state.active.as_ref().map(|active| active.consumer.clone()),
            network: state.info.network_subscription,
            waiting: state.queue.pending(),
            on_disk: state.queue.paged(),
            set_aside: state.queue.set_aside(),
            in_flight: state.queue.in_flight(),
            enqueued: state.enqueued,
            dispatched: state.dispatched,
            settled: state.settled,
        }
    }

    /// Takes up what was kept when the broker ended: nothing of it is read yet.
    pub(super) fn take_up(&self, kept: &QueueState) -> Aftermath {
        self.with_queue(|queue, _| take_up(queue, kept)).1
    }

    /// Takes in what a prepared transaction has acknowledged.
    pub(super) fn restore_held(&self, message: Message, by: Tag) {
        self.state.lock().queue.restore_held(Arc::new(message), by);
    }

    /// Keeps less in memory, if that is short.
    pub(super) fn heed_pressure(&self) -> Aftermath {
        self.with_queue(|queue, _| queue.heed_pressure()).1
    }

    /// The page that it waits for, if nobody reads it yet: of which queue, from where, and how much;
    /// and what is left to do.
    pub(super) fn begin_page(&self) -> (Option<(QueueId, u64, ReadLimits)>, Aftermath) {
        let left = self.with_queue(|_, _| {}).1;
        let mut state = self.state.lock();
        let State { queue, store, .. } = &mut *state;
        let wanted = store.as_ref().and_then(QueueStore::id).and_then(|id| {
            let (from, PageSize { messages, bytes }) = queue.begin_page()?;
            Some((id, u64::try_from(from).unwrap_or(0), ReadLimits { messages, bytes }))
        });
        (wanted, left)
    }

    /// The page has been read. What the connection of its consumer sent itself is not for it, where it
    /// asked for that, and is forgotten.
    pub(super) fn take_page(&self, mut page: Page, now: i64) -> Aftermath {
        let mut state = self.state.lock();
        let State { key, queue, store, active, effects, .. } = &mut *state;
        let own = active.as_ref().filter(|_| self.wanted.no_local);
        if let Some(connection) = own.and_then(|active| active.consumer.connection_id.as_ref()) {
            for (place, message) in &mut page.messages {
                let is_own = |message: &Message| message.producer_connection_is(connection);
                if message.as_ref().is_some_and(is_own) && queue.is_paged(*place) {
                    *message = None;
                    if let Some(store) = store {
                        store.forget(*place);
                    }
                }
            }
        }
        let damaged = queue.take_page(page, now, effects);
        tell_set_aside(key, &damaged);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    /// Does something with the queue, and what follows from it.
    fn with_queue<T>(&self, act: impl FnOnce(&mut Queue, &mut Effects) -> T) -> (T, Aftermath) {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let done = act(queue, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        (done, aftermath)
    }

    /// How many messages a transaction holds.
    pub(super) fn held_count(&self, by: Tag) -> usize {
        self.state.lock().queue.held_count(by)
    }

    /// What is kept of the messages that a transaction holds.
    pub(super) fn held(&self, by: Tag) -> Vec<Origin> {
        let state = self.state.lock();
        let Some(store) = &state.store else { return Vec::new() };
        let places = state.queue.held_places(by);
        places.into_iter().filter_map(|place| store.origin(place)).collect()
    }

    /// Keeps another description of it.
    pub(super) fn keep_described(&self, info: &ConsumerInfo, permits: Option<&Permits>) {
        if let Some(store) = &mut self.state.lock().store
            && let Err(error) = store.describe(info, permits)
        {
            // The one before it could be written.
            tracing::error!(%error, "a durable subscription is kept as it was");
        }
    }

    /// Takes up the description of the consumer that it was made for.
    pub(super) fn recall(&self, info: ConsumerInfo) {
        self.state.lock().info = info;
    }

    /// Lets a consumer have what is kept, in order. There must be none.
    pub(super) fn activate(&self, arrival: Arrival<'_>, now: i64) -> (SubscriptionKey, Aftermath) {
        let Arrival { info, prefetch, admission, outbox } = arrival;
        let mut state = self.state.lock();
        let consumer = info.consumer_id.clone().unwrap_or_default();
        if self.wanted.no_local
            && let Some(connection) = &consumer.connection_id
        {
            // What its connection sent before it took up the subscription.
            let State { queue, effects, .. } = &mut *state;
            queue.discard(|message| message.producer_connection_is(connection), effects);
        }
        let (admission, frames) = admission.of_any_size();
        state.queue.serve_within(frames);
        state.admission = admission;
        state.info = info.clone();
        let asked = QueueSubscription {
            priority: info.priority,
            prefetch,
            // What is kept was admitted when it came.
            admission: Admission::default(),
            network: info.network_subscription,
            browser: false,
            exclusive: false,
            distance: 0,
            route: Vec::new(),
            settling: 0,
            shared: None,
        };
        let State { queue, effects, .. } = &mut *state;
        let key = queue.subscribe(asked, now, effects);
        state.active = Some(Active { key, consumer, outbox: outbox.clone() });
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        (key, aftermath)
    }

    /// The consumer goes; what it did not settle returns to its place.
    pub(super) fn deactivate(
        &self,
        key: SubscriptionKey,
        delivered: Delivered,
        now: i64,
    ) -> Aftermath {
        let mut state = self.state.lock();
        if state.active.as_ref().is_some_and(|active| active.key == key) {
            state.active = None;
            state.queue.serve_within(None);
        }
        let State { queue, effects, .. } = &mut *state;
        queue.unsubscribe(key, delivered, now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    pub(super) fn acknowledge(
        &self,
        key: SubscriptionKey,
        ack: &Acknowledgement<'_>,
        now: i64,
    ) -> Result<(usize, Aftermath), AckError> {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let settled = queue.acknowledge(key, ack, now, effects)?;
        state.settled += settled as u64;
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        Ok((settled, aftermath))
    }

    /// Applies an acknowledgement that is part of a transaction.
    pub(super) fn hold(
        &self,
        key: SubscriptionKey,
        ack: &Acknowledgement<'_>,
        by: Tag,
        now: i64,
    ) -> Result<Aftermath, AckError> {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.hold(key, ack, by, now, effects)?;
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        Ok(aftermath)
    }

    /// Lets the consumer have what was held back.
    pub(super) fn let_go(&self, places: &[i64], now: i64) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.let_go(places, now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    /// A transaction is rolled back: what it holds here is its consumer's again, or waits.
    pub(super) fn roll_back_held(&self, by: Tag, now: i64) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.roll_back_held(by, now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    pub(super) fn set_prefetch(
        &self,
        key: SubscriptionKey,
        prefetch: usize,
        now: i64,
    ) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.set_prefetch(key, prefetch, now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    /// Lets the consumer have one message; true if there is none for it yet.
    pub(super) fn pull(&self, key: SubscriptionKey, now: i64) -> (bool, Aftermath) {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let owed = queue.pull(key, now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        (owed, aftermath)
    }

    /// Ends the wait for a message that was pulled, if it has not come.
    pub(super) fn end_pull(&self, key: SubscriptionKey) {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.end_pull(key, effects);
        carry_out(&mut state, &mut Aftermath::default());
    }

    /// Drops what has expired while it waited.
    pub(super) fn expire(&self, now: i64) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.expire(now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    /// Ends it; what it kept goes with it.
    pub(super) fn end(&self, account: Arc<MemoryAccount>) {
        let mut state = self.state.lock();
        state.ended = true;
        if let Some(mut store) = state.store.take() {
            store.end(std::iter::empty());
        }
        state.active = None;
        state.queue = Queue::new(account);
    }
}

/// A durable subscription that nobody else sees.
pub(super) struct Locked<'a> {
    state: MutexGuard<'a, State>,
}

impl Locked<'_> {
    /// Whether it wants a message that is published.
    pub(super) fn admits(&self, message: &Message, now: i64) -> bool {
        let expiration = message.expiration();
        let State { queue, ended, admission, .. } = &*self.state;
        let expired = expiration > 0 && expiration < queue.wall(now);
        !expired && !ended && admission.admits(message, message.redelivery_counter())
    }

    /// Where its persistent messages are kept.
    pub(super) fn number(&self) -> Option<QueueId> {
        self.state.store.as_ref().and_then(QueueStore::id)
    }

    /// Keeps a message for it and others, with what else is in `batch`; the store gets all of it.
    pub(super) fn keep_with(&mut self, batch: Batch, holders: Vec<QueueId>, message: &Message) {
        if let Some(store) = &mut self.state.store {
            store.keep_with(batch, holders, message);
        }
    }

    /// Gives it a message, which counts once for all that have it and is kept already if it has to
    /// be. Nobody gets it before [`finish`](Self::finish), and if it is to `hold_back`, not before
    /// [`let_go`](DurableSubscriber::let_go). Returns whether somebody will then.
    pub(super) fn give(
        &mut self,
        message: Arc<Message>,
        charge: SharedCharge,
        hold_back: bool,
        now: i64,
    ) -> bool {
        let State { queue, effects, enqueued, .. } = &mut *self.state;
        *enqueued += 1;
        hold_back.then(|| queue.hold_back(message.broker_sequence_id()));
        let before = effects.dispatches.len();
        queue.enqueue_shared(message, charge, now, effects);
        effects.dispatches.len() > before
    }

    /// A transaction is committed: what it holds here is consumed, and what a store must know of it
    /// is added to `batch`. Returns how many messages that were.
    pub(super) fn settle(&mut self, by: Tag, now: i64, batch: &mut Batch) -> usize {
        let State { queue, effects, store, settled, .. } = &mut *self.state;
        let count = queue.commit_held(by, now, effects);
        *settled += count as u64;
        if let Some(store) = store {
            store.swap(batch);
            effects.consumed.drain(..).for_each(|place| store.forget(place));
            store.swap(batch);
        }
        count
    }

    /// What was given and settled is in the store: now the consumer may have it.
    pub(super) fn finish(mut self, aftermath: &mut Aftermath) {
        carry_out(&mut self.state, aftermath);
    }
}

/// Hands dispatches to the consumer's outbox, and adds to `aftermath` what is left to do without
/// the lock.
fn carry_out(state: &mut State, aftermath: &mut Aftermath) {
    let State { key, queue, effects, active, batch, dispatched, store, .. } = state;
    if let Some(store) = store {
        effects.consumed.iter().for_each(|place| store.forget(*place));
        let dead = effects.dead_letters.iter().map(|letter| &letter.message);
        let gone = effects.expired.iter().chain(dead).filter(|message| message.persistent());
        // Their letters come first: rather one too many than none.
        let origins = gone.filter_map(|message| store.origin(message.broker_sequence_id()));
        aftermath.gone.extend(origins);
        store.submit();
    }
    *dispatched += effects.dispatches.len() as u64;
    if let Some(active) = active {
        for dispatch in effects.dispatches.drain(..) {
            batch.push(Command::MessageDispatch(MessageDispatch {
                consumer_id: Some(active.consumer.clone()),
                destination: dispatch.message.destination(),
                message: Some(dispatch.message),
                redelivery_counter: dispatch.redeliveries,
                ..MessageDispatch::default()
            }));
        }
        batch.extend(effects.ended.drain(..).map(|_| nothing_more(&active.consumer)));
        if !batch.is_empty() {
            // A closed outbox keeps nothing; the connection's end returns what was dispatched.
            active.outbox.push_all(batch);
            batch.clear();
            batch.shrink_to(KEPT);
        }
    }
    effects.dispatches.clear();
    effects.ended.clear();
    effects.consumed.clear();
    if let Some(store) = store {
        look_after(queue, store, None, &|| key.clone());
    }
    effects.dispatches.shrink_to(KEPT);
    aftermath.expired.append(&mut effects.expired);
    aftermath.dead_letters.append(&mut effects.dead_letters);
}
