//! What goes back to brokers that it has visited, and when.

use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_openwire::text::Text;

use super::*;
use crate::selector::Selectors;

const ARRIVED: i64 = 1_000_000;

fn producer() -> ProducerId {
    ProducerId::new(&SessionId::new(&ConnectionId::new("c"), 1), 1)
}

/// A message that came over these brokers, of a color for selectors.
fn colored(number: i64, path: &[&str], color: &str, arrived: i64) -> Arc<Message> {
    let mut properties = Properties::default();
    properties.insert(Text::from("color"), Value::String(Text::from(color)));
    let fields = MessageFields {
        message_id: Some(MessageId::new(producer(), number)),
        broker_path: Some(path.iter().map(|broker| Some(BrokerId::new(*broker))).collect()),
        marshalled_properties: Some(properties.encode()),
        ..MessageFields::default()
    };
    let mut message = Message::from_fields(&fields).unwrap();
    message.set_broker_sequence_id(number);
    message.set_broker_in_time(arrived);
    Arc::new(message)
}

fn via(number: i64, path: &[&str]) -> Arc<Message> {
    colored(number, path, "red", ARRIVED)
}

fn queue(policy: ReplayPolicy) -> Queue {
    Queue::shared(MemoryAccount::root(u64::MAX), policy)
}

fn asked(info: &ConsumerInfo, distance: usize, prefetch: usize) -> QueueSubscription {
    let own = BrokerId::new("own");
    let network = info.additional_predicate.is_some();
    QueueSubscription {
        priority: if network { -5 - i8::try_from(distance).unwrap() } else { 0 },
        prefetch,
        admission: Admission::of(info, &own, &Selectors::default()).unwrap(),
        network,
        browser: false,
        exclusive: false,
        distance,
        route: Vec::new(),
        settling: 0,
        shared: None,
    }
}

fn bridge(to: &str, distance: usize, prefetch: usize) -> QueueSubscription {
    let filter = NetworkBridgeFilter {
        network_broker_id: Some(BrokerId::new(to)),
        message_ttl: -1,
        consumer_ttl: -1,
        ..NetworkBridgeFilter::default()
    };
    let info = ConsumerInfo { additional_predicate: Some(filter), ..ConsumerInfo::default() };
    asked(&info, distance, prefetch)
}

fn consumer(selector: Option<&str>, prefetch: usize) -> QueueSubscription {
    let info = ConsumerInfo { selector: selector.map(Text::from), ..ConsumerInfo::default() };
    asked(&info, 0, prefetch)
}

fn numbers(effects: &mut Effects, to: SubscriptionKey) -> Vec<i64> {
    let mine = effects.dispatches.extract_if(.., |dispatch| dispatch.to == to);
    mine.map(|dispatch| dispatch.message.broker_sequence_id()).collect()
}

#[test]
fn what_the_last_consumer_leaves_goes_back_where_another_one_is() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    let local = queue.subscribe(consumer(None, 2), ARRIVED, &mut effects);
    for number in 1..=5 {
        queue.enqueue(via(number, &["a"]), ARRIVED, &mut effects);
    }
    assert_eq!(numbers(&mut effects, local), [1, 2]);
    assert_eq!(numbers(&mut effects, back), [] as [i64; 0], "a consumer is here, if a busy one");
    queue.unsubscribe(local, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [1, 2, 3, 4, 5]);
    queue.unsubscribe(back, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(queue.pending(), 5, "nobody is left");
}

