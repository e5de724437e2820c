//! A queue and its consumers' outboxes, behind one lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConsumerId, MessageId};
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;

use super::arrival::Arrival;
use super::counters::DestinationCounters;
use super::nothing_more::nothing_more;
use super::pager::Paged;
use super::paging::{look_after, recall};
use super::persistence::{Origin, QueueStore};
use super::shortage::NoSpace;
use super::spool::QueueSpool;
use super::terms::Terms;
use crate::destination::{
    AckError, Acknowledgement, Audit, AuditRecord, DeadLetter, Delivered, Dispatch, Effects, Gate,
    Inflow, MemberNumber, MemoryAccount, Outcome, Queue, QueueSubscription, SharedWindow,
    SubscriptionKey,
};
use crate::transaction::Tag;

/// How many dispatches a queue keeps room for between inputs.
const KEPT: usize = 1024;

/// A living queue. Its lock is held for the time of one input, never over a wait; messages go to
/// outboxes under it, so that each consumer gets them in the queue's order.
pub(super) struct QueueHandle {
    address: Destination,
    account: Arc<MemoryAccount>,
    counters: DestinationCounters,
    /// Whether it takes what bridges bring now.
    gate: Gate,
    /// Whether somebody was told to wait who need not wait for memory.
    pub(super) turned_away: AtomicBool,
    /// Bytes that the store may keep of it before producers wait.
    pub(super) store_limit: Option<u64>,
    /// What becomes of messages for which there is no room.
    pub(super) no_space: NoSpace,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) queue: Queue,
    /// How much of what bridges bring it takes.
    inflow: Inflow,
    /// When the queue is to be woken, as far as the broker was told.
    armed: Option<i64>,
    pub(super) audit: Audit,
    /// Where its persistent messages are kept.
    pub(super) store: Option<QueueStore>,
    /// Where others are, for which there is no memory.
    pub(super) spool: Option<QueueSpool>,
    /// By the subscription's index.
    outlets: Vec<Option<Place>>,
    /// Reused between inputs.
    pub(super) effects: Effects,
    batch: Vec<Command>,
    /// Set when the queue has been deleted: whoever still holds the handle must not use it.
    pub(super) removed: bool,
}

/// A consumer and the way to it.
pub(super) struct Outlet {
    pub(super) consumer: ConsumerId,
    pub(super) outbox: Outbox,
}

/// A subscription's consumer, and the window that it shares with other queues.
type Place = (Outlet, Option<(Arc<SharedWindow>, MemberNumber)>);

/// What a destination leaves to do once its lock is released.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    pub(super) expired: Vec<Arc<Message>>,
    pub(super) dead_letters: Vec<DeadLetter>,
    /// When queues want to be woken (milliseconds since 1970), and which.
    pub(super) alarms: Vec<(i64, Destination)>,
    /// What is forgotten when all that is done.
    pub(super) gone: Vec<Origin>,
}

impl Aftermath {
    pub(super) fn is_empty(&self) -> bool {
        self.expired.is_empty()
            && self.dead_letters.is_empty()
            && self.alarms.is_empty()
            && self.gone.is_empty()
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.expired.append(&mut other.expired);
        self.dead_letters.append(&mut other.dead_letters);
        self.alarms.append(&mut other.alarms);
        self.gone.append(&mut other.gone);
    }
}

/// The destination has been deleted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Removed;

