//! Queues whose backlog is longer than memory is for, beside a store that takes its time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};
use ferrymq_openwire::properties::{Properties, Value};

use super::*;
use crate::selector::Selectors;

/// The broker's memory.
const ROOM: usize = 1 << 30;
/// What a message counts as.
const SIZE: u64 = 1024 + 100;

fn producer() -> ProducerId {
    ProducerId::new(&SessionId::new(&ConnectionId::new("c"), 1), 1)
}

fn id(place: i64) -> MessageId {
    MessageId::new(producer(), place)
}

fn message(place: i64, expiration: i64, persistent: bool) -> Message {
    let mut properties = Properties::default();
    properties.insert("odd", Value::Int(i32::from(place % 2 != 0)));
    properties.insert("rare", Value::Int(i32::from(place % 97 == 0)));
    let properties = properties.encode();
    let mut message = Message::from_fields(&MessageFields {
        kind: MessageKind::Text,
        producer_id: Some(producer()),
        destination: Some(Destination::queue("q")),
        message_id: Some(id(place)),
        content: Some(vec![0; 100 - properties.len()].into()),
        marshalled_properties: Some(properties),
        persistent,
        expiration,
        ..MessageFields::default()
    })
    .expect("a valid message");
    message.set_broker_sequence_id(place);
    message
}

fn admission(selector: Option<&str>) -> Admission {
    let info = ConsumerInfo { selector: selector.map(Into::into), ..ConsumerInfo::default() };
    let own = BrokerId::new("own");
    Admission::of(&info, &own, &Selectors::default()).expect("a valid selector")
}

fn asking(prefetch: usize, selector: Option<&str>, browser: bool) -> QueueSubscription {
    QueueSubscription {
        priority: 0,
        prefetch,
        admission: admission(selector),
        network: false,
        route: Vec::new(),
        distance: 0,
        settling: 0,
        browser,
        exclusive: false,
        shared: None,
    }
}

/// What the store is told.
enum Change {
    Keep(i64, Message),
    Forget(i64),
    Nothing,
}

/// A queue, its store, and who reads there.
struct Bench {
    queue: Queue,
    account: Arc<MemoryAccount>,
    broker: Arc<MemoryAccount>,
    others: Option<Charge>,
    effects: Effects,
    now: i64,
    last: i64,
    /// What the store gives.
    kept: BTreeMap<i64, Message>,
    changes: VecDeque<Change>,
    submitted: u64,
    settled: u64,
    asked: bool,
    reading: Option<Page>,
    /// What was dispatched and not settled, by subscription, in order.
    held: BTreeMap<SubscriptionKey, VecDeque<i64>>,
    shown: BTreeMap<SubscriptionKey, Vec<i64>>,
    ended: BTreeSet<SubscriptionKey>,
    /// What nobody has consumed.
    alive: BTreeSet<i64>,
    pages: usize,
}

impl Bench {
    fn new(window: u64) -> Self {
        let broker = MemoryAccount::root(ROOM as u64);
        let account = MemoryAccount::below(&broker, None);
        Self {
            queue: Queue::new(Arc::clone(&account)).paging(window),
            account,
            broker,
            others: None,
            effects: Effects::default(),
            now: 1_000,
            last: 0,
            kept: BTreeMap::new(),
            changes: VecDeque::new(),
            submitted: 0,
            settled: 0,
            asked: false,
            reading: None,
            held: BTreeMap::new(),
            shown: BTreeMap::new(),
            ended: BTreeSet::new(),
            alive: BTreeSet::new(),
            pages: 0,
        }
    }

    /// A broker that starts with what the store of another one holds.
    fn restarted(mut self, window: u64) -> Self {
        self.settle(usize::MAX);
        let mut bench = Self::new(window);
        (bench.kept, bench.alive, bench.last) = (self.kept, self.alive, self.last);
        if let (Some((first, _)), Some((last, _))) =
            (bench.kept.first_key_value(), bench.kept.last_key_value())
        {
            bench.queue.take_up(bench.kept.len(), *first, *last);
        }
        bench.carry_out();
        bench
    }