/// A broker in the middle of a network, with a backlog, on which consumers come and go.
#[test]
fn a_long_backlog_is_not_judged_message_by_message_whenever_a_consumer_goes() {
    const BACKLOG: i64 = 5_000;
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let back = queue.subscribe(bridge("a", 2, 100), ARRIVED, &mut effects);
    let near = queue.subscribe(bridge("b", 1, 1), ARRIVED, &mut effects);
    let stays = queue.subscribe(consumer(None, 1), ARRIVED, &mut effects);
    for number in 1..=BACKLOG {
        queue.enqueue(via(number, &["a", "b"]), ARRIVED, &mut effects);
    }
    let before = queue.judged();
    let mut come_and_go = |queue: &mut Queue, most: usize| {
        let before = queue.judged();
        for prefetch in 1..100 {
            let flaps = queue.subscribe(consumer(None, prefetch), ARRIVED, &mut effects);
            queue.unsubscribe(flaps, Delivered::Nothing, ARRIVED, &mut effects);
        }
        assert!(queue.judged() - before < most, "{}", queue.judged() - before);
    };
    // What each took and gave back is offered again.
    come_and_go(&mut queue, 30_000);
    let mut effects = Effects::default();
    queue.unsubscribe(stays, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, near), [1]);
    assert_eq!(numbers(&mut effects, back), [] as [i64; 0], "b leads to a nearer one");
    come_and_go(&mut queue, 30_000);
    assert!(queue.judged() > before);
    // What was put off is done in time, also where there is nothing to do.
    let due = queue.next_tick().expect("it is put off");
    assert!((ARRIVED..ARRIVED + 1_000).contains(&due));
    let stays = queue.subscribe(consumer(None, 1), due, &mut effects);
    for _ in 0..100 {
        queue.tick(due, &mut effects);
    }
    let next = queue.next_tick();
    assert!(next.is_none_or(|next| next > due), "nothing goes back while somebody is here");
    queue.unsubscribe(near, Delivered::Nothing, due, &mut effects);
    queue.unsubscribe(stays, Delivered::Nothing, due + 60_000, &mut effects);
    assert!(!numbers(&mut effects, back).is_empty());
}

#[test]
fn without_replay_it_stays() {
    let off = ReplayPolicy { replay_when_no_consumers: false, ..ReplayPolicy::default() };
    let (mut queue, mut effects) = (queue(off), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    queue.enqueue(via(1, &["a"]), ARRIVED, &mut effects);
    assert_eq!((numbers(&mut effects, back), queue.pending()), (vec![], 1));
}

#[test]
fn it_goes_on_before_it_goes_back_and_back_by_the_nearest_way() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let far = queue.subscribe(bridge("b", 2, 100), ARRIVED, &mut effects);
    let near = queue.subscribe(bridge("a", 1, 1), ARRIVED, &mut effects);
    let onward = queue.subscribe(bridge("c", 3, 1), ARRIVED, &mut effects);
    for number in 1..=3 {
        queue.enqueue(via(number, &["a", "b"]), ARRIVED, &mut effects);
    }
    assert_eq!(numbers(&mut effects, onward), [1], "c has never had it");
    assert!(effects.dispatches.is_empty(), "however busy the bridge to c is");
    queue.unsubscribe(onward, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, near), [1]);
    assert!(effects.dispatches.is_empty(), "however busy the nearer one is");
    queue.unsubscribe(near, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, far), [1, 2, 3]);
}

#[test]
fn a_consumer_keeps_what_its_selector_matches_or_everything() {
    for (selector_aware, returned) in [(true, vec![2]), (false, vec![])] {
        let policy = ReplayPolicy { selector_aware, ..ReplayPolicy::default() };
        let (mut queue, mut effects) = (queue(policy), Effects::default());
        let local = queue.subscribe(consumer(Some("color = 'red'"), 100), ARRIVED, &mut effects);
        let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
        queue.enqueue(colored(1, &["a"], "red", ARRIVED), ARRIVED, &mut effects);
        queue.enqueue(colored(2, &["a"], "blue", ARRIVED), ARRIVED, &mut effects);
        assert_eq!(numbers(&mut effects, local), [1]);
        assert_eq!(numbers(&mut effects, back), returned);
    }
}

#[test]
fn a_browser_keeps_nothing_from_going_back() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let browser = QueueSubscription { browser: true, ..consumer(None, 10) };
    queue.subscribe(browser, ARRIVED, &mut effects);
    let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    queue.enqueue(via(1, &["a"]), ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [1]);
}

