//! The machines, driven by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};

use super::*;
use crate::selector::{Selector, Selectors};

fn producer() -> ProducerId {
    ProducerId::new(&SessionId::new(&ConnectionId::new("c"), 1), 1)
}

fn fields(number: i64) -> MessageFields {
    MessageFields {
        kind: MessageKind::Text,
        producer_id: Some(producer()),
        destination: Some(Destination::queue("q")),
        message_id: Some(MessageId::new(producer(), number)),
        priority: 4,
        ..MessageFields::default()
    }
}

fn numbered(fields: &MessageFields, number: i64) -> Arc<Message> {
    let mut message = Message::from_fields(fields).expect("a valid message");
    message.set_broker_sequence_id(number);
    Arc::new(message)
}

fn message(number: i64) -> Arc<Message> {
    numbered(&fields(number), number)
}

fn queue() -> Queue {
    Queue::new(MemoryAccount::root(u64::MAX))
}

fn asking(prefetch: usize) -> QueueSubscription {
    QueueSubscription {
        priority: 0,
        prefetch,
        admission: Admission::default(),
        network: false,
        distance: 0,
        route: Vec::new(),
        settling: 0,
        browser: false,
        exclusive: false,
        shared: None,
    }
}

fn numbers(effects: &mut Effects, to: SubscriptionKey) -> Vec<i64> {
    let mine = effects.dispatches.extract_if(.., |dispatch| dispatch.to == to);
    mine.map(|dispatch| dispatch.message.broker_sequence_id()).collect()
}

/// Acknowledges the messages `first` to `last`, claiming `count`.
fn settle(
    queue: &mut Queue,
    key: SubscriptionKey,
    kind: AckKind,
    (first, last, count): (i64, i64, usize),
    effects: &mut Effects,
) -> Result<usize, AckError> {
    let (first, last) = (id(first), id(last));
    let cause = (kind == AckKind::Poison).then(|| "bad".into());
    let first = (kind != AckKind::Individual).then_some(&first);
    let ack = Acknowledgement { kind, first, last: Some(&last), destination: None, count, cause };
    queue.acknowledge(key, &ack, 0, effects)
}

fn id(number: i64) -> MessageId {
    MessageId::new(producer(), number)
}

#[test]
fn a_window_bounds_what_is_outstanding_and_an_ack_moves_it_on() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let key = queue.subscribe(asking(2), 0, &mut effects);
    for number in 1..=5 {
        queue.enqueue(message(number), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, key), [1, 2]);
    assert_eq!(queue.pending(), 3);
    settle(&mut queue, key, AckKind::Standard, (1, 2, 2), &mut effects).unwrap();
    assert_eq!(numbers(&mut effects, key), [3, 4]);
}

#[test]
fn a_delivered_ack_widens_the_window_until_the_messages_are_settled() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let key = queue.subscribe(asking(4), 0, &mut effects);
    for number in 1..=10 {
        queue.enqueue(message(number), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, key), [1, 2, 3, 4]);
    settle(&mut queue, key, AckKind::Delivered, (1, 2, 2), &mut effects).unwrap();
    assert_eq!(numbers(&mut effects, key), [5, 6]);
    settle(&mut queue, key, AckKind::Standard, (1, 2, 2), &mut effects).unwrap();
    assert_eq!(numbers(&mut effects, key), [] as [i64; 0], "the window is back to its size");
    settle(&mut queue, key, AckKind::Standard, (3, 3, 1), &mut effects).unwrap();
    assert_eq!(numbers(&mut effects, key), [7]);
}

#[test]
fn acks_that_do_not_fit_change_nothing() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let key = queue.subscribe(asking(3), 0, &mut effects);
    for number in 1..=3 {
        queue.enqueue(message(number), 0, &mut effects);
    }
    assert_eq!(
        settle(&mut queue, key, AckKind::Standard, (1, 3, 2), &mut effects),
        Err(AckError::Count { claimed: 2, found: 3 })
    );
    assert!(matches!(
        settle(&mut queue, key, AckKind::Standard, (9, 9, 1), &mut effects),
        Err(AckError::Unmatched(_))
    ));
    assert_eq!(queue.in_flight(), 3);
    let ignored = settle(&mut queue, key, AckKind::Individual, (9, 9, 1), &mut effects);
    assert_eq!(ignored, Ok(0));
}

