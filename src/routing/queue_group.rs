//! A consumer of several queues: those that a composite name lists, and those that a wildcard
//! matches, now and later.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConsumerId, MessageId};
use ferrymq_openwire::text::Text;
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;

use super::nothing_more::nothing_more;
use super::queue_handle::{Aftermath, Outlet, QueueHandle};
use super::topic_subscriber::OF_TOPICS;
use crate::destination::{
    AckError, Acknowledgement, Delivered, MemberNumber, QueueSubscription, SharedWindow,
    SubscriptionKey,
};
use crate::transaction::Tag;

/// One consumer's subscriptions at several queues, which share its window.
pub(super) struct QueueGroup {
    consumer: ConsumerId,
    outbox: Outbox,
    /// What it asks of each queue.
    asked: QueueSubscription,
    window: Arc<SharedWindow>,
    /// The names that it reads, wildcards or not.
    patterns: Vec<DestinationPattern>,
    /// A bridge's: of the queues that match, those that may cross.
    permits: Option<Arc<Permits>>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    last: MemberNumber,
    /// Queues that it has, or is about to have.
    by_address: HashMap<Destination, MemberNumber>,
    joined: BTreeMap<MemberNumber, (Arc<QueueHandle>, SubscriptionKey)>,
}

impl QueueGroup {
    pub(super) fn new(
        consumer: ConsumerId,
        outbox: Outbox,
        asked: QueueSubscription,
        patterns: Vec<DestinationPattern>,
        permits: Option<Arc<Permits>>,
    ) -> Self {
        let window = Arc::new(SharedWindow::new(asked.prefetch));
        let members = Mutex::new(Members { last: OF_TOPICS, ..Members::default() });
        Self { consumer, outbox, asked, window, patterns, permits, members }
    }

    pub(super) fn patterns(&self) -> &[DestinationPattern] {
        &self.patterns
    }

    pub(super) fn window(&self) -> &Arc<SharedWindow> {
        &self.window
    }

