//! Who subscribes to a topic, and giving messages to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::{Batch, QueueId};
use parking_lot::RwLockReadGuard;

use super::counters::DestinationCounters;
use super::durable_subscriber::{DurableSubscriber, Locked};
use super::queue_handle::Aftermath;
use super::topic_audit::TopicAudit;
use super::topic_subscriber::TopicSubscriber;
use crate::destination::{MemoryAccount, Pending, SharedCharge};

/// The subscriptions of one topic.
#[derive(Default)]
pub(super) struct Subscribers {
    /// In the order in which they came.
    plain: Vec<Arc<TopicSubscriber>>,
    /// By their names, which is the order in which they are locked.
    durable: Vec<Arc<DurableSubscriber>>,
}

impl Subscribers {
    pub(super) fn plain(&self) -> &[Arc<TopicSubscriber>] {
        &self.plain
    }

    pub(super) fn durable(&self) -> &[Arc<DurableSubscriber>] {
        &self.durable
    }

    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.durable.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn in_flight(&self) -> usize {
        let plain = self.plain.iter().map(|subscriber| subscriber.in_flight());
        let durable = self.durable.iter().map(|subscriber| subscriber.in_flight());
        plain.sum::<usize>() + durable.sum::<usize>()
    }

    /// Adds one, once.
    pub(super) fn add(&mut self, subscriber: &Arc<TopicSubscriber>) {
        if !self.plain.iter().any(|other| Arc::ptr_eq(other, subscriber)) {
            self.plain.push(Arc::clone(subscriber));
        }
    }

    /// The same for a durable one.
    pub(super) fn add_durable(&mut self, subscriber: &Arc<DurableSubscriber>) {
        if !self.durable.iter().any(|other| Arc::ptr_eq(other, subscriber)) {
            let at = self.durable.partition_point(|other| other.name() < subscriber.name());
            self.durable.insert(at, Arc::clone(subscriber));
        }
    }

    pub(super) fn remove(&mut self, subscriber: &Arc<TopicSubscriber>) {
        self.plain.retain(|other| !Arc::ptr_eq(other, subscriber));
    }

    pub(super) fn remove_durable(&mut self, subscriber: &Arc<DurableSubscriber>) {
        self.durable.retain(|other| !Arc::ptr_eq(other, subscriber));
    }

    pub(super) fn clear(&mut self) {
        self.plain.clear();
        self.durable.clear();
    }
}

/// A topic while messages are given out: who subscribes stays as it is, so that a durable subscription
/// which gets one does not end meanwhile.
pub(super) struct Publishing<'a> {
    address: &'a Destination,
    account: &'a Arc<MemoryAccount>,
    counters: &'a DestinationCounters,
    subscribers: RwLockReadGuard<'a, Subscribers>,
}

impl<'a> Publishing<'a> {
    pub(super) fn new(
        address: &'a Destination,
        account: &'a Arc<MemoryAccount>,
        counters: &'a DestinationCounters,
        subscribers: RwLockReadGuard<'a, Subscribers>,
    ) -> Self {
        Self { address, account, counters, subscribers }
    }

    /// Whether anybody subscribes.
    pub(super) fn is_heard(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// The durable subscriptions, by their names.
    pub(super) fn durable(&self) -> &[Arc<DurableSubscriber>] {
        self.subscribers.durable()
    }

    /// What a message counts as, once for all who have it.
    pub(super) fn charge(&self, message: &Message) -> SharedCharge {
        Arc::new(self.account.charge(message.size()))
    }

    /// Gives a message to all who subscribe for as long as their connections last. Returns how many
    /// of them got it at once.
    pub(super) fn give_to_plain(
        &self,
        message: &Arc<Message>,
        charge: &SharedCharge,
        now: i64,
    ) -> usize {
        let (mut dispatched, mut too_large) = (0, 0);
        for subscriber in self.subscribers.plain() {
            let pending =
                Pending { message: Arc::clone(message), charge: Some(Arc::clone(charge)) };
            let offered = subscriber.offer(self.address, pending, now);
            dispatched += usize::from(offered.dispatched);
            too_large += usize::from(offered.too_large);
        }
        self.counters.add_too_large(too_large);
        dispatched
    }

    /// Gives a message its number, and to the durable subscriptions that want it, for which it is kept
    /// once. Returns how many of them had a consumer that got it at once.
    pub(super) fn give_to_durable(
        &self,
        message: &mut Arc<Message>,
        charge: &SharedCharge,
        audit: Option<&mut TopicAudit>,
        sequence: &AtomicI64,
        now: i64,
        aftermath: &mut Aftermath,
    ) -> usize {
        let locked = self.durable().iter().map(|subscriber| subscriber.lock());
        let mut takers: Vec<Locked<'_>> = locked.collect();
        // Now that nobody else gives them any: each has its messages in the order of their numbers.
        number(message, sequence);
        takers.retain(|subscriber| subscriber.admits(message, now));
        if message.persistent() {
            let holders: Vec<QueueId> = takers.iter().filter_map(Locked::number).collect();
            // Before anybody can get it: otherwise its acknowledgement might come first.
            if let Some(first) = takers.iter_mut().find(|taker| taker.number().is_some()) {
                let mut batch = Batch::new();
                if let Some(audit) = audit {
                    audit.keep(self.address, &mut batch);
                }
                first.keep_with(batch, holders, message);
            }
        }
        let mut dispatched = 0;
        for mut taker in takers {
            let (message, charge) = (Arc::clone(message), Arc::clone(charge));
            dispatched += usize::from(taker.give(message, charge, false, now));
            taker.finish(aftermath);
        }
        dispatched
    }
}

/// Gives a message the next number.
pub(super) fn number(message: &mut Arc<Message>, sequence: &AtomicI64) {
    Arc::make_mut(message).set_broker_sequence_id(sequence.fetch_add(1, Ordering::Relaxed));
}