#[test]
fn unsettled_messages_return_to_their_place_and_count_what_was_delivered() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let key = queue.subscribe(asking(3), 0, &mut effects);
    for number in 1..=4 {
        queue.enqueue(message(number), 0, &mut effects);
    }
    effects.dispatches.clear();
    queue.unsubscribe(key, Delivered::UpTo(1), 0, &mut effects);
    let key = queue.subscribe(asking(9), 0, &mut effects);
    let seen: Vec<(i64, i32)> = effects
        .dispatches
        .drain(..)
        .map(|dispatch| (dispatch.message.broker_sequence_id(), dispatch.redeliveries))
        .collect();
    assert_eq!(seen, [(1, 1), (2, 0), (3, 0), (4, 0)]);
    queue.unsubscribe(key, Delivered::Unknown, 0, &mut effects);
    queue.subscribe(asking(9), 0, &mut effects);
    let counts: Vec<i32> =
        effects.dispatches.iter().map(|dispatch| dispatch.redeliveries).collect();
    assert_eq!(counts, [2, 1, 1, 1]);
}

#[test]
fn a_bridge_that_breaks_leaves_redelivery_counts_as_they_were() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let key = queue.subscribe(QueueSubscription { network: true, ..asking(9) }, 0, &mut effects);
    queue.enqueue(message(1), 0, &mut effects);
    queue.unsubscribe(key, Delivered::Unknown, 0, &mut effects);
    effects.dispatches.clear();
    queue.subscribe(asking(9), 0, &mut effects);
    assert_eq!(effects.dispatches.first().map(|dispatch| dispatch.redeliveries), Some(0));
}

#[test]
fn consumers_of_one_priority_take_turns_and_higher_ones_come_first() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let low = queue.subscribe(QueueSubscription { priority: -5, ..asking(9) }, 0, &mut effects);
    let one = queue.subscribe(asking(2), 0, &mut effects);
    let two = queue.subscribe(asking(2), 0, &mut effects);
    for number in 1..=6 {
        queue.enqueue(message(number), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, one), [1, 3]);
    assert_eq!(numbers(&mut effects, two), [2, 4]);
    assert_eq!(numbers(&mut effects, low), [5, 6]);
}

#[test]
fn a_bridge_never_gets_what_its_far_broker_has_seen_and_holds_up_nobody() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let far = BrokerId::new("far");
    let info = ConsumerInfo {
        additional_predicate: Some(NetworkBridgeFilter {
            network_broker_id: Some(far.clone()),
            message_ttl: -1,
            consumer_ttl: -1,
            ..NetworkBridgeFilter::default()
        }),
        ..ConsumerInfo::default()
    };
    let admission =
        Admission::of(&info, &BrokerId::new("own"), &Selectors::default()).expect("no selector");
    let bridge = QueueSubscription { priority: 5, admission, network: true, ..asking(1) };
    let bridge = queue.subscribe(bridge, 0, &mut effects);
    let seen = MessageFields { broker_path: Some(vec![Some(far)]), ..fields(1) };
    queue.enqueue(numbered(&seen, 1), 0, &mut effects);
    queue.enqueue(message(2), 0, &mut effects);
    assert_eq!(numbers(&mut effects, bridge), [2]);
    let local = queue.subscribe(asking(9), 0, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1]);
}

#[test]
fn expired_messages_reach_nobody() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let expiring = |number| numbered(&MessageFields { expiration: 100, ..fields(number) }, number);
    queue.enqueue(expiring(1), 50, &mut effects);
    queue.enqueue(expiring(2), 50, &mut effects);
    queue.enqueue(message(3), 50, &mut effects);
    queue.enqueue(expiring(4), 101, &mut effects);
    assert_eq!(effects.expired.len(), 1, "on arrival");
    queue.expire(101, &mut effects);
    assert_eq!(effects.expired.len(), 3, "while waiting");
    let key = queue.subscribe(asking(9), 101, &mut effects);
    assert_eq!(numbers(&mut effects, key), [3]);
}

