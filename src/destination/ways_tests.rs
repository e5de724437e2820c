//! Several ways to one broker: the nearest has all, and each producer keeps to one.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_network::rules::verdict::Verdict;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};

use super::acknowledgement::{AckKind, Acknowledgement};
use super::admission::{Admission, NotAdmitted};
use super::delivered::Delivered;
use super::effects::{Effects, SubscriptionKey};
use super::insight::Obstacle;
use super::memory::MemoryAccount;
use super::queue::Queue;
use super::subscription::QueueSubscription;
use crate::selector::Selectors;

fn queue() -> Queue {
    Queue::shared(MemoryAccount::root(u64::MAX), ReplayPolicy::default())
}

fn id(producer: i64, number: i64) -> MessageId {
    let session = SessionId::new(&ConnectionId::new("c"), 1);
    MessageId::new(ProducerId::new(&session, producer), number)
}

fn message(producer: i64, number: i64, path: &[&str]) -> Arc<Message> {
    let fields = MessageFields {
        message_id: Some(id(producer, number)),
        broker_path: Some(path.iter().map(|broker| Some(BrokerId::new(*broker))).collect()),
        ..MessageFields::default()
    };
    let mut message = Message::from_fields(&fields).unwrap();
    message.set_broker_sequence_id(number);
    Arc::new(message)
}

/// By way of `next` to a consumer at `toward`, by as many bridges.
fn bridge(next: &str, toward: &str, distance: usize, prefetch: usize) -> QueueSubscription {
    let between = (2..distance).map(|number| format!("{toward}{next}{number}"));
    let next_one = (distance > 1).then(|| next.to_owned());
    let route = std::iter::once(toward.to_owned()).chain(between).chain(next_one);
    through(next, &route.collect::<Vec<_>>(), prefetch)
}

/// By way of these brokers, the last one first.
fn through(next: &str, route: &[String], prefetch: usize) -> QueueSubscription {
    let distance = route.len();
    let filter = NetworkBridgeFilter {
        network_broker_id: Some(BrokerId::new(next)),
        message_ttl: -1,
        consumer_ttl: -1,
        ..NetworkBridgeFilter::default()
    };
    let info = ConsumerInfo { additional_predicate: Some(filter), ..ConsumerInfo::default() };
    QueueSubscription {
        priority: -5 - i8::try_from(distance).unwrap(),
        prefetch,
        admission: Admission::of(&info, &BrokerId::new("own"), &Selectors::default()).unwrap(),
        network: true,
        browser: false,
        exclusive: false,
        distance,
        route: route.iter().map(|broker| BrokerId::new(broker.as_str())).collect(),
        settling: 0,
        shared: None,
    }
}

fn consumer(prefetch: usize) -> QueueSubscription {
    let admission = Admission::default();
    let (route, network, priority) = (Vec::new(), false, 0);
    QueueSubscription { admission, route, network, priority, ..bridge("", "", 1, prefetch) }
}

fn numbers(effects: &mut Effects, to: SubscriptionKey) -> Vec<i64> {
    let mine = effects.dispatches.extract_if(.., |dispatch| dispatch.to == to);
    mine.map(|dispatch| dispatch.message.broker_sequence_id()).collect()
}

#[test]
fn the_nearest_way_has_all_however_busy_and_the_next_one_what_it_leaves() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let far = queue.subscribe(bridge("c", "b", 2, 100), 0, &mut effects);
    let near = queue.subscribe(bridge("b", "b", 1, 2), 0, &mut effects);
    let other = queue.subscribe(bridge("c", "c", 1, 1), 0, &mut effects);
    for number in 1..=5 {
        queue.enqueue(message(1, number, &[]), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, near).len() + numbers(&mut effects, other).len(), 3);
    assert_eq!(numbers(&mut effects, far), [] as [i64; 0]);
    let all = queue.insight(10, 0);
    let (asked, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.key == far);
    let waits = &queue.first_waiting(i64::MIN, 1)[0];
    let obstacle = asked[0].obstacle(waits, others.into_iter(), queue.replay(), 0);
    let Some(Obstacle::NotAdmitted(NotAdmitted::Bridge(verdict))) = obstacle else {
        panic!("{obstacle:?}")
    };
    assert_eq!(verdict, Verdict::BetterWay { broker: BrokerId::new("b") });
    queue.unsubscribe(near, Delivered::Nothing, 0, &mut effects);
    assert_eq!(numbers(&mut effects, far).len(), 4);
}

