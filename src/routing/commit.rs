//! The end of a transaction.
//!
//! What a commit means to consumers: all its queues and durable subscriptions change while nobody else
//! sees them, and the store gets all of it as one batch. Who is there for the time being follows,
//! without a pause and before the commit is answered. Nothing can fail in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::Batch;

use super::arrival::Arrival;
use super::broker::Broker;
use super::directory::Living;
use super::durable_name::DurableName;
use super::durable_subscriber::{DurableSubscriber, Locked};
use super::persistence::keep_for_all;
use super::queue_handle::{Aftermath, QueueHandle};
use super::room::Room;
use super::safe_commits::Holder;
use super::topic_handle::TopicHandle;
use super::topic_publishing::{Publishing, number};
use super::topic_set::TopicSet;
use super::work::{Sends, Work};
use crate::destination::{AckKind, Acknowledgement, SharedCharge};

/// What a store takes, at most, to forget a message, in bytes.
const FORGETTING: usize = 40;

/// Messages and how each came.
type Messages = Vec<(Arc<Message>, Arrival)>;

/// What a commit changes, by destination.
struct Change {
    work: Work,
    queues: BTreeMap<Destination, QueueChange>,
    topics: Vec<(Arc<TopicHandle>, Messages)>,
    now: i64,
}

/// At one queue the transaction's acknowledgements are settled, and these are taken in.
struct QueueChange {
    queue: Arc<QueueHandle>,
    messages: Messages,
}

impl Broker {
    /// Makes happen what a transaction did. `record` adds to the store's batch that it was
    /// committed, if there is anything of it that a store keeps.
    ///
    /// This is the one place where a transaction becomes real.
    pub(super) fn commit(&self, work: Work, record: impl FnOnce(&mut Batch)) {
        let change = self.change_of(work);
        self.apply(change, record);
    }

    /// Why a transaction cannot be committed now, if the store has no room for it; asking makes the
    /// store tell of room later. If it has, that is nobody else's until the transaction ends. What
    /// were committed all the same would be put off, and all after it would wait.
    pub fn hindrance(&self, work: &Work) -> Option<String> {
        let copies = |address: &Destination| match self.directory.find(address) {
            Some(Living::Topic(topic)) => topic.copies().map_or(0, |copies| copies.len()),
            _ => 0,
        };
        let persistent = work.persistent();
        let bytes = persistent.fold(0_usize, |sum, (address, bytes)| {
            sum.saturating_add(bytes.saturating_mul(1 + copies(address)))
        });
        // What only forgets has room of its own.
        let persistence = self.persistence.as_ref().filter(|_| bytes > 0)?;
        let tag = work.tag.tag();
        let queues = work.queues.values().map(|queue| queue.held_count(tag));
        let durables = work.durables.iter().map(|(subscriber, _)| subscriber.held_count(tag));
        let held = queues.chain(durables).sum::<usize>();
        let bytes = bytes.saturating_add(held.saturating_mul(FORGETTING));
        let mut room = work.room.lock();
        // What it had set aside may be what is lacking.
        room.take();
        *room = Room::of(persistence, bytes);
        room.is_none().then(|| format!("the store has no room for its {bytes} bytes now"))
    }

    /// Undoes what a transaction did. What it sent is forgotten; what it acknowledged is its
    /// consumers' again, which deliver it again by themselves, or returns to its queue if they have
    /// gone.
    pub fn roll_back(&self, mut work: Work) {
        let (tag, now) = (work.tag.tag(), self.clock.now_millis());
        if let Some(persistence) = &self.persistence {
            // Before anybody can have what it gives back.
            let mut batch = Batch::new();
            work.conclude(&mut batch);
            if !batch.is_empty() {
                persistence.submit(&mut batch);
            }
        }
        for group in &work.groups {
            group.queues.roll_back_held(tag);
        }
        for queue in work.queues.values() {
            self.clear_up(queue.roll_back(tag, now));
        }
        for (subscriber, _) in &work.durables {
            self.clear_up(subscriber.roll_back_held(tag, now));
        }
    }

    /// Completes when a commit has become safe, perhaps before this was called.
    pub async fn commit_is_safe(&self) {
        self.safe_commits.news().await;
    }

    /// Lets consumers have what was committed and is safe. Whoever tells a client that its commit is
    /// done calls this before: what the client sends next comes behind it.
    pub fn let_go_of_commits(&self) {
        let now = self.clock.now_millis();
        let mut aftermath = Aftermath::default();
        self.safe_commits.let_go(|holder, places| aftermath.append(holder.let_go(places, now)));
        self.clear_up(aftermath);
    }