#[test]
fn a_delay_is_waited_out_and_the_time_is_known() {
    let policy = ReplayPolicy { replay_delay: 500, ..ReplayPolicy::default() };
    let (mut queue, mut effects) = (queue(policy), Effects::default());
    assert_eq!(queue.next_tick(), None);
    let back = queue.subscribe(bridge("a", 1, 1), ARRIVED, &mut effects);
    queue.enqueue(via(1, &["a"]), ARRIVED, &mut effects);
    queue.enqueue(via(2, &["a"]), ARRIVED, &mut effects);
    assert_eq!(queue.next_tick(), Some(ARRIVED + 500));
    queue.tick(ARRIVED + 499, &mut effects);
    assert_eq!(numbers(&mut effects, back), [] as [i64; 0]);
    queue.tick(ARRIVED + 500, &mut effects);
    assert_eq!(numbers(&mut effects, back), [1], "the window holds one");
    assert_eq!(queue.next_tick(), None);
    settle(&mut queue, back, 1, ARRIVED + 600, &mut effects);
    assert_eq!(numbers(&mut effects, back), [2], "and the next is not forgotten");
}

#[test]
fn a_message_that_bounces_is_held_longer_each_time() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 10), ARRIVED, &mut effects);
    queue.enqueue(via(1, &["a", "own", "a"]), ARRIVED, &mut effects);
    queue.enqueue(via(2, &["a", "own", "a", "own", "a"]), ARRIVED, &mut effects);
    assert_eq!(queue.next_tick(), Some(ARRIVED + 100));
    queue.tick(ARRIVED + 100, &mut effects);
    assert_eq!(numbers(&mut effects, back), [1]);
    queue.tick(ARRIVED + 200, &mut effects);
    assert_eq!(numbers(&mut effects, back), [2]);
}

#[test]
fn a_rate_is_kept() {
    let policy = ReplayPolicy { rate_limit: 2, rate_duration: 100, ..ReplayPolicy::default() };
    let (mut queue, mut effects) = (queue(policy), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    for number in 1..=7 {
        queue.enqueue(via(number, &["a"]), ARRIVED, &mut effects);
    }
    let mut went = vec![numbers(&mut effects, back).len()];
    while let Some(next) = queue.next_tick() {
        assert!(next <= ARRIVED + 1_000, "it comes to an end");
        queue.tick(next, &mut effects);
        went.push(numbers(&mut effects, back).len());
    }
    assert_eq!(went, [2, 2, 2, 1]);
}

#[test]
fn a_rate_is_kept_by_what_had_to_stay_a_while() {
    let policy = ReplayPolicy {
        replay_delay: 500,
        rate_limit: 2,
        rate_duration: 100,
        ..ReplayPolicy::default()
    };
    let (mut queue, mut effects) = (queue(policy), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    for number in 1..=7 {
        queue.enqueue(via(number, &["a"]), ARRIVED, &mut effects);
    }
    let mut went = Vec::new();
    while let Some(next) = queue.next_tick() {
        assert!(next <= ARRIVED + 5_000, "it comes to an end");
        queue.tick(next, &mut effects);
        went.push((next - ARRIVED, numbers(&mut effects, back)));
    }
    assert_eq!(went, [(500, vec![1, 2]), (600, vec![3, 4]), (700, vec![5, 6]), (800, vec![7])]);
}

#[test]
fn each_waits_for_its_turn_once_with_every_bridge() {
    let policy = ReplayPolicy { rate_limit: 2, rate_duration: 100, ..ReplayPolicy::default() };
    let (mut queue, mut effects) = (queue(policy), Effects::default());
    let one = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    for number in 1..=8 {
        queue.enqueue(via(number, &["a", "b"]), ARRIVED, &mut effects);
    }
    let other = queue.subscribe(bridge("b", 1, 100), ARRIVED, &mut effects);
    let mut went = vec![(numbers(&mut effects, one), numbers(&mut effects, other))];
    let mut looks = Vec::new();
    while let Some(next) = queue.next_tick() {
        looks.push(next - ARRIVED);
        queue.tick(next, &mut effects);
        went.push((numbers(&mut effects, one), numbers(&mut effects, other)));
    }
    went.retain(|(one, other)| !one.is_empty() || !other.is_empty());
    assert_eq!(went, [(vec![1, 2], vec![3, 4]), (vec![5, 6], vec![7, 8])]);
    assert_eq!(looks, [100, 200], "the last look finds that the others have gone");
}

#[test]
fn a_window_that_is_full_at_its_turn_takes_it_later() {
    let policy = ReplayPolicy { rate_limit: 2, rate_duration: 100, ..ReplayPolicy::default() };
    let (mut queue, mut effects) = (queue(policy), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 3), ARRIVED, &mut effects);
    for number in 1..=6 {
        queue.enqueue(via(number, &["a"]), ARRIVED, &mut effects);
    }
    assert_eq!(numbers(&mut effects, back), [1, 2]);
    queue.tick(ARRIVED + 100, &mut effects);
    assert_eq!(numbers(&mut effects, back), [3], "the window holds three");
    assert_eq!(queue.next_tick(), None, "nothing is to be done before one of them is settled");
    settle(&mut queue, back, 1, ARRIVED + 150, &mut effects);
    settle(&mut queue, back, 2, ARRIVED + 150, &mut effects);
    assert_eq!(numbers(&mut effects, back), [4], "two within the time");
    assert_eq!(queue.next_tick(), Some(ARRIVED + 200));
    queue.tick(ARRIVED + 200, &mut effects);
    assert_eq!(numbers(&mut effects, back), [5]);
}

/// The consumer settles one message.
fn settle(
    queue: &mut Queue,
    key: SubscriptionKey,
    number: i64,
    now: i64,
    effects: &mut Effects,
) -> usize {
    let id = MessageId::new(producer(), number);
    let ack = Acknowledgement {
        kind: AckKind::Individual,
        first: None,
        last: Some(&id),
        destination: None,
        count: 1,
        cause: None,
    };
    queue.acknowledge(key, &ack, now, effects).unwrap()
}

#[test]
fn whoever_is_kept_out_keeps_nothing_from_going_back() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let local = queue.subscribe(consumer(None, 100), ARRIVED, &mut effects);
    let far = QueueSubscription { exclusive: true, ..bridge("a", 1, 2) };
    let back = queue.subscribe(far, ARRIVED, &mut effects);
    queue.enqueue(via(1, &["a"]), ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [1]);
    // One that comes after it waits for it to go, and until then keeps nothing either.
    let next = QueueSubscription { exclusive: true, ..consumer(None, 100) };
    let next = QueueSubscription { priority: -9, ..next };
    let next = queue.subscribe(next, ARRIVED, &mut effects);
    queue.enqueue(via(2, &["a"]), ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [2]);
    queue.enqueue(via(3, &["a"]), ARRIVED, &mut effects);
    assert!(matches!(obstacle(&queue, back), Some(Obstacle::WindowFull)));
    for kept_out in [local, next] {
        assert!(matches!(obstacle(&queue, kept_out), Some(Obstacle::KeptOut)));
    }
    queue.unsubscribe(back, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, next), [1, 2, 3]);
    assert_eq!(numbers(&mut effects, local), [] as [i64; 0]);
}