#[test]
fn a_poison_ack_makes_a_dead_letter_with_its_cause() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let key = queue.subscribe(asking(9), 0, &mut effects);
    queue.enqueue(message(1), 0, &mut effects);
    assert_eq!(settle(&mut queue, key, AckKind::Poison, (1, 1, 1), &mut effects), Ok(1));
    assert_eq!(
        effects.dead_letters.first().map(|letter| letter.cause.to_string()),
        Some("bad".into())
    );
    assert_eq!(queue.in_flight() + queue.pending(), 0);
}

#[test]
fn memory_is_held_until_a_message_is_settled() {
    let account = MemoryAccount::root(3000);
    let below = MemoryAccount::below(&account, None);
    let (mut queue, mut effects) = (Queue::new(Arc::clone(&below)), Effects::default());
    for number in 1..=3 {
        assert!(!below.is_full(), "message {number}");
        queue.enqueue(message(number), 0, &mut effects);
    }
    assert!(below.is_full());
    let key = queue.subscribe(asking(9), 0, &mut effects);
    assert!(below.is_full(), "dispatching frees nothing");
    settle(&mut queue, key, AckKind::Standard, (1, 1, 1), &mut effects).unwrap();
    assert!(!below.is_full());
    drop(queue);
    drop(effects);
    assert_eq!((account.used(), below.used()), (0, 0));
}

/// Random histories against what must always hold: no message is lost or held twice, none waits
/// while a consumer with room would take it, and a consumer gets its first deliveries in order.
#[test]
fn any_history_keeps_every_message_in_exactly_one_place() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut queue, mut effects) = (queue(), Effects::default());
        let mut windows: BTreeMap<SubscriptionKey, (usize, Vec<i64>)> = BTreeMap::new();
        let (mut sent, mut settled) = (0, BTreeSet::new());
        for _ in 0..300 {
            match random.u8(..10) {
                0..=4 => {
                    sent += 1;
                    queue.enqueue(message(sent), 0, &mut effects);
                }
                5 if windows.len() < 5 => {
                    let prefetch = random.usize(1..6);
                    let priority = random.i8(-2..2);
                    let asked = QueueSubscription { priority, ..asking(prefetch) };
                    let key = queue.subscribe(asked, 0, &mut effects);
                    assert!(windows.insert(key, (prefetch, Vec::new())).is_none());
                }
                6 => {
                    if let Some(key) = random.choice(windows.keys().copied().collect::<Vec<_>>()) {
                        windows.remove(&key);
                        queue.unsubscribe(key, Delivered::Unknown, 0, &mut effects);
                    }
                }
                _ => {
                    let busy = windows.iter().filter(|(_, (_, held))| !held.is_empty());
                    let busy: Vec<SubscriptionKey> = busy.map(|(key, _)| *key).collect();
                    let Some(key) = random.choice(busy) else { continue };
                    let held = &mut windows.get_mut(&key).unwrap().1;
                    let at = random.usize(..held.len());
                    let number = held.remove(at);
                    let one = (number, number, 1);
                    let done = settle(&mut queue, key, AckKind::Individual, one, &mut effects);
                    assert_eq!(done, Ok(1));
                    assert!(settled.insert(number));
                }
            }
            for dispatch in effects.dispatches.drain(..) {
                let (_, held) =
                    windows.get_mut(&dispatch.to).expect("dispatched to a live consumer");
                held.push(dispatch.message.broker_sequence_id());
            }
            let held: Vec<i64> = windows.values().flat_map(|(_, held)| held.clone()).collect();
            let unique: BTreeSet<i64> = held.iter().copied().collect();
            assert_eq!(unique.len(), held.len(), "seed {seed}: held twice");
            assert!(unique.is_disjoint(&settled), "seed {seed}: settled and held");
            let in_queue = usize::try_from(sent).unwrap() - settled.len() - held.len();
            assert_eq!(queue.pending(), in_queue, "seed {seed}: lost or invented");
            let room = windows.values().any(|(prefetch, held)| held.len() < *prefetch);
            assert!(!room || queue.pending() == 0, "seed {seed}: a message waits beside room");
        }
    }
}

