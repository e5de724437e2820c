//! However long a queue's backlog is and whoever comes and goes: no single input keeps the queue for
//! long, and what waits goes on when it may.

use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};

use super::admission::Admission;
use super::delivered::Delivered;
use super::effects::{Effects, SubscriptionKey};
use super::memory::MemoryAccount;
use super::queue::Queue;
use super::subscription::QueueSubscription;
use crate::selector::Selectors;

const BACKLOG: i64 = 20_000;
const START: i64 = 1_000_000;
/// How often one input may ask whether a message may go to a subscription: what one of them gives
/// back, a window at most, is offered to all.
const MOST: usize = 30 * 1_000;

fn message(number: i64, path: &[&str], now: i64) -> Arc<Message> {
    let session = SessionId::new(&ConnectionId::new("c"), 1);
    let fields = MessageFields {
        message_id: Some(MessageId::new(ProducerId::new(&session, number % 7), number)),
        broker_path: Some(path.iter().map(|broker| Some(BrokerId::new(*broker))).collect()),
        ..MessageFields::default()
    };
    let mut message = Message::from_fields(&fields).unwrap();
    message.set_broker_sequence_id(number);
    message.set_broker_in_time(now);
    Arc::new(message)
}

/// By way of the last broker of the route to consumers at its first.
fn bridge(route: &[&str], settling: i64) -> QueueSubscription {
    let next = route.last().copied().unwrap_or_default();
    let filter = NetworkBridgeFilter {
        network_broker_id: Some(BrokerId::new(next)),
        message_ttl: -1,
        consumer_ttl: -1,
        ..NetworkBridgeFilter::default()
    };
    let info = ConsumerInfo { additional_predicate: Some(filter), ..ConsumerInfo::default() };
    QueueSubscription {
        priority: -5 - i8::try_from(route.len()).unwrap(),
        prefetch: 1_000,
        admission: Admission::of(&info, &BrokerId::new("own"), &Selectors::default()).unwrap(),
        network: true,
        browser: false,
        exclusive: false,
        distance: route.len(),
        route: route.iter().map(|broker| BrokerId::new(*broker)).collect(),
        settling,
        shared: None,
    }
}

fn consumer(selector: Option<&str>) -> QueueSubscription {
    let info = ConsumerInfo { selector: selector.map(Into::into), ..ConsumerInfo::default() };
    let own = BrokerId::new("own");
    QueueSubscription {
        admission: Admission::of(&info, &own, &Selectors::default()).unwrap(),
        network: false,
        route: Vec::new(),
        distance: 0,
        priority: 0,
        settling: 0,
        ..bridge(&["b"], 0)
    }
}

/// A queue, and what its longest input cost.
struct Bench {
    queue: Queue,
    effects: Effects,
    now: i64,
    judged: usize,
    longest: std::time::Duration,
}

impl Bench {
    fn new() -> Self {
        let queue = Queue::shared(MemoryAccount::root(u64::MAX), ReplayPolicy::default());
        let (judged, longest) = (0, std::time::Duration::ZERO);
        Self { queue, effects: Effects::default(), now: START, judged, longest }
    }

    fn input<T>(&mut self, act: impl FnOnce(&mut Queue, i64, &mut Effects) -> T) -> T {
        let before = self.queue.judged();
        #[expect(clippy::disallowed_methods, reason = "what it costs on this machine is shown")]
        let start = std::time::Instant::now();
        let outcome = act(&mut self.queue, self.now, &mut self.effects);
        self.longest = self.longest.max(start.elapsed());
        self.judged = self.judged.max(self.queue.judged() - before);
        outcome
    }

    /// Until there is nothing to do before `until`.
    fn pass(&mut self, until: i64) {
        for _ in 0..100_000 {
            let Some(due) = self.queue.next_tick().filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            self.input(Queue::tick);
        }
        self.now = self.now.max(until);
    }

    fn subscribe(&mut self, asked: QueueSubscription) -> SubscriptionKey {
        self.input(|queue, now, effects| queue.subscribe(asked, now, effects))
    }

    fn unsubscribe(&mut self, key: SubscriptionKey) {
        self.input(|queue, now, effects| queue.unsubscribe(key, Delivered::Nothing, now, effects));
    }
}

/// A broker in a mesh of five, two of the others ActiveMQ brokers; a backlog came from all of them.
#[test]
fn consumers_that_flap_beside_a_long_backlog_keep_it_from_nobody_for_long() {
    const SETTLING: i64 = 5_000;
    let mut bench = Bench::new();
    let paths: [&[&str]; 6] = [&[], &["b"], &["c"], &["b", "d"], &["e"], &["c", "own", "c"]];
    for number in 1..=BACKLOG {
        let path = paths[usize::try_from(number).unwrap() % paths.len()];
        bench.input(|queue, now, effects| {
            queue.enqueue(message(number, path, now), now, effects);
        });
    }
    let mut random = fastrand::Rng::with_seed(5);
    let mut live = Vec::new();
    for _ in 0..120 {
        let settling = |next: &str| if matches!(next, "b" | "d") { SETTLING } else { 0 };
        match random.u8(..6) {
            0 if live.len() < 30 => {
                let selector = random.bool().then_some("colour = 'red'");
                live.push(bench.subscribe(consumer(selector)));
            }
            1..=3 if live.len() < 30 => {
                let mut brokers = ["b", "c", "d", "e"];
                random.shuffle(&mut brokers);
                let route = &brokers[..random.usize(1..4)];
                let next = route.last().copied().unwrap_or_default();
                live.push(bench.subscribe(bridge(route, settling(next))));
            }
            _ if !live.is_empty() => {
                let gone = live.swap_remove(random.usize(..live.len()));
                bench.unsubscribe(gone);
            }
            _ => {}
        }
        let soon = bench.now + random.i64(0..300);
        bench.pass(soon);
        bench.effects.dispatches.clear();
    }
    println!("longest input {:?}, {} asked at most", bench.longest, bench.judged);
    assert!(bench.judged <= MOST, "one input asked {} times", bench.judged);
    for key in live {
        bench.unsubscribe(key);
    }
    assert_eq!(bench.queue.pending(), usize::try_from(BACKLOG).unwrap(), "nothing is lost");
    // Whoever comes in the end has what it may have.
    bench.effects.dispatches.clear();
    bench.subscribe(QueueSubscription { prefetch: 100_000, ..consumer(None) });
    let mut before = usize::MAX;
    while bench.queue.pending() < before {
        before = bench.queue.pending();
        let later = bench.now + 1_000;
        bench.pass(later);
    }
    assert_eq!(bench.queue.pending(), 0);
}