impl QueueHandle {
    pub(super) fn new(address: Destination, terms: Terms) -> Self {
        let Terms { account, mut audit, replay, redelivery, in_doubt_hold, offset, .. } = terms;
        let (store, window, store_limit) = (terms.store, terms.window, terms.store_limit);
        let no_space = terms.no_space;
        let mut queue = Queue::shared(Arc::clone(&account), replay)
            .redelivering(redelivery)
            .telling(offset)
            .holding_doubts(in_doubt_hold);
        if store.is_some() {
            audit.record();
            queue = queue.paging(window);
        }
        let state = State {
            queue,
            inflow: Inflow::default(),
            armed: None,
            audit,
            store,
            spool: terms.spool.map(QueueSpool::new),
            outlets: Vec::new(),
            effects: Effects::default(),
            batch: Vec::new(),
            removed: false,
        };
        Self {
            address,
            account,
            counters: DestinationCounters::default(),
            gate: Gate::default(),
            turned_away: AtomicBool::new(false),
            store_limit,
            no_space,
            state: Mutex::new(state),
        }
    }

    pub(super) fn address(&self) -> &Destination {
        &self.address
    }

    pub(super) fn account(&self) -> &Arc<MemoryAccount> {
        &self.account
    }

    /// Whether what a bridge brings must wait, so that somebody faster may have it elsewhere.
    pub(super) fn holds_back(&self) -> bool {
        self.gate.is_closed()
    }

    pub(super) fn counters(&self) -> &DestinationCounters {
        &self.counters
    }

    /// Waiting, how many of those on disk only, set aside there, in flight, subscriptions.
    pub(super) fn depth(&self) -> [usize; 5] {
        let queue = &self.state.lock().queue;
        let on_disk = (queue.paged(), queue.set_aside());
        [queue.pending(), on_disk.0, on_disk.1, queue.in_flight(), queue.subscriptions()]
    }

    /// Whether one of its consumers admits a message.
    pub(super) fn is_wanted(&self, message: &Message) -> bool {
        self.state.lock().queue.is_wanted(message)
    }

    /// Whether the only consumers of the queue are beyond bridges, at brokers that a message has come
    /// by: there it has gone to the queue of this name already.
    pub(super) fn is_served_on_the_way(&self, message: &Message) -> bool {
        message.broker_path_len() > 0 && self.state.lock().queue.is_served_on_the_way(message)
    }