    fn submit(&mut self, change: Change) -> u64 {
        self.changes.push_back(change);
        self.submitted += 1;
        self.submitted
    }

    fn send(&mut self, expiration: i64, persistent: bool) {
        self.last += 1;
        let message = message(self.last, expiration, persistent);
        self.alive.insert(self.last);
        if persistent {
            self.submit(Change::Keep(self.last, message.clone()));
        }
        self.queue.enqueue(Arc::new(message), self.now, &mut self.effects);
        self.carry_out();
    }

    fn subscribe(&mut self, asked: QueueSubscription) -> SubscriptionKey {
        let key = self.queue.subscribe(asked, self.now, &mut self.effects);
        self.held.insert(key, VecDeque::new());
        self.shown.insert(key, Vec::new());
        self.ended.remove(&key);
        self.carry_out();
        key
    }

    fn unsubscribe(&mut self, key: SubscriptionKey) {
        self.held.remove(&key);
        self.queue.unsubscribe(key, Delivered::Unknown, self.now, &mut self.effects);
        self.carry_out();
    }

    /// Settles the first message of a subscription.
    fn consume(&mut self, key: SubscriptionKey, kind: AckKind) -> Option<i64> {
        let place = self.held.get_mut(&key)?.pop_front()?;
        let id = id(place);
        let ack = Acknowledgement {
            kind,
            first: Some(&id),
            last: Some(&id),
            destination: None,
            count: 1,
            cause: (kind == AckKind::Poison).then(|| "bad".into()),
        };
        let settled = self.queue.acknowledge(key, &ack, self.now, &mut self.effects);
        assert_eq!(settled, Ok(1));
        if kind != AckKind::Poison {
            assert!(self.alive.remove(&place), "{place} is consumed once");
        }
        self.carry_out();
        Some(place)
    }

    fn carry_out(&mut self) {
        for dispatch in std::mem::take(&mut self.effects.dispatches) {
            let place = dispatch.message.broker_sequence_id();
            assert!(self.alive.contains(&place), "{place} is gone");
            let held = self.held.values().flatten().any(|other| *other == place);
            assert!(!held, "{place} is with two consumers");
            self.held.get_mut(&dispatch.to).expect("a subscription").push_back(place);
        }
        for dispatch in std::mem::take(&mut self.effects.shown) {
            let place = dispatch.message.broker_sequence_id();
            self.shown.get_mut(&dispatch.to).expect("a browser").push(place);
        }
        self.ended.extend(std::mem::take(&mut self.effects.ended));
        for place in std::mem::take(&mut self.effects.consumed) {
            self.submit(Change::Forget(place));
        }
        let dead = std::mem::take(&mut self.effects.dead_letters);
        let expired = std::mem::take(&mut self.effects.expired);
        for message in dead.into_iter().map(|letter| letter.message).chain(expired) {
            let place = message.broker_sequence_id();
            assert!(self.alive.remove(&place), "{place} leaves once");
            self.submit(Change::Forget(place));
        }
        if !self.queue.is_paging() {
            return;
        }
        self.queue.page_out(self.settled);
        if self.queue.wants_fence() {
            let fence = self.submit(Change::Nothing);
            self.queue.set_fence(fence);
        }
        self.asked |= self.queue.ask_for_page();
    }

    fn settle(&mut self, batches: usize) {
        for change in self.changes.drain(..batches.min(self.changes.len())) {
            self.settled += 1;
            match change {
                Change::Keep(place, message) => drop(self.kept.insert(place, message)),
                Change::Forget(place) => drop(self.kept.remove(&place)),
                Change::Nothing => {}
            }
        }
        self.carry_out();
    }