#[test]
fn a_topic_subscription_counts_and_never_matches() {
    let mut subscription = TopicSubscription::new(2, Admission::default());
    let mut dispatches = Vec::new();
    for number in 1..=5 {
        subscription.offer(Pending { message: message(number), charge: None }, 0, &mut dispatches);
    }
    assert_eq!(dispatches.len(), 2);
    let ack = Acknowledgement {
        kind: AckKind::Standard,
        first: None,
        last: None,
        destination: None,
        count: 2,
        cause: None,
    };
    assert_eq!(subscription.acknowledge(&ack, 0, &mut dispatches), 2);
    let got: Vec<i64> = dispatches.iter().map(|message| message.broker_sequence_id()).collect();
    assert_eq!(got, [1, 2, 3, 4]);
}

/// A subscription of this selector, and the selector.
fn selecting(text: &str, prefetch: usize) -> (QueueSubscription, Selector) {
    let selectors = Selectors::default();
    let info = ConsumerInfo { selector: Some(text.into()), ..ConsumerInfo::default() };
    let admission =
        Admission::of(&info, &BrokerId::new("own"), &selectors).expect("a valid selector");
    let selector = selectors.parse(&text.into()).expect("a valid selector").expect("not blank");
    (QueueSubscription { admission, ..asking(prefetch) }, selector)
}

fn urgent(number: i64, priority: i8) -> Arc<Message> {
    numbered(&MessageFields { priority, ..fields(number) }, number)
}

#[test]
fn a_message_that_nobody_selects_waits_and_holds_up_nobody() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let high = queue.subscribe(selecting("JMSPriority > 6", 9).0, 0, &mut effects);
    let low = queue.subscribe(selecting("JMSPriority < 3", 9).0, 0, &mut effects);
    for (number, priority) in [(1, 5), (2, 1), (3, 5), (4, 9), (5, 0)] {
        queue.enqueue(urgent(number, priority), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, high), [4]);
    assert_eq!(numbers(&mut effects, low), [2, 5]);
    assert_eq!(queue.pending(), 2);
    let all = queue.subscribe(asking(9), 0, &mut effects);
    assert_eq!(numbers(&mut effects, all), [1, 3]);
}

#[test]
fn a_selecting_consumer_gets_older_messages_when_it_gets_room_and_tests_none_twice() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    for number in 1..=1000 {
        let priority = if number % 100 == 0 { 9 } else { 4 };
        queue.enqueue(urgent(number, priority), 0, &mut effects);
    }
    let (asked, selector) = selecting("JMSPriority = 9", 2);
    let key = queue.subscribe(asked, 0, &mut effects);
    assert_eq!(numbers(&mut effects, key), [100, 200]);
    let mut got = Vec::new();
    for number in 1..=10 {
        let settled = (number * 100, number * 100, 1);
        settle(&mut queue, key, AckKind::Standard, settled, &mut effects).unwrap();
        got.extend(numbers(&mut effects, key));
    }
    assert_eq!(got, [300, 400, 500, 600, 700, 800, 900, 1000]);
    assert_eq!(queue.pending(), 990);
    assert_eq!(selector.evaluations(), 1000);
    // With room, it is asked of new messages only.
    queue.enqueue(urgent(1001, 4), 0, &mut effects);
    queue.enqueue(urgent(1002, 9), 0, &mut effects);
    assert_eq!(numbers(&mut effects, key), [1002]);
    assert_eq!(selector.evaluations(), 1002);
}