    /// Looks at the queue, and at who its subscriptions' consumers are.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&Queue, &dyn Fn(SubscriptionKey) -> Option<ConsumerId>) -> T,
    ) -> T {
        let state = self.state.lock();
        let State { queue, outlets, .. } = &*state;
        look(queue, &|key| {
            outlets
                .get(key.index())
                .and_then(Option::as_ref)
                .map(|(outlet, _)| outlet.consumer.clone())
        })
    }

    /// Takes a message in and gives it its place: the next number of `sequence`. One that a bridge, or
    /// a client that failed over, brings again is dropped. A queue that has been deleted gives the message back.
    pub(super) fn publish(
        &self,
        message: Arc<Message>,
        arrival: Arrival,
        sequence: &AtomicI64,
        now: i64,
    ) -> Result<Aftermath, Arc<Message>> {
        let mut state = self.state.lock();
        if state.removed {
            return Err(message);
        }
        self.take_in(&mut state, message, arrival, sequence, now, false);
        Ok(self.carry_out(&mut state, now))
    }

    pub(super) fn take_in(
        &self,
        state: &mut State,
        mut message: Arc<Message>,
        arrival: Arrival,
        sequence: &AtomicI64,
        now: i64,
        hold_back: bool,
    ) -> Option<i64> {
        if let Some(bringer) = arrival.bringer() {
            let seen = state.audit.seen(&message, bringer);
            self.counters.add_forgotten(state.audit.take_forgotten());
            if arrival.may_be_a_copy() && !self.counters.judge(seen) {
                tracing::trace!(queue = %self.address, "dropping a second copy of a message");
                state.audit.take_records().for_each(drop);
                return None;
            }
        }
        let place = sequence.fetch_add(1, Ordering::Relaxed);
        Arc::make_mut(&mut message).set_broker_sequence_id(place);
        self.counters.add_enqueued();
        if let Some(store) = &mut state.store {
            if message.persistent() {
                store.keep(&self.address, &message);
                arrival.origin().into_iter().for_each(|origin| store.forget_at(origin));
            }
            state.audit.take_records().for_each(|record| store.note(&record));
        }
        let State { queue, effects, inflow, spool, .. } = state;
        if let Some(spool) = spool.as_mut().filter(|_| !message.persistent())
            && queue.is_short_of_memory()
        {
            spool.expect(message.size(), queue);
        }
        hold_back.then(|| queue.hold_back(place));
        if arrival == Arrival::Forwarded {
            queue.enqueue_forwarded(message, now, effects);
            inflow.took(&self.account, now);
        } else {
            queue.enqueue(message, now, effects);
        }
        hold_back.then_some(place)
    }

    /// Lets consumers have what was held back.
    pub(super) fn let_go(&self, places: &[i64], now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.let_go(places, now, effects))
    }

    /// Remembers what a bridge has brought before.
    pub(super) fn recall(&self, record: &AuditRecord) {
        self.state.lock().audit.restore(record);
    }

    /// Does something with the queue, and what follows from it.
    pub(super) fn with_queue(
        &self,
        now: i64,
        act: impl FnOnce(&mut Queue, &mut Effects),
    ) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        act(queue, effects);
        self.carry_out(&mut state, now)
    }

    /// Asks the queue and its store, if it has one.
    pub(super) fn with_store<T>(
        &self,
        ask: impl FnOnce(&mut Queue, &mut QueueStore) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state.lock();
        let State { queue, store, .. } = &mut *state;
        store.as_mut().and_then(|store| ask(queue, store))
    }

    /// Takes in what a prepared transaction has acknowledged, when the broker starts.
    pub(super) fn restore_held(&self, message: Message, by: Tag) {
        self.state.lock().queue.restore_held(Arc::new(message), by);
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

    /// What a message that has left the queue is still kept as.
    pub(super) fn origin(&self, message: &Message) -> Option<Origin> {
        let state = self.state.lock();
        let store = state.store.as_ref().filter(|_| message.persistent())?;
        store.origin(message.broker_sequence_id())
    }

    /// A transaction is rolled back: what it holds here is its consumers' again.
    pub(super) fn roll_back(&self, by: Tag, now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.roll_back_held(by, now, effects))
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
        Ok(self.carry_out(&mut state, now))
    }

    /// The same for messages, by their places, of a subscription that shares its window.
    pub(super) fn hold_places(&self, key: SubscriptionKey, places: &[i64], by: Tag) {
        self.state.lock().queue.hold_places(key, places, by);
    }

    /// Adds a subscription; `joined` learns its key before it gets anything.
    pub(super) fn subscribe(
        &self,
        asked: QueueSubscription,
        outlet: Outlet,
        now: i64,
        joined: impl FnOnce(SubscriptionKey),
    ) -> Result<Aftermath, Removed> {
        let mut state = self.state.lock();
        if state.removed {
            return Err(Removed);
        }
        let shared = asked.shared.clone();
        let State { queue, effects, outlets, .. } = &mut *state;
        let key = queue.subscribe(asked, now, effects);
        joined(key);
        if outlets.len() <= key.index() {
            if outlets.is_empty() {
                outlets.reserve_exact(key.index() + 1);
            }
            outlets.resize_with(key.index() + 1, || None);
        }
        if let Some(place) = outlets.get_mut(key.index()) {
            *place = Some((outlet, shared));
        }
        Ok(self.carry_out(&mut state, now))
    }

    pub(super) fn unsubscribe(
        &self,
        key: SubscriptionKey,
        delivered: Delivered,
        now: i64,
    ) -> Aftermath {
        let mut state = self.state.lock();
        if let Some(outlet) = state.outlets.get_mut(key.index()) {
            *outlet = None;
        }
        let State { queue, effects, .. } = &mut *state;
        queue.unsubscribe(key, delivered, now, effects);
        self.carry_out(&mut state, now)
    }

    pub(super) fn acknowledge(
        &self,
        key: SubscriptionKey,
        ack: &Acknowledgement<'_>,
        now: i64,
    ) -> Result<Aftermath, AckError> {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let settled = queue.acknowledge(key, ack, now, effects)?;
        self.counters.add_settled(settled);
        Ok(self.carry_out(&mut state, now))
    }

    pub(super) fn set_prefetch(
        &self,
        key: SubscriptionKey,
        prefetch: usize,
        now: i64,
    ) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.set_prefetch(key, prefetch, now, effects))
    }

    /// Settles messages, by their places, of a subscription that shares its window.
    pub(super) fn settle(
        &self,
        key: SubscriptionKey,
        places: &[i64],
        outcome: Outcome,
        cause: Option<&Text>,
        now: i64,
    ) -> Aftermath {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let mut settled = 0;
        for place in places {
            settled += usize::from(queue.settle(key, *place, outcome, cause, now, effects));
        }
        self.counters.add_settled(settled);
        self.carry_out(&mut state, now)
    }

    /// Gives a subscription that shares its window what it may have.
    pub(super) fn refill(&self, key: SubscriptionKey, now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.refill(key, now, effects))
    }

    /// Lets a subscription have one message; true if there is none for it yet.
    pub(super) fn pull(&self, key: SubscriptionKey, now: i64) -> (bool, Aftermath) {
        let mut state = self.state.lock();
        let State { queue, effects, .. } = &mut *state;
        let owed = queue.pull(key, now, effects);
        (owed, self.carry_out(&mut state, now))
    }

    /// Ends the wait for a message that was pulled, if it has not come.
    pub(super) fn end_pull(&self, key: SubscriptionKey, now: i64) {
        self.with_queue(now, |queue, effects| queue.end_pull(key, effects));
    }

    /// Lets a subscription have no more.
    pub(super) fn suspend(&self, key: SubscriptionKey, now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.suspend(key, now, effects))
    }

    /// Lets a bridge's subscription have no more, nor keep what came after this message.
    pub(super) fn retire(&self, key: SubscriptionKey, last: &MessageId, now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.retire_after(key, last, now, effects))
    }

    /// The same for one that shares its window, without messages at these places.
    pub(super) fn retire_from(&self, key: SubscriptionKey, places: &[i64], now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.retire_from(key, places, now, effects))
    }

    pub(super) fn expire(&self, now: i64) -> Aftermath {
        self.with_queue(now, |queue, effects| queue.expire(now, effects))
    }

    /// It is time for what the queue waited for.
    pub(super) fn tick(&self, now: i64) -> Aftermath {
        let mut state = self.state.lock();
        state.armed = None;
        let State { queue, effects, .. } = &mut *state;
        queue.tick(now, effects);
        self.carry_out(&mut state, now)
    }

    /// Ends the queue unless it has consumers and `unless_consumed`; its messages go with it.
    pub(super) fn remove(&self, unless_consumed: bool) -> bool {
        let mut state = self.state.lock();
        if unless_consumed && state.queue.subscriptions() > 0 {
            return false;
        }
        state.removed = true;
        let State { queue, effects, audit, store, .. } = &mut *state;
        if let Some(store) = store {
            audit.forget_all();
            queue.forget_marks(effects);
            effects.marks.drain(..).for_each(|mark| store.note_handed(&mark));
            store.end(audit.take_records());
        }
        if let Some(spool) = &mut state.spool {
            spool.end();
        }
        state.queue = Queue::new(Arc::clone(&self.account));
        state.outlets.clear();
        true
    }

    /// Takes nothing more, and gives up all that waits, to be dead letters.
    pub(super) fn give_up(&self) -> Vec<Arc<Message>> {
        let mut state = self.state.lock();
        state.removed = true;
        let all = state.queue.take_all();
        self.counters.add_dead(all.len());
        all
    }

    /// Hands dispatches to the outboxes; returns what is left to do without the lock.
    pub(super) fn carry_out(&self, state: &mut State, now: i64) -> Aftermath {
        let State { queue, inflow, audit, effects, outlets, batch, store, spool, .. } = state;
        let settles = !effects.consumed.is_empty();
        if let Some(store) = store {
            effects.consumed.drain(..).for_each(|place| store.forget(place));
            effects.marks.drain(..).for_each(|mark| store.note_handed(&mark));
            store.submit();
        }
        effects.consumed.clear();
        inflow.regulate(&self.gate, &self.account, || queue.takers(), now);
        self.counters.add_dispatched(effects.dispatches.len());
        audit.follow(&effects.dispatches);
        self.hand_over(&mut effects.dispatches, outlets, batch);
        if !effects.shown.is_empty() {
            self.hand_over(&mut effects.shown, outlets, batch);
        }
        for key in effects.ended.drain(..) {
            if let Some(Some((outlet, _))) = outlets.get(key.index()) {
                outlet.outbox.push(nothing_more(&outlet.consumer));
            }
        }
        if let Some(store) = store {
            if let Some(spool) = spool {
                spool.carry(queue, &self.address);
            }
            let spool = spool.as_ref().and_then(|spool| spool.store());
            look_after(queue, store, spool, &|| Paged::Queue(self.address.clone()));
        }
        if self.turned_away.swap(false, Ordering::SeqCst) {
            self.account.space().notify_waiters();
            if let Some(store) = store.as_ref().filter(|_| settles && self.store_limit.is_some()) {
                recall(store, &|| Paged::Queue(self.address.clone()));
            }
        }
        self.counters.add_expired(effects.expired.len());
        self.counters.add_doubtful(std::mem::take(&mut effects.doubtful));
        self.counters.add_dead(effects.dead_letters.len());
        let mut aftermath = Aftermath {
            expired: std::mem::take(&mut effects.expired),
            dead_letters: std::mem::take(&mut effects.dead_letters),
            alarms: Vec::new(),
            gone: Vec::new(),
        };
        let due = [state.queue.next_tick(), state.inflow.next_tick()].into_iter().flatten().min();
        if let Some(due) = due
            && state.armed.is_none_or(|armed| due < armed)
        {
            state.armed = Some(due);
            aftermath.alarms.push((due, self.address.clone()));
        }
        aftermath
    }

    fn hand_over(
        &self,
        dispatches: &mut Vec<Dispatch>,
        outlets: &[Option<Place>],
        batch: &mut Vec<Command>,
    ) {
        let mut draining = dispatches.drain(..).peekable();
        while let Some(dispatch) = draining.next() {
            let Some(Some((outlet, shared))) = outlets.get(dispatch.to.index()) else { continue };
            let message = shared.is_some().then(|| Arc::clone(&dispatch.message));
            let more = draining.peek().is_some_and(|next| next.to == dispatch.to);
            let command = Command::MessageDispatch(MessageDispatch {
                consumer_id: Some(outlet.consumer.clone()),
                destination: Some(self.address.clone()),
                message: Some(dispatch.message),
                redelivery_counter: dispatch.redeliveries,
                ..MessageDispatch::default()
            });
            if let (Some((window, member)), Some(message)) = (shared, message) {
                window.hand_over(*member, message, || {
                    outlet.outbox.push(command);
                });
                continue;
            }
            // A closed outbox keeps nothing; the connection's end returns what was dispatched.
            if more || !batch.is_empty() {
                batch.push(command);
                if !more {
                    outlet.outbox.push_all(batch);
                    batch.clear();
                }
            } else {
                outlet.outbox.push(command);
            }
        }
        drop(draining);
        // A consumer of a wide window may have got a whole backlog at once.
        dispatches.shrink_to(KEPT);
        batch.shrink_to(KEPT);
    }
}