    /// Finds out where everything goes, the copies for queues of virtual topics included.
    fn change_of(&self, mut work: Work) -> Change {
        let now = self.clock.now_millis();
        let mut queues = BTreeMap::new();
        for (address, queue) in std::mem::take(&mut work.queues) {
            queues.insert(address, QueueChange { queue, messages: Vec::new() });
        }
        let mut sends = std::mem::take(&mut work.sends);
        let mut change = Change { work, queues, topics: Vec::new(), now };
        for (address, sends) in &mut sends {
            let messages = sends.take(now);
            match self.resolve(address) {
                Ok(target) => match target.0 {
                    Living::Queue(queue) => change.add(&queue, messages),
                    Living::Topic(topic) => self.add_topic(topic, messages, &mut change),
                },
                // A temporary destination that is gone: its messages would be, too.
                Err(error) => {
                    let lost = messages.len();
                    tracing::debug!(%error, lost, "a transaction commits messages to nowhere");
                }
            }
        }
        // What they hold stays counted until it counts there.
        change.work.sends = sends;
        change
    }

    fn add_topic(&self, topic: Arc<TopicHandle>, messages: Messages, change: &mut Change) {
        for copy in topic.copies().iter().flat_map(|copies| copies.iter()) {
            let taken = messages.iter().filter(|(message, _)| copy.takes(message));
            let copies = taken.map(|(message, arrival)| {
                (Arc::new(message.readdressed(copy.queue.address())), *arrival)
            });
            change.add(&copy.queue, copies.collect());
        }
        change.topics.push((topic, messages));
    }

    fn apply(&self, change: Change, record: impl FnOnce(&mut Batch)) {
        let Change { mut work, mut queues, topics, now } = change;
        let topics = &topics;
        let tag = work.tag.tag();
        let mut aftermath = Aftermath::default();
        let mut batch = Batch::new();
        work.conclude(&mut batch);
        let (mut committing, mut homeless) = (Vec::new(), Vec::new());
        let mut held_back = Vec::new();
        for (address, QueueChange { queue, messages }) in &mut queues {
            let messages = std::mem::take(messages);
            match queue.committing() {
                Some(mut change) => {
                    let places = change.stage(tag, messages, &self.sequence, now, &mut batch);
                    if !places.is_empty() {
                        held_back.push((Holder::Queue(Arc::clone(queue)), places));
                    }
                    committing.push(change);
                }
                // It was deleted a moment ago.
                None => homeless.push((address, messages)),
            }
        }
        let mut published: Vec<Published<'_>> = Vec::new();
        for (topic, messages) in topics {
            // An audit's lock comes before that of who subscribes.
            let new =
                messages.iter().filter(|(message, arrival)| topic.takes_once(message, *arrival));
            let new: Vec<&(Arc<Message>, Arrival)> = new.collect();
            match topic.committing() {
                Some(publishing) => published.push((topic, publishing, new)),
                None => homeless.push((topic.address(), new.into_iter().cloned().collect())),
            }
        }
        let subscribers = subscribers_of(&published, &work.durables);
        let mut locked: Vec<Locked<'_>> = subscribers.iter().map(|one| one.lock()).collect();
        for (subscriber, topics) in &work.durables {
            if let Some(at) = place_of(&subscribers, subscriber)
                && let Some(locked) = locked.get_mut(at)
            {
                topics.count_settled(locked.settle(tag, now, &mut batch));
            }
        }
        // One after the other, in the order of their places.
        let holds_back = self.persistence.is_some()
            && published.iter().any(|(.., messages)| messages.iter().any(|one| one.0.persistent()));
        let mut held: Vec<Vec<i64>> = subscribers.iter().map(|_| Vec::new()).collect();
        let mut given = Vec::new();
        for (topic, publishing, messages) in &published {
            let places = publishing.durable().iter();
            let places: Vec<usize> =
                places.filter_map(|subscriber| place_of(&subscribers, subscriber)).collect();
            for (message, _) in messages.iter().filter(|_| publishing.is_heard()) {
                let mut message = Arc::clone(message);
                number(&mut message, &self.sequence);
                let charge = publishing.charge(&message);
                let mut takers = Takers { locked: &mut locked, places: &places, held: &mut held };
                let count = takers.give(&message, &charge, holds_back, now, &mut batch);
                topic.counters().add_dispatched(count);
                given.push((topic, publishing, message, charge));
            }
        }
        if let Some(persistence) = &self.persistence
            && !batch.is_empty()
        {
            // What only forgets is never to wait for room.
            if batch.keeps() || persistence.has_room(0) {
                record(&mut batch);
            }
            for (subscriber, places) in subscribers.iter().zip(held) {
                if !places.is_empty() {
                    held_back.push((Holder::Durable(Arc::clone(subscriber)), places));
                }
            }
            let expected = !held_back.is_empty();
            let listener = expected.then(|| self.safe_commits.expect(held_back) as _);
            persistence.submit_and_tell(&mut batch, listener);
        }
        for queue in committing {
            aftermath.append(queue.finish(now));
        }
        for subscriber in locked {
            subscriber.finish(&mut aftermath);
        }
        for (topic, publishing, message, charge) in given {
            topic.counters().add_dispatched(publishing.give_to_plain(&message, &charge, now));
        }
        drop(published);
        // Nobody is kept away any more.
        for (address, messages) in homeless {
            self.send_anew(address, messages);
        }
        let count = |count| Acknowledgement::of_count(AckKind::Standard, count);
        for (subscriber, topics, settled) in &work.topics {
            topics.count_settled(subscriber.acknowledge(&count(*settled), now));
        }
        for group in &work.groups {
            let (settled, left) = group.queues.commit_held(tag, now);
            aftermath.append(left);
            if let Some((subscriber, topics)) = &group.topics
                && settled > 0
            {
                topics.count_settled(subscriber.acknowledge(&count(settled), now));
            }
        }
        // What it held counts at its destinations now, and its mark is nowhere any more.
        drop(work);
        self.clear_up(aftermath);
        self.let_go_of_commits();
    }