#[test]
fn of_ways_as_near_as_each_other_each_producer_keeps_to_one() {
    let mut queue = Queue::new(MemoryAccount::root(u64::MAX));
    let mut effects = Effects::default();
    let ways = ["b", "d"].map(|next| queue.subscribe(bridge(next, "c", 2, 500), 0, &mut effects));
    let mut number = 0;
    for _ in 0..10 {
        for producer in 0..20 {
            number += 1;
            queue.enqueue(message(producer, number, &[]), 0, &mut effects);
        }
    }
    let mut taken = BTreeMap::<i64, Vec<SubscriptionKey>>::new();
    for dispatch in effects.dispatches.drain(..) {
        let producer = dispatch.message.origin().unwrap().producer;
        taken.entry(producer).or_default().push(dispatch.to);
    }
    assert_eq!(taken.values().map(Vec::len).sum::<usize>(), 200);
    assert!(taken.values().all(|by| by.iter().all(|one| *one == by[0])), "{taken:?}");
    for way in ways {
        assert!(taken.values().any(|by| by[0] == way), "both are used");
    }
    queue.unsubscribe(ways[0], Delivered::Nothing, 0, &mut effects);
    assert_eq!(queue.pending(), 0, "the other one has all now");
}

#[test]
fn what_came_from_a_broker_that_reaches_a_consumer_itself_is_for_those_here() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let local = queue.subscribe(consumer(1), 0, &mut effects);
    let onward = queue.subscribe(bridge("c", "c", 1, 100), 0, &mut effects);
    let behind = queue.subscribe(bridge("a", "c", 2, 100), 0, &mut effects);
    let later = 1_000;
    queue.enqueue(message(1, 1, &["a"]), later, &mut effects);
    queue.enqueue(message(1, 2, &["a"]), later, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1]);
    assert_eq!(numbers(&mut effects, onward), [] as [i64; 0]);
    // What comes from elsewhere is for all.
    queue.enqueue(message(2, 3, &["e"]), later, &mut effects);
    assert_eq!(numbers(&mut effects, onward), [3]);
    // Without a consumer here it goes on after all.
    queue.unsubscribe(local, Delivered::Nothing, later, &mut effects);
    let mut went = numbers(&mut effects, onward);
    went.sort_unstable();
    assert_eq!(went, [1, 2]);
    assert_eq!(numbers(&mut effects, behind), [] as [i64; 0]);
}

/// On a ring of five, this is the broker next to the first, and its consumers are at two others.
#[test]
fn what_came_for_one_consumer_makes_no_detour_to_another() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let route = |brokers: &[&str]| brokers.iter().map(ToString::to_string).collect::<Vec<_>>();
    let for_it = queue.subscribe(through("2", &route(&["2"]), 1), 0, &mut effects);
    let other = queue.subscribe(through("2", &route(&["3", "2"]), 100), 0, &mut effects);
    let back = queue.subscribe(through("0", &route(&["3", "4", "0"]), 100), 0, &mut effects);
    for number in 1..=3 {
        queue.enqueue(message(1, number, &["0"]), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, for_it), [1]);
    assert!(effects.dispatches.is_empty(), "the others wait for it");
    // What comes from here may take it.
    queue.enqueue(message(2, 4, &[]), 0, &mut effects);
    assert_eq!(numbers(&mut effects, other), [4]);
    queue.unsubscribe(for_it, Delivered::Nothing, 0, &mut effects);
    let mut went = numbers(&mut effects, other);
    went.sort_unstable();
    assert_eq!(went, [1, 2, 3]);
    assert_eq!(numbers(&mut effects, back), [] as [i64; 0]);
}

/// Where all ways are detours, it keeps to the one that the broker which sent it had in mind.
#[test]
fn what_was_sent_for_ones_sake_is_not_taken_by_others_to_whom_it_is_a_detour_as_well() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    for toward in ["c", "d"] {
        // Both are nearer from where the messages come.
        queue.subscribe(bridge("a", toward, 2, 100), 0, &mut effects);
    }
    let [to_c, to_d] =
        ["c", "d"].map(|next| queue.subscribe(bridge(next, next, 1, 100), 0, &mut effects));
    let sent = |number, toward| {
        let (producer, via) = (ProducerId::default(), BrokerId::new("a"));
        let plain = message(1, number, &[]);
        let mut sent = plain.forwarded_toward(&producer, &via, Some(&BrokerId::new(toward)));
        sent.set_broker_sequence_id(number);
        Arc::new(sent)
    };
    for (number, toward) in [(1, "c"), (2, "d"), (3, "d"), (4, "c")] {
        queue.enqueue(sent(number, toward), 1_000, &mut effects);
    }
    assert_eq!(numbers(&mut effects, to_c), [1, 4]);
    assert_eq!(numbers(&mut effects, to_d), [2, 3]);
    // Without that one it is for all.
    queue.unsubscribe(to_c, Delivered::Nothing, 2_000, &mut effects);
    let mut went = numbers(&mut effects, to_d);
    went.sort_unstable();
    assert!(went == [1, 4] || queue.pending() == 2, "{went:?}");
}