    fn begin_page(&mut self) {
        if std::mem::take(&mut self.asked)
            && let Some((from, size)) = self.queue.begin_page()
        {
            let most = (size.bytes / 300).clamp(1, size.messages);
            let messages = self.kept.range(from..).take(most);
            let messages = messages.map(|(place, message)| (*place, Some(message.clone())));
            self.reading = Some(Page { messages: messages.collect(), failed: false });
        }
    }

    fn end_page(&mut self) {
        if let Some(page) = self.reading.take() {
            self.pages += 1;
            self.queue.take_page(page, self.now, &mut self.effects);
            self.carry_out();
        }
    }

    /// Lets the store and its reader do all that they have to.
    fn rest(&mut self) {
        for _ in 0..100_000 {
            self.settle(usize::MAX);
            self.begin_page();
            if self.reading.is_none() && self.changes.is_empty() {
                return;
            }
            self.end_page();
        }
        panic!("it does not come to rest");
    }

    fn expire(&mut self, now: i64) {
        self.now = now;
        self.queue.expire(now, &mut self.effects);
        self.carry_out();
    }

    fn memory(&self) -> u64 {
        self.account.used()
    }

    fn waiting(&self) -> usize {
        self.alive.len() - self.held.values().map(VecDeque::len).sum::<usize>()
    }

    /// Consumes all, one by one.
    fn drain(&mut self, key: SubscriptionKey) -> Vec<i64> {
        let mut all = Vec::new();
        loop {
            self.rest();
            let Some(place) = self.consume(key, AckKind::Standard) else { return all };
            all.push(place);
        }
    }
}

#[test]
fn a_long_backlog_takes_little_memory_and_drains_in_order() {
    let window = 20 * SIZE;
    let mut bench = Bench::new(window);
    for place in 1..=1_000 {
        bench.send(0, true);
        if place % 7 == 0 {
            bench.settle(5);
        }
    }
    bench.rest();
    assert!(bench.memory() <= window, "{}", bench.memory());
    assert_eq!((bench.queue.pending(), bench.queue.in_flight()), (1_000, 0));
    let key = bench.subscribe(asking(10, None, false));
    for expected in 1..=1_000 {
        bench.rest();
        assert!(bench.memory() <= window * 2, "{}", bench.memory());
        assert_eq!(bench.consume(key, AckKind::Standard), Some(expected));
        if expected == 500 {
            bench.send(0, true);
        }
    }
    assert_eq!(bench.drain(key), [1_001]);
    assert_eq!((bench.queue.pending(), bench.memory()), (0, 0));
    assert!(bench.pages < 400, "{}", bench.pages);
}

#[test]
fn what_a_store_held_before_comes_by_pages_too() {
    let mut bench = Bench::new(1 << 20);
    for _ in 0..300 {
        bench.send(0, true);
    }
    let mut bench = bench.restarted(20 * SIZE);
    assert_eq!((bench.queue.pending(), bench.memory()), (300, 0));
    // It looks at the front by itself.
    bench.rest();
    assert!((1..20 * SIZE).contains(&bench.memory()));
    bench.send(0, true);
    let key = bench.subscribe(asking(5, None, false));
    assert_eq!(bench.drain(key), (1..=301).collect::<Vec<_>>());
}

#[test]
fn a_selector_that_matches_nothing_in_memory_is_served_from_disk() {
    let window = 20 * SIZE;
    let mut bench = Bench::new(window);
    for _ in 0..1_000 {
        bench.send(0, true);
    }
    bench.rest();
    let rare = bench.subscribe(asking(3, Some("rare = 1"), false));
    let expected: Vec<i64> = (1..=1_000).filter(|place| place % 97 == 0).collect();
    assert_eq!(bench.drain(rare), expected);
    assert!(bench.memory() <= window, "{}", bench.memory());
    // It has seen all: what comes now goes to it at once.
    let pages = bench.pages;
    while bench.last < 97 * 11 {
        bench.send(0, true);
    }
    assert_eq!(bench.consume(rare, AckKind::Standard), Some(97 * 11));
    assert_eq!(bench.pages, pages);
    // One that takes all takes them in order, beside it.
    let all = bench.subscribe(asking(5, None, false));
    let rest: Vec<i64> = (1..=97 * 11).filter(|place| place % 97 != 0).collect();
    assert_eq!(bench.drain(all), rest);
}

