//! Queues whose consumers share what waits: whatever happens, every message is in one place, and who
//! settles nothing gets all of its window in the end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};

use super::acknowledgement::{AckKind, Acknowledgement};
use super::admission::Admission;
use super::delivered::Delivered;
use super::effects::{Effects, SubscriptionKey};
use super::memory::MemoryAccount;
use super::queue::Queue;
use super::subscription::QueueSubscription;
use crate::transaction::Tags;

fn id(number: i64) -> MessageId {
    MessageId::new(ProducerId::new(&SessionId::new(&ConnectionId::new("c"), 1), 1), number)
}

fn message(number: i64) -> Arc<Message> {
    let fields = MessageFields {
        destination: Some(Destination::queue("q")),
        message_id: Some(id(number)),
        ..MessageFields::default()
    };
    let mut message = Message::from_fields(&fields).unwrap();
    message.set_broker_sequence_id(number);
    Arc::new(message)
}

fn asking(prefetch: usize, network: bool) -> QueueSubscription {
    QueueSubscription {
        priority: if network { -5 } else { 0 },
        prefetch,
        admission: Admission::default(),
        network,
        distance: usize::from(network),
        route: Vec::new(),
        settling: 0,
        browser: false,
        exclusive: false,
        shared: None,
    }
}

/// A consumer as the test knows it.
struct Known {
    prefetch: usize,
    network: bool,
    held: VecDeque<i64>,
}

#[derive(Default)]
struct Story {
    known: BTreeMap<SubscriptionKey, Known>,
    effects: Effects,
    sent: i64,
    settled: usize,
}

impl Story {
    /// Takes what was dispatched, and looks whether every message is in one place.
    fn check(&mut self, queue: &Queue, seed: u64) {
        for dispatch in self.effects.dispatches.drain(..) {
            let known = self.known.get_mut(&dispatch.to).expect("a live consumer");
            known.held.push_back(dispatch.message.broker_sequence_id());
            assert!(known.held.len() <= known.prefetch, "seed {seed}: beyond its window");
        }
        let held: usize = self.known.values().map(|known| known.held.len()).sum();
        assert_eq!(held, queue.in_flight(), "seed {seed}");
        let all = usize::try_from(self.sent).unwrap();
        assert_eq!(queue.pending() + held + self.settled, all, "seed {seed}: lost or invented");
    }

    /// The first messages that a consumer holds are settled, one by one or together.
    fn settle(&mut self, queue: &mut Queue, key: SubscriptionKey, count: usize, now: i64) {
        let known = self.known.get_mut(&key).unwrap();
        let count = count.min(known.held.len());
        let gone: Vec<i64> = known.held.drain(..count).collect();
        let (Some(first), Some(last)) = (gone.first(), gone.last()) else { return };
        let (first, last) = (id(*first), id(*last));
        let ack = Acknowledgement {
            kind: AckKind::Standard,
            first: Some(&first),
            last: Some(&last),
            destination: None,
            count,
            cause: None,
        };
        assert_eq!(queue.acknowledge(key, &ack, now, &mut self.effects), Ok(count));
        self.settled += count;
    }
}

#[test]
fn any_history_keeps_every_message_and_who_settles_nothing_has_its_window_in_the_end() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut queue = Queue::shared(MemoryAccount::root(u64::MAX), ReplayPolicy::default());
        let (mut story, mut now) = (Story::default(), 1_000);
        for _ in 0..200 {
            now += random.i64(0..60);
            if queue.next_tick().is_some_and(|due| due <= now) {
                queue.tick(now, &mut story.effects);
                story.check(&queue, seed);
            }
            let key = random.choice(story.known.keys().copied().collect::<Vec<_>>());
            match (random.u8(..10), key) {
                (0..=3, _) => {
                    for _ in 0..random.usize(1..40) {
                        story.sent += 1;
                        queue.enqueue(message(story.sent), now, &mut story.effects);
                    }
                }
                (4, _) if story.known.len() < 4 => {
                    let (prefetch, network) = (random.usize(1..200), random.u8(..4) == 0);
                    let asked = asking(prefetch, network);
                    let key = queue.subscribe(asked, now, &mut story.effects);
                    story.known.insert(key, Known { prefetch, network, held: VecDeque::new() });
                }
                (5, Some(key)) if random.bool() => {
                    story.known.remove(&key);
                    queue.unsubscribe(key, Delivered::Nothing, now, &mut story.effects);
                }
                (_, Some(key)) => {
                    let count = random.usize(1..30);
                    story.settle(&mut queue, key, count, now);
                }
                _ => {}
            }
            story.check(&queue, seed);
        }
        for _ in 0..200 {
            let Some(due) = queue.next_tick() else { break };
            now = now.max(due);
            queue.tick(now, &mut story.effects);
            story.check(&queue, seed);
        }
        for known in story.known.values().filter(|known| !known.network) {
            let full = known.held.len() == known.prefetch;
            assert!(full || queue.pending() == 0, "seed {seed}: {} waits", queue.pending());
        }
    }
}

/// What it acknowledges in a transaction is done, though its commit comes much later.
#[test]
fn a_fast_consumer_in_a_transaction_is_no_slow_one() {
    let mut queue = Queue::shared(MemoryAccount::root(u64::MAX), ReplayPolicy::default());
    let mut effects = Effects::default();
    for number in 1..=5_000 {
        queue.enqueue(message(number), 0, &mut effects);
    }
    let key = queue.subscribe(asking(1_000, false), 0, &mut effects);
    let lease = Arc::new(Tags::default()).lease().expect("a mark");
    let mut got = 0;
    for now in 1..60 {
        for dispatch in std::mem::take(&mut effects.dispatches) {
            got += 1;
            let last = id(dispatch.message.broker_sequence_id());
            let ack = Acknowledgement {
                kind: AckKind::Standard,
                first: Some(&last),
                last: Some(&last),
                destination: None,
                count: 1,
                cause: None,
            };
            queue.hold(key, &ack, lease.tag(), now, &mut effects).expect("it was dispatched");
        }
    }
    assert!(got >= 3_000, "only {got} within 60 ms");
    assert_eq!(queue.commit_held(lease.tag(), 60, &mut effects), got);
}
