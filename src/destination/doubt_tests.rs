//! What was forwarded over a link that was lost, and was not answered.

use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};

use super::*;
use crate::selector::Selectors;

const HOLD: i64 = 30_000;

fn id(number: i64) -> MessageId {
    MessageId::new(ProducerId::new(&SessionId::new(&ConnectionId::new("c"), 1), 1), number)
}

fn message(number: i64, persistent: bool) -> Arc<Message> {
    let message_id = Some(id(number));
    let fields = MessageFields { message_id, persistent, ..MessageFields::default() };
    let mut message = Message::from_fields(&fields).unwrap();
    message.set_broker_sequence_id(number);
    Arc::new(message)
}

fn queue(hold: i64) -> Queue {
    let account = MemoryAccount::root(u64::MAX);
    Queue::shared(account, ReplayPolicy::default()).holding_doubts(hold)
}

/// A consumer here, or the bridge to a broker.
fn consumer(to: Option<&str>, prefetch: usize) -> QueueSubscription {
    let filter = to.map(|to| NetworkBridgeFilter {
        network_broker_id: Some(BrokerId::new(to)),
        message_ttl: -1,
        consumer_ttl: -1,
        ..NetworkBridgeFilter::default()
    });
    let info = ConsumerInfo { additional_predicate: filter, ..ConsumerInfo::default() };
    QueueSubscription {
        priority: if to.is_some() { -5 } else { 0 },
        prefetch,
        admission: Admission::of(&info, &BrokerId::new("own"), &Selectors::default()).unwrap(),
        network: to.is_some(),
        browser: false,
        exclusive: false,
        distance: 1,
        route: Vec::new(),
        settling: 0,
        shared: None,
    }
}

fn numbers(effects: &mut Effects, to: SubscriptionKey) -> Vec<i64> {
    let mine = effects.dispatches.extract_if(.., |dispatch| dispatch.to == to);
    mine.map(|dispatch| dispatch.message.broker_sequence_id()).collect()
}

/// A queue whose bridge to `far` has gone with three messages, of which the second is not persistent.
fn in_doubt(hold: i64) -> (Queue, Effects) {
    let (mut queue, mut effects) = (queue(hold), Effects::default());
    let far = queue.subscribe(consumer(Some("far"), 100), 0, &mut effects);
    for number in 1..=3 {
        queue.enqueue(message(number, number != 2), 0, &mut effects);
    }
    assert_eq!(numbers(&mut effects, far), [1, 2, 3]);
    queue.unsubscribe(far, Delivered::InDoubt, 0, &mut effects);
    (queue, effects)
}

#[test]
fn it_is_held_for_the_broker_that_may_have_it() {
    let (mut queue, mut effects) = in_doubt(HOLD);
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [2], "a crash may lose it, so nothing is promised");
    let other = queue.subscribe(consumer(Some("other"), 100), 1, &mut effects);
    assert_eq!(numbers(&mut effects, other), [] as [i64; 0]);
    queue.enqueue(message(4, true), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [4], "the rest goes on");
    let first = &queue.first_waiting(i64::MIN, 1)[0];
    assert_eq!(first.doubt, Some(Doubt { at: BrokerId::new("far"), until: HOLD }));
    let far = queue.subscribe(consumer(Some("far"), 100), 2, &mut effects);
    assert_eq!(numbers(&mut effects, far), [1, 3]);
    assert_eq!(queue.next_tick().filter(|at| *at < HOLD), None, "nobody looks before");
    queue.unsubscribe(far, Delivered::Nothing, 3, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1, 3], "not sent this time, not in doubt");
    queue.tick(HOLD, &mut effects);
    assert_eq!(effects.doubtful, 0);
}

#[test]
fn it_is_sent_on_when_that_broker_does_not_come_back() {
    let (mut queue, mut effects) = in_doubt(HOLD);
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [2]);
    assert_eq!(queue.next_tick(), Some(HOLD));
    queue.tick(HOLD, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1, 3]);
    assert_eq!(effects.doubtful, 2);

    let (mut queue, mut effects) = in_doubt(HOLD);
    queue.tick(HOLD, &mut effects);
    assert_eq!(effects.doubtful, 2, "also while nobody is there");
    let local = queue.subscribe(consumer(None, 100), HOLD + 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1, 2, 3]);
}

#[test]
fn nothing_is_held_where_that_is_not_wanted() {
    let (mut queue, mut effects) = in_doubt(0);
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1, 2, 3]);
}

#[test]
fn a_consumer_that_has_no_room_when_the_hold_ends_gets_it_when_it_has() {
    let (mut queue, mut effects) = in_doubt(HOLD);
    let local = queue.subscribe(consumer(None, 1), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [2]);
    queue.tick(HOLD, &mut effects);
    for (settled, next) in [(2, 1), (1, 3)] {
        let last = id(settled);
        let ack = Acknowledgement {
            last: Some(&last),
            ..Acknowledgement::of_count(AckKind::Individual, 1)
        };
        queue.acknowledge(local, &ack, HOLD + settled, &mut effects).unwrap();
        assert_eq!(numbers(&mut effects, local), [next]);
    }
}

#[test]
fn what_is_held_back_is_nobodys_and_keeps_its_place() {
    let (mut queue, mut effects) = (queue(0), Effects::default());
    let one = queue.subscribe(consumer(None, 100), 0, &mut effects);
    queue.hold_back(1);
    for number in 1..=2 {
        queue.enqueue(message(number, true), 0, &mut effects);
    }
    let far = queue.subscribe(consumer(Some("far"), 100), 0, &mut effects);
    assert_eq!(numbers(&mut effects, one), [2]);
    assert_eq!(numbers(&mut effects, far), [] as [i64; 0]);
    queue.let_go(&[1], 0, &mut effects);
    assert_eq!(numbers(&mut effects, one), [1]);
    queue.let_go(&[1], 0, &mut effects);
    assert!(effects.dispatches.is_empty());
}