#[test]
fn a_consumer_of_the_front_does_not_keep_pages_from_one_that_searches() {
    let mut bench = Bench::new(20 * SIZE);
    for _ in 0..2_000 {
        bench.send(0, true);
    }
    bench.rest();
    let front = bench.subscribe(asking(50, None, false));
    let searches = bench.subscribe(asking(1, Some("rare = 1"), false));
    for _ in 0..1_000 {
        bench.settle(usize::MAX);
        bench.begin_page();
        bench.end_page();
        // The front's is always hungry.
        while bench.consume(front, AckKind::Standard).is_some() && bench.waiting() > 1_900 {}
        if !bench.held[&searches].is_empty() {
            return;
        }
    }
    panic!("it found nothing");
}

#[test]
fn a_browser_sees_all_that_there_was_once_and_in_order() {
    let mut bench = Bench::new(20 * SIZE);
    for _ in 0..500 {
        bench.send(0, true);
    }
    bench.rest();
    let browser = bench.subscribe(asking(1_000, None, true));
    bench.send(0, true);
    bench.rest();
    assert_eq!(bench.shown[&browser], (1..=500).collect::<Vec<_>>());
    assert!(bench.ended.contains(&browser));
    let some = bench.subscribe(asking(1_000, Some("rare = 1"), true));
    bench.rest();
    assert_eq!(bench.shown[&some], [97, 194, 291, 388, 485]);
    assert!(bench.ended.contains(&some));
    assert_eq!(bench.queue.pending(), 501);
}

#[test]
fn what_expires_on_disk_is_found_there() {
    let mut bench = Bench::new(20 * SIZE);
    for place in 1..=600 {
        bench.send(if place % 3 == 0 { 5_000 + place } else { 0 }, true);
    }
    bench.rest();
    bench.expire(5_300);
    bench.rest();
    assert_eq!(bench.alive.len(), 600 - 99);
    assert_eq!(bench.queue.pending(), 600 - 99);
    // Nobody knows of those that were there before.
    let mut bench = bench.restarted(20 * SIZE);
    for _ in 0..600 {
        bench.expire(6_000);
        bench.rest();
    }
    assert_eq!(bench.alive.len(), 400);
    let pages = bench.pages;
    bench.expire(7_000);
    bench.rest();
    assert_eq!(bench.pages, pages, "it is known by now that nothing expires");
}

#[test]
fn a_consumer_that_pulls_is_not_told_that_there_is_nothing_before_the_disk_was_looked_at() {
    let mut bench = Bench::new(20 * SIZE);
    for _ in 0..300 {
        bench.send(0, true);
    }
    let mut bench = bench.restarted(20 * SIZE);
    let pulls = bench.subscribe(asking(0, Some("rare = 1"), false));
    for expected in [Some(97), Some(194), Some(291), None] {
        assert!(bench.queue.pull(pulls, bench.now, &mut bench.effects));
        bench.queue.end_pull(pulls, &mut bench.effects);
        bench.carry_out();
        bench.rest();
        assert_eq!(bench.consume(pulls, AckKind::Standard), expected);
        assert_eq!(bench.ended.remove(&pulls), expected.is_none());
    }
}

#[test]
fn how_often_a_message_was_delivered_is_known_when_it_comes_back_from_disk() {
    let mut bench = Bench::new(20 * SIZE);
    let first = bench.subscribe(asking(100, None, false));
    for _ in 0..100 {
        bench.send(0, true);
    }
    bench.unsubscribe(first);
    bench.rest();
    assert!(bench.queue.paged() > 50);
    let browser = bench.subscribe(asking(200, Some("JMSRedelivered = TRUE"), true));
    bench.rest();
    assert_eq!(bench.shown[&browser].len(), 100);
}