    fn send_anew(&self, address: &Destination, messages: Messages) {
        for (message, arrival) in messages {
            let sent = self.resolve(address).and_then(|to| self.publish(&to, message, arrival));
            if let Err(error) = sent {
                tracing::debug!(%error, "a transaction commits a message to nowhere");
            }
        }
    }
}

/// A topic while what a transaction sent there is given out.
type Published<'a> = (&'a Arc<TopicHandle>, Publishing<'a>, Vec<&'a (Arc<Message>, Arrival)>);

/// The durable subscriptions that a commit changes, by name and each once.
fn subscribers_of(
    published: &[Published<'_>],
    settling: &[(Arc<DurableSubscriber>, Arc<TopicSet>)],
) -> Vec<Arc<DurableSubscriber>> {
    let given = published.iter().flat_map(|(_, publishing, _)| publishing.durable());
    let settled = settling.iter().map(|(subscriber, _)| subscriber);
    let mut all: Vec<Arc<DurableSubscriber>> = given.chain(settled).cloned().collect();
    all.sort_by(|one, other| order(one).cmp(&order(other)));
    all.dedup_by(|one, other| Arc::ptr_eq(one, other));
    all
}

/// By name; of one that has been ended and its successor, in any order that lasts.
fn order(subscriber: &Arc<DurableSubscriber>) -> (&DurableName, usize) {
    (subscriber.name(), Arc::as_ptr(subscriber).addr())
}

fn place_of(
    subscribers: &[Arc<DurableSubscriber>],
    subscriber: &Arc<DurableSubscriber>,
) -> Option<usize> {
    subscribers.binary_search_by(|one| order(one).cmp(&order(subscriber))).ok()
}

/// The durable subscriptions of a topic: those of `locked` at `places`, and what each holds back.
struct Takers<'a, 'b> {
    locked: &'a mut [Locked<'b>],
    places: &'a [usize],
    held: &'a mut [Vec<i64>],
}

impl Takers<'_, '_> {
    /// Gives a message to those that want it, for which it is kept once. Returns how many of them will
    /// hand it to a consumer at once.
    fn give(
        &mut self,
        message: &Arc<Message>,
        charge: &SharedCharge,
        hold_back: bool,
        now: i64,
        batch: &mut Batch,
    ) -> usize {
        let (mut holders, mut dispatched) = (Vec::new(), 0);
        for at in self.places {
            let taker = self.locked.get_mut(*at).filter(|one| one.admits(message, now));
            if let (Some(taker), Some(held)) = (taker, self.held.get_mut(*at)) {
                holders.extend(taker.number());
                let (message, charge) = (Arc::clone(message), Arc::clone(charge));
                held.extend(hold_back.then(|| message.broker_sequence_id()));
                dispatched += usize::from(taker.give(message, charge, hold_back, now));
            }
        }
        if message.persistent() {
            keep_for_all(&holders, message, batch);
        }
        dispatched
    }
}

impl Change {
    fn add(&mut self, queue: &Arc<QueueHandle>, messages: Messages) {
        let address = queue.address().clone();
        let change = self
            .queues
            .entry(address)
            .or_insert_with(|| QueueChange { queue: Arc::clone(queue), messages: Vec::new() });
        // One of the same name that was deleted holds nothing any more.
        change.queue = Arc::clone(queue);
        change.messages.extend(messages);
    }
}

impl Sends {
    /// The messages, which came to the broker at this time; what they hold stays counted.
    fn take(&mut self, now: i64) -> Messages {
        let mut messages = std::mem::take(&mut self.messages);
        for (message, _) in &mut messages {
            Arc::make_mut(message).set_broker_in_time(now);
        }
        messages
    }
}
