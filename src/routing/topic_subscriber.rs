//! A subscription to topics for as long as its connection lasts, and its consumer's outbox.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_transport::clock::WallOffset;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;

use super::nothing_more::nothing_more;
use crate::destination::{
    Acknowledgement, Admission, MemberNumber, Pending, SharedWindow, TopicSubscription,
};

/// How many advisories a consumer may leave unsettled before its connection is closed: they count
/// on no memory account, so that nothing else limits them.
const MOST_ADVISORIES: usize = 65_536;

/// The number of the topics in a window that queues share.
pub(super) const OF_TOPICS: MemberNumber = 0;

/// How many dispatches a subscription keeps room for between inputs.
const KEPT: usize = 64;

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

/// What became of a message that was given to a subscription.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offered {
    /// A message was dispatched.
    pub(super) dispatched: bool,
    /// The consumer loses it, because its frames are too small.
    pub(super) too_large: bool,
}

impl TopicSubscriber {
    pub(super) fn new(
        consumer: ConsumerId,
        outbox: Outbox,
        prefetch: usize,
        admission: Admission,
        offset: WallOffset,
    ) -> Self {
        let state = State {
            subscription: TopicSubscription::new(prefetch, admission).telling(offset),
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

    /// Gives it a message.
    pub(super) fn offer(&self, destination: &Destination, pending: Pending, now: i64) -> Offered {
        let mut state = self.state.lock();
        let State { subscription, dispatches, .. } = &mut *state;
        let too_large = !subscription.offer(pending, now, dispatches);
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
        Offered { dispatched, too_large }
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