/// What keeps the first message that waits from going to a subscription, as it is explained.
fn obstacle(queue: &Queue, to: SubscriptionKey) -> Option<Obstacle> {
    let [held] = &queue.first_waiting(i64::MIN, 1)[..] else { panic!("one waits") };
    let all = queue.insight(10, ARRIVED);
    let (asked, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.key == to);
    asked[0].obstacle(held, others.into_iter(), queue.replay(), ARRIVED)
}

#[test]
fn as_long_as_one_is_left_that_takes_all_nothing_goes_back() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let back = queue.subscribe(bridge("a", 1, 100), ARRIVED, &mut effects);
    let [one, other] = [(); 2].map(|()| queue.subscribe(consumer(None, 0), ARRIVED, &mut effects));
    for number in 1..=3 {
        queue.enqueue(via(number, &["a"]), ARRIVED, &mut effects);
    }
    queue.unsubscribe(one, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [] as [i64; 0]);
    queue.unsubscribe(other, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [1, 2, 3]);
}

/// Who holds which messages after what was just dispatched.
fn took(held: &mut Vec<(SubscriptionKey, i64)>, effects: &mut Effects) {
    let dispatches = effects.dispatches.drain(..);
    held.extend(dispatches.map(|one| (one.to, one.message.broker_sequence_id())));
}