/// Whatever happens in whatever order, each message is consumed once, is where it should be, and
/// none is forgotten.
#[test]
fn nothing_is_lost_doubled_or_left_behind() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let window = random.u64(3..40) * SIZE;
        let mut bench = Bench::new(window);
        let mut keys: Vec<SubscriptionKey> = Vec::new();
        let mut browsers: Vec<SubscriptionKey> = Vec::new();
        for _ in 0..random.usize(100..1_000) {
            match random.u8(..16) {
                0..5 => {
                    for _ in 0..random.usize(1..20) {
                        let expires = random.u8(..20) == 0;
                        let expiration = if expires { bench.now + random.i64(1..100) } else { 0 };
                        bench.send(expiration, random.u8(..10) > 0);
                    }
                }
                5 if keys.len() < 4 => {
                    let selector = random.choice([None, Some("odd = 1"), Some("rare = 1")]);
                    let asked = asking(random.usize(1..12), selector.flatten(), false);
                    let asked = QueueSubscription { exclusive: random.u8(..8) == 0, ..asked };
                    keys.push(bench.subscribe(asked));
                }
                6 if !keys.is_empty() && random.u8(..3) == 0 => {
                    let key = keys.swap_remove(random.usize(..keys.len()));
                    bench.unsubscribe(key);
                }
                7 if browsers.is_empty() => {
                    browsers.push(bench.subscribe(asking(random.usize(1..2_000), None, true)));
                }
                7 => {
                    if let Some(key) = browsers.pop() {
                        assert!(bench.shown[&key].is_sorted(), "seed {seed}");
                        bench.unsubscribe(key);
                    }
                }
                8 => {
                    bench.settle(random.usize(..30));
                }
                9 => bench.begin_page(),
                10 => bench.end_page(),
                11 => {
                    let now = bench.now + random.i64(0..20);
                    bench.expire(now);
                }
                12 if random.u8(..10) == 0 => {
                    // Somebody else takes the broker's memory, or gives it back.
                    bench.others = (bench.others.is_none() && random.bool())
                        .then(|| bench.broker.charge(ROOM));
                    bench.queue.heed_pressure();
                    bench.carry_out();
                }
                _ => {
                    let Some(key) = random.choice(&keys) else { continue };
                    for _ in 0..random.usize(1..10) {
                        let poison = random.u8(..10) == 0;
                        let kind = if poison { AckKind::Poison } else { AckKind::Standard };
                        bench.consume(*key, kind);
                    }
                }
            }
            assert_eq!(bench.queue.pending(), bench.waiting(), "seed {seed}");
        }
        if random.bool() {
            // What is not persistent, or not settled, goes with the broker.
            bench.settle(usize::MAX);
            let kept: BTreeSet<i64> = bench.kept.keys().copied().collect();
            bench.alive.retain(|place| kept.contains(place));
            bench = bench.restarted(window);
            keys.clear();
        }
        for key in keys.drain(..) {
            bench.unsubscribe(key);
        }
        bench.rest();
        let rest: Vec<i64> = bench.alive.iter().copied().collect();
        let key = bench.subscribe(asking(10, None, false));
        let drained = bench.drain(key);
        let expired: BTreeSet<i64> =
            rest.iter().copied().filter(|p| !drained.contains(p)).collect();
        assert!(bench.alive.is_empty(), "seed {seed}: {:?} are left", bench.alive);
        assert!(drained.is_sorted(), "seed {seed}");
        assert!(expired.len() < 200, "seed {seed}");
        assert_eq!((bench.queue.pending(), bench.memory()), (0, 0), "seed {seed}");
        assert!(bench.kept.is_empty(), "seed {seed}");
    }
}