    /// Whether it is to have this queue.
    pub(super) fn wants(&self, address: &Destination) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(address))
            && self.permits.as_ref().is_none_or(|permits| permits.verdict(address).may_cross())
    }

    /// Joins a queue, once. One that has been deleted meanwhile is left out.
    pub(super) fn join(&self, queue: &Arc<QueueHandle>, now: i64) -> Aftermath {
        let Some(number) = self.members.lock().claim(queue.address()) else {
            return Aftermath::default();
        };
        let asked = QueueSubscription {
            shared: Some((Arc::clone(&self.window), number)),
            ..self.asked.clone()
        };
        let outlet = Outlet { consumer: self.consumer.clone(), outbox: self.outbox.clone() };
        let joined = queue.subscribe(asked, outlet, now, |key| {
            self.members.lock().joined.insert(number, (Arc::clone(queue), key));
        });
        joined.unwrap_or_else(|_| {
            // It is gone already; another one of its name may have been joined since.
            self.give_up(queue.address(), number);
            Aftermath::default()
        })
    }

    fn give_up(&self, address: &Destination, number: MemberNumber) {
        let mut members = self.members.lock();
        if members.by_address.get(address) == Some(&number) {
            members.by_address.remove(address);
        }
        members.joined.remove(&number);
        self.window.forget(number);
    }

    /// A queue is gone, and all that it held.
    pub(super) fn leave(&self, address: &Destination) {
        let mut members = self.members.lock();
        if let Some(number) = members.by_address.remove(address) {
            members.joined.remove(&number);
            self.window.forget(number);
        }
    }

    /// Applies an acknowledgement: each message is settled at its own queue, and queues that waited
    /// for room are served. Returns how many of topics it settled.
    pub(super) fn acknowledge(
        &self,
        ack: &Acknowledgement<'_>,
        now: i64,
    ) -> Result<(usize, Aftermath), AckError> {
        let settled = self.window.settle(ack)?;
        let mut places: BTreeMap<MemberNumber, Vec<i64>> = BTreeMap::new();
        for (number, place) in settled.messages {
            places.entry(number).or_default().push(place);
        }
        let mut aftermath = Aftermath::default();
        let of_topics = places.remove(&OF_TOPICS).map_or(0, |places| places.len());
        for (number, places) in places {
            if let Some((queue, key)) = self.member(number) {
                let cause: Option<&Text> = ack.cause.as_ref();
                aftermath.append(queue.settle(key, &places, settled.outcome, cause, now));
            }
        }
        aftermath.append(self.serve(now));
        Ok((of_topics, aftermath))
    }

    /// Applies an acknowledgement that is part of a transaction; returns the queues that hold
    /// messages for it.
    pub(super) fn hold(
        &self,
        ack: &Acknowledgement<'_>,
        by: Tag,
        now: i64,
    ) -> Result<(Vec<Arc<QueueHandle>>, Aftermath), AckError> {
        let mut places: BTreeMap<MemberNumber, Vec<i64>> = BTreeMap::new();
        for (number, place) in self.window.hold(ack, by)? {
            places.entry(number).or_default().push(place);
        }
        let mut queues = Vec::new();
        for (number, places) in places {
            if let Some((queue, key)) = self.member(number) {
                queue.hold_places(key, &places, by);
                queues.push(queue);
            }
        }
        Ok((queues, self.serve(now)))
    }

    /// A transaction is committed, and its queues know it. Returns how many messages of topics it
    /// settled.
    pub(super) fn commit_held(&self, by: Tag, now: i64) -> (usize, Aftermath) {
        let of_topics = self.window.take_held(by, OF_TOPICS);
        (of_topics, self.serve(now))
    }

    /// A transaction is rolled back, and its queues know it.
    pub(super) fn roll_back_held(&self, by: Tag) {
        self.window.let_go(by);
    }

    /// Changes how many messages may be outstanding.
    pub(super) fn set_prefetch(&self, prefetch: usize, now: i64) -> Aftermath {
        self.window.set_prefetch(prefetch);
        self.serve(now)
    }

    /// Lets it have one message; true if there is none for it yet.
    pub(super) fn pull(&self, now: i64) -> (bool, Aftermath) {
        self.window.pull();
        let aftermath = self.serve(now);
        (self.window.is_pulling(), aftermath)
    }

    /// Ends the wait for a message that was pulled, if it has not come.
    pub(super) fn end_pull(&self) {
        self.window.end_pull(|| {
            self.outbox.push(nothing_more(&self.consumer));
        });
    }

    /// Lets it have no more.
    pub(super) fn close(&self) {
        self.window.close();
    }

    /// Lets it have no more, nor keep what came after this message, as a bridge's that is about to
    /// end.
    pub(super) fn retire(
        &self,
        last: &MessageId,
        from: Option<&Destination>,
        now: i64,
    ) -> Aftermath {
        let mut places: BTreeMap<MemberNumber, Vec<i64>> = BTreeMap::new();
        for (number, place) in self.window.retire(last, from) {
            places.entry(number).or_default().push(place);
        }
        let joined = self.members.lock().joined.clone();
        let mut aftermath = Aftermath::default();
        for (number, (queue, key)) in joined {
            let places = places.remove(&number).unwrap_or_default();
            aftermath.append(queue.retire_from(key, &places, now));
        }
        aftermath
    }

    /// Ends it at all its queues. It must not be joined to others any more.
    pub(super) fn end(&self, delivered: Delivered, now: i64) -> Aftermath {
        self.window.close();
        let members = std::mem::take(&mut *self.members.lock());
        let last: HashMap<MemberNumber, i64> = match delivered {
            Delivered::UpTo(through) => {
                self.window.delivered_through(through).into_iter().collect()
            }
            Delivered::Nothing | Delivered::Unknown | Delivered::InDoubt => HashMap::new(),
        };
        let mut aftermath = Aftermath::default();
        for (number, (queue, key)) in members.joined {
            let delivered = match delivered {
                Delivered::UpTo(_) => {
                    last.get(&number).map_or(Delivered::Nothing, |last| Delivered::UpTo(*last))
                }
                other => other,
            };
            aftermath.append(queue.unsubscribe(key, delivered, now));
        }
        aftermath
    }

    /// Lets queues that waited for room have what there is, those first that waited longest.
    fn serve(&self, now: i64) -> Aftermath {
        let mut aftermath = Aftermath::default();
        while let Some(number) = self.window.next_starved() {
            if let Some((queue, key)) = self.member(number) {
                aftermath.append(queue.refill(key, now));
            }
        }
        aftermath
    }

    fn member(&self, number: MemberNumber) -> Option<(Arc<QueueHandle>, SubscriptionKey)> {
        self.members.lock().joined.get(&number).cloned()
    }
}

impl Members {
    /// A number for a queue that it does not have yet.
    fn claim(&mut self, address: &Destination) -> Option<MemberNumber> {
        if self.by_address.contains_key(address) {
            return None;
        }
        self.last += 1;
        self.by_address.insert(address.clone(), self.last);
        Some(self.last)
    }
}