#[test]
fn selectors_see_redeliveries_as_the_queue_counts_them() {
    let (mut queue, mut effects) = (queue(), Effects::default());
    let again = queue.subscribe(selecting("JMSRedelivered", 9).0, 0, &mut effects);
    let first = queue.subscribe(selecting("JMSXDeliveryCount = 1", 9).0, 0, &mut effects);
    queue.enqueue(message(1), 0, &mut effects);
    queue.enqueue(message(2), 0, &mut effects);
    assert_eq!(numbers(&mut effects, first), [1, 2]);
    queue.unsubscribe(first, Delivered::UpTo(1), 0, &mut effects);
    assert_eq!(numbers(&mut effects, again), [1]);
    assert_eq!(queue.pending(), 1, "what was not delivered does not count as such");
}

#[test]
fn what_a_topic_subscription_does_not_select_takes_no_room() {
    let admission = selecting("JMSPriority > 6", 1).0.admission;
    let mut subscription = TopicSubscription::new(1, admission);
    let mut dispatches = Vec::new();
    for (number, priority) in [(1, 4), (2, 9), (3, 4), (4, 9)] {
        let pending = Pending { message: urgent(number, priority), charge: None };
        subscription.offer(pending, 0, &mut dispatches);
    }
    let got = |dispatches: &[Arc<Message>]| -> Vec<i64> {
        dispatches.iter().map(|message| message.broker_sequence_id()).collect()
    };
    assert_eq!(got(&dispatches), [2]);
    let ack = Acknowledgement {
        kind: AckKind::Standard,
        first: None,
        last: None,
        destination: None,
        count: 1,
        cause: None,
    };
    subscription.acknowledge(&ack, 0, &mut dispatches);
    assert_eq!(got(&dispatches), [2, 4]);
}

#[test]
fn any_history_with_selectors_serves_whoever_wants_a_message_and_has_room() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut queue, mut effects) = (queue(), Effects::default());
        // What each consumer wants (the remainder of a number by 3), its window, what it holds.
        let mut windows: BTreeMap<SubscriptionKey, (i64, usize, Vec<i64>)> = BTreeMap::new();
        let (mut sent, mut waiting) = (0, BTreeSet::new());
        for _ in 0..300 {
            match random.u8(..10) {
                0..=4 => {
                    sent += 1;
                    waiting.insert(sent);
                    let priority = i8::try_from(sent % 3).unwrap();
                    queue.enqueue(urgent(sent, priority), 0, &mut effects);
                }
                5 if windows.len() < 5 => {
                    let (wants, prefetch) = (random.i64(0..3), random.usize(1..4));
                    let asked = selecting(&format!("JMSPriority = {wants}"), prefetch).0;
                    let key = queue.subscribe(asked, 0, &mut effects);
                    windows.insert(key, (wants, prefetch, Vec::new()));
                }
                6 => {
                    if let Some(key) = random.choice(windows.keys().copied().collect::<Vec<_>>()) {
                        let (_, _, held) = windows.remove(&key).unwrap();
                        waiting.extend(held);
                        queue.unsubscribe(key, Delivered::Nothing, 0, &mut effects);
                    }
                }
                _ => {
                    let Some((&key, _)) = random.choice(windows.iter()) else { continue };
                    let (_, _, held) = windows.get_mut(&key).unwrap();
                    let Some(number) = held.pop() else { continue };
                    let one = (number, number, 1);
                    settle(&mut queue, key, AckKind::Individual, one, &mut effects).unwrap();
                }
            }
            for dispatch in effects.dispatches.drain(..) {
                let (wants, _, held) = windows.get_mut(&dispatch.to).expect("a live consumer");
                let number = dispatch.message.broker_sequence_id();
                assert_eq!(number % 3, *wants, "seed {seed}");
                assert!(waiting.remove(&number), "seed {seed}: {number} comes twice");
                held.push(number);
            }
            assert_eq!(queue.pending(), waiting.len(), "seed {seed}");
            for (wants, prefetch, held) in windows.values() {
                let wanted = waiting.iter().any(|number| number % 3 == *wants);
                assert!(held.len() >= *prefetch || !wanted, "seed {seed}: it waits beside room");
            }
        }
    }
}