/// Whatever comes and goes, nobody with room waits for a message that it could have.
#[test]
fn nobody_who_could_have_a_message_goes_without() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let policy = ReplayPolicy {
            replay_delay: if random.bool() { 0 } else { 30 },
            rate_limit: if random.u8(..3) == 0 { 2 } else { 0 },
            rate_duration: 50,
            selector_aware: random.bool(),
            replay_when_no_consumers: true,
        };
        let exclusive = random.u8(..3) == 0;
        let (mut queue, mut effects) = (queue(policy), Effects::default());
        let mut live: Vec<SubscriptionKey> = Vec::new();
        let mut held: Vec<(SubscriptionKey, i64)> = Vec::new();
        let (mut now, mut sent, mut settled) = (ARRIVED, 0, 0);
        for _ in 0..150 {
            now += random.i64(0..20);
            queue.tick(now, &mut effects);
            took(&mut held, &mut effects);
            match random.u8(..8) {
                0..=2 => {
                    let paths: [&[&str]; 5] =
                        [&[], &["a"], &["b"], &["a", "b"], &["a", "own", "a"]];
                    let color = if random.bool() { "red" } else { "blue" };
                    sent += 1;
                    let path = paths[random.usize(..paths.len())];
                    queue.enqueue(colored(sent, path, color, now), now, &mut effects);
                }
                3 | 4 if live.len() < 6 => {
                    let prefetch = random.usize(1..4);
                    let mut wanted = match random.u8(..5) {
                        0 => consumer(None, prefetch),
                        1 => consumer(Some("color = 'red'"), prefetch),
                        2 => bridge("a", random.usize(1..3), prefetch),
                        3 => bridge("b", random.usize(1..3), prefetch),
                        _ => bridge("c", random.usize(1..3), prefetch),
                    };
                    wanted.exclusive = exclusive && random.u8(..4) == 0;
                    if wanted.network {
                        let routes: [&[&str]; 4] = [&[], &["x"], &["y"], &["x", "a"]];
                        let route = routes[random.usize(..4)].iter();
                        wanted.route = route.map(|broker| BrokerId::new(*broker)).collect();
                    }
                    live.push(queue.subscribe(wanted, now, &mut effects));
                }
                5 if !live.is_empty() => {
                    let gone = live.swap_remove(random.usize(..live.len()));
                    held.retain(|(to, _)| *to != gone);
                    queue.unsubscribe(gone, Delivered::Nothing, now, &mut effects);
                }
                _ if !held.is_empty() => {
                    let (to, number) = held.swap_remove(random.usize(..held.len()));
                    settled += settle(&mut queue, to, number, now, &mut effects);
                }
                _ => {}
            }
            took(&mut held, &mut effects);
            assert!(queue.is_at_rest(now), "seed {seed}");
            assert_eq!(queue.pending() + held.len() + settled, usize::try_from(sent).unwrap());
        }
    }
}

#[test]
fn a_bridge_that_retires_keeps_what_it_forwarded_and_stands_in_nobodys_way() {
    let (mut queue, mut effects) = (queue(ReplayPolicy::default()), Effects::default());
    let back = queue.subscribe(bridge("a", 2, 100), ARRIVED, &mut effects);
    let near = queue.subscribe(bridge("b", 1, 4), ARRIVED, &mut effects);
    for number in 1..=6 {
        queue.enqueue(via(number, &["a"]), ARRIVED, &mut effects);
    }
    assert_eq!(numbers(&mut effects, near), [1, 2, 3, 4]);
    assert_eq!(numbers(&mut effects, back), [] as [i64; 0], "there is a way on");
    queue.retire_after(near, &MessageId::new(producer(), 2), ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, near), [] as [i64; 0]);
    let mut returned = numbers(&mut effects, back);
    returned.sort_unstable();
    assert_eq!(returned, [3, 4, 5, 6], "no way on is left");
    assert_eq!((queue.in_flight(), queue.takers().subscriptions), (6, 1));

    let last = MessageId::new(producer(), 1);
    let ack = Acknowledgement {
        kind: AckKind::Individual,
        first: None,
        last: Some(&last),
        destination: None,
        count: 1,
        cause: None,
    };
    assert_eq!(queue.acknowledge(near, &ack, ARRIVED, &mut effects), Ok(1), "still its own");
    queue.enqueue(via(7, &["a"]), ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, near), [] as [i64; 0], "no more");
    assert_eq!(numbers(&mut effects, back), [7]);
    queue.unsubscribe(near, Delivered::Nothing, ARRIVED, &mut effects);
    assert_eq!(numbers(&mut effects, back), [2], "what was not settled in the end");
    assert_eq!(queue.takers().subscriptions, 1);
}