/// While it is new, a nearer one may not have been heard of from where the message came.
#[test]
fn what_came_over_a_bridge_leaves_a_new_way_to_others_for_a_moment() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let local = queue.subscribe(consumer(1), 0, &mut effects);
    let onward = queue.subscribe(bridge("c", "c", 1, 100), 0, &mut effects);
    for (number, path) in [(1, "a"), (2, "a")] {
        queue.enqueue(message(1, number, &[path]), 0, &mut effects);
    }
    queue.enqueue(message(2, 3, &[]), 0, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1]);
    assert_eq!(numbers(&mut effects, onward), [] as [i64; 0], "3 does not overtake 2");
    let due = queue.next_tick().unwrap();
    assert!(due <= 250, "{due}");
    queue.tick(due, &mut effects);
    assert_eq!(numbers(&mut effects, onward), [2, 3]);
    // Nobody else wants it: it goes at once.
    let (mut queue, mut effects) = (self::queue(), Effects::default());
    let onward = queue.subscribe(bridge("c", "c", 1, 100), 0, &mut effects);
    queue.enqueue(message(1, 1, &["a"]), 0, &mut effects);
    assert_eq!(numbers(&mut effects, onward), [1]);
}

#[test]
fn a_nearer_way_waits_until_the_former_one_has_run_empty() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let far = queue.subscribe(bridge("c", "b", 2, 100), 0, &mut effects);
    queue.enqueue(message(1, 1, &[]), 1_000, &mut effects);
    assert_eq!(numbers(&mut effects, far), [1]);
    let near = queue.subscribe(bridge("b", "b", 1, 100), 1_000, &mut effects);
    queue.enqueue(message(1, 2, &[]), 1_000, &mut effects);
    assert!(effects.dispatches.is_empty(), "2 would overtake 1");
    // What cannot have gone there waits for nothing.
    queue.enqueue(message(2, 3, &["c"]), 1_300, &mut effects);
    assert_eq!(numbers(&mut effects, near), [3]);
    queue.tick(1_390, &mut effects);
    let answer = Acknowledgement::of_count(AckKind::Standard, 1);
    let answer = Acknowledgement { last: Some(&id(1, 1)), ..answer };
    queue.acknowledge(far, &answer, 1_400, &mut effects).unwrap();
    let mut now = 1_400;
    while let Some(due) = queue.next_tick().filter(|_| effects.dispatches.is_empty()) {
        now = due.max(now);
        queue.tick(now, &mut effects);
    }
    assert_eq!(numbers(&mut effects, near), [2]);
    assert!((1_980..2_100).contains(&now), "{now}");
}

/// Whatever ways come and go: while there is one, a message has one, if not at once.
#[test]
fn nothing_waits_for_long_while_there_is_a_way() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut queue = Queue::new(MemoryAccount::root(u64::MAX));
        let mut effects = Effects::default();
        let mut live = Vec::new();
        let mut now = 1_000;
        for number in 1..200 {
            now += random.i64(0..200);
            match random.u8(..3) {
                0 if live.len() < 8 => {
                    let next = ["b", "c", "d", "e"][random.usize(..4)];
                    let toward = ["b", "x", "y"][random.usize(..3)];
                    let asked = bridge(next, toward, random.usize(1..4), 1_000);
                    live.push(queue.subscribe(asked, now, &mut effects));
                }
                1 if !live.is_empty() => {
                    let gone = live.swap_remove(random.usize(..live.len()));
                    queue.unsubscribe(gone, Delivered::Nothing, now, &mut effects);
                }
                _ => queue.enqueue(message(random.i64(0..9), number, &[]), now, &mut effects),
            }
            effects.dispatches.clear();
            if random.u8(..8) == 0 {
                let until = now + 6_000;
                while let Some(due) = queue.next_tick().filter(|due| *due <= until) {
                    now = now.max(due);
                    queue.tick(now, &mut effects);
                }
                assert!(live.is_empty() || queue.pending() == 0, "seed {seed}");
            }
        }
    }
}
