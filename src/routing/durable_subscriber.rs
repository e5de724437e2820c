//! A durable topic subscription: what it keeps, and the consumer that it feeds while there is one.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageDispatch};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;

use super::persistence::{Origin, QueueStore};
use super::queue_handle::{Aftermath, nothing_more};
use crate::destination::{
    AckError, Acknowledgement, Admission, Delivered, Effects, MemoryAccount, Pending, Queue,
    QueueSubscription, SharedCharge, SubscriptionKey,
};
use crate::transaction::Tag;

/// How many dispatches a subscription keeps room for between inputs.
const KEPT: usize = 64;

/// What a durable subscription is called: the client's identifier and the name that it chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurableName {
    /// The client's identifier.
    pub client: Text,
    /// The subscription's name, unique for the client.
    pub name: Text,
}

/// What a subscription was made with. Whoever comes with another wish replaces it (JMS 2.0, 8.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) address: Destination,
    pub(super) selector: Option<Text>,
    pub(super) no_local: bool,
}

impl Wanted {
    pub(super) fn of(info: &ConsumerInfo, address: &Destination) -> Self {
        Self {
            address: address.clone(),
            selector: info.selector.clone().filter(|text| !text.as_bytes().is_empty()),
            no_local: info.no_local,
        }
    }
}

/// Why a durable subscription is not made, taken up or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// It has a consumer, and may have only one.
    #[error("durable consumer is in use for client: {} and subscriptionName: {}", .0.client, .0.name)]
    InUse(DurableName),
    /// There is no such subscription.
    #[error(
        "no durable subscription exists for clientID: {} and subscriptionName: {}",
        .0.client, .0.name
    )]
    Unknown(DurableName),
    /// Its name says nothing.
    #[error("the name of the durable subscription is empty")]
    Unnamed,
    /// Nothing that lives on can be kept of this destination.
    #[error("a durable subscription cannot be to {address}: {reason}")]
    NotKept {
        /// The address.
        address: Destination,
        /// Why not.
        reason: &'static str,
    },
    /// The broker keeps no more.
    #[error(
        "no room for another durable subscription: the broker keeps {most}, and {bytes} bytes of their descriptions"
    )]
    TooMany {
        /// How many it keeps.
        most: usize,
        /// How long their descriptions may be together.
        bytes: usize,
    },
}

/// A durable subscription, behind one lock: a queue with at most one consumer. It stands in its
/// topics whether somebody is there or not.
pub(super) struct DurableSubscriber {
    name: DurableName,
    wanted: Wanted,
    state: Mutex<State>,
}

struct State {
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

/// A durable subscription at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableSnapshot {
    /// What it is called.
    pub name: DurableName,
    /// Its topic, pattern or composite name.
    pub address: Destination,
    /// Which messages it wants; none: all.
    pub selector: Option<Text>,
    /// The consumer that is there; none while it is offline.
    pub consumer: Option<ConsumerId>,
    /// Whether it is a bridge's.
    pub network: bool,
    /// Messages that wait for the consumer.
    pub waiting: usize,
    /// Messages dispatched and not settled.
    pub in_flight: usize,
    /// Messages kept since it was made.
    pub enqueued: u64,
    /// Messages handed to consumers, each time that one was.
    pub dispatched: u64,
    /// Messages acknowledged.
    pub settled: u64,
}

impl DurableSubscriber {
    /// A subscription without a consumer. `account` is never charged: its messages come with a
    /// charge that all who hold them share.
    pub(super) fn new(
        name: DurableName,
        wanted: Wanted,
        admission: Admission,
        account: Arc<MemoryAccount>,
        store: Option<QueueStore>,
    ) -> Self {
        let state = State {
            queue: Queue::new(account),
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
            in_flight: state.queue.in_flight(),
            enqueued: state.enqueued,
            dispatched: state.dispatched,
            settled: state.settled,
        }
    }

    /// Gives it a message that was published; returns whether one was dispatched.
    ///
    /// What counts on no account is not kept: nothing would bound it (advisories).
    pub(super) fn offer(&self, pending: Pending, now: i64, aftermath: &mut Aftermath) -> bool {
        let Some(charge) = pending.charge else { return false };
        let message = pending.message;
        let expiration = message.expiration();
        if expiration > 0 && expiration < now {
            return false;
        }
        let mut state = self.state.lock();
        if state.ended || !state.admission.admits(&message, message.redelivery_counter()) {
            return false;
        }
        state.enqueued += 1;
        let State { queue, effects, store, .. } = &mut *state;
        if let Some(store) = store
            && message.persistent()
        {
            store.keep(&self.wanted.address, &message);
        }
        queue.enqueue_shared(message, charge, now, effects);
        carry_out(&mut state, aftermath) > 0
    }

    /// Takes in what was kept when the broker ended, in its old place.
    pub(super) fn restore(&self, message: Message, charge: SharedCharge, now: i64) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        queue.enqueue_shared(Arc::new(message), charge, now, effects);
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        aftermath
    }

    /// The same for what a prepared transaction has acknowledged.
    pub(super) fn restore_held(&self, message: Message, charge: SharedCharge, by: Tag) {
        self.state.lock().queue.restore_held_shared(Arc::new(message), charge, by);
    }

    /// What is kept of the messages that a transaction holds.
    pub(super) fn held(&self, by: Tag) -> Vec<Origin> {
        let state = self.state.lock();
        let Some(store) = &state.store else { return Vec::new() };
        let places = state.queue.held_places(by);
        places.into_iter().filter_map(|place| store.origin(place)).collect()
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

    /// A transaction is committed: what it holds here is consumed. Returns how many that were.
    pub(super) fn commit_held(&self, by: Tag, now: i64) -> (usize, Aftermath) {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let settled = queue.commit_held(by, now, effects);
        state.settled += settled as u64;
        let mut aftermath = Aftermath::default();
        carry_out(&mut state, &mut aftermath);
        (settled, aftermath)
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
            store.end();
        }
        state.active = None;
        state.queue = Queue::new(account);
    }
}

/// Hands dispatches to the consumer's outbox, and adds to `aftermath` what is left to do without
/// the lock; returns how many were dispatched.
fn carry_out(state: &mut State, aftermath: &mut Aftermath) -> usize {
    let State { effects, active, batch, dispatched, store, .. } = state;
    if let Some(store) = store {
        effects.consumed.iter().for_each(|place| store.forget(*place));
        let dead = effects.dead_letters.iter().map(|letter| &letter.message);
        let gone = effects.expired.iter().chain(dead).filter(|message| message.persistent());
        // Their letters come first: rather one too many than none.
        let origins = gone.filter_map(|message| store.origin(message.broker_sequence_id()));
        aftermath.gone.extend(origins);
        store.submit();
    }
    let count = effects.dispatches.len();
    *dispatched += count as u64;
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
    effects.dispatches.shrink_to(KEPT);
    aftermath.expired.append(&mut effects.expired);
    aftermath.dead_letters.append(&mut effects.dead_letters);
    count
}
