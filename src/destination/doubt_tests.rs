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

/// Asks the broker beyond a bridge what it has.
fn asking(to: &str, prefetch: usize) -> QueueSubscription {
    QueueSubscription { browser: true, ..consumer(Some(to), prefetch) }
}

fn settle(queue: &mut Queue, to: SubscriptionKey, number: i64, effects: &mut Effects) {
    let last = id(number);
    let ack =
        Acknowledgement { last: Some(&last), ..Acknowledgement::of_count(AckKind::Individual, 1) };
    queue.acknowledge(to, &ack, 5, effects).unwrap();
}

#[test]
fn the_next_bridge_asks_about_it_whatever_is_wanted_there() {
    let (mut queue, mut effects) = in_doubt(HOLD);
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [2]);
    assert!(queue.doubts_about(&BrokerId::new("far")) && queue.in_doubt(None) == 2);
    let asks = queue.subscribe(asking("far", 1), 1, &mut effects);
    assert_eq!(numbers(&mut effects, asks), [1]);
    assert_eq!(effects.ended, []);
    settle(&mut queue, asks, 1, &mut effects);
    assert_eq!(effects.consumed, [1]);
    assert_eq!(numbers(&mut effects, asks), [3]);
    queue.deny(asks, &id(3), 5, &mut effects);
    assert_eq!(numbers(&mut effects, local), [3]);
    assert_eq!(std::mem::take(&mut effects.ended), [asks]);
    queue.unsubscribe(asks, Delivered::Nothing, 6, &mut effects);
    assert!(!queue.doubts_about(&BrokerId::new("far")));
    assert!(effects.ended.is_empty() && effects.doubtful == 0);
}

/// A queue that its broker kept: messages from 1 to 5, of which those up to 3 were handed to `far`, and
/// those from 3 to 4 to `off`.
fn kept(hold: i64) -> (Queue, Effects) {
    let (mut queue, mut effects) = (queue(hold).paging(1 << 20), Effects::default());
    queue.take_up(5, 1, 5);
    queue.recall_mark(BrokerId::new("far"), (1, 3), 0, &mut effects);
    queue.recall_mark(BrokerId::new("off"), (3, 4), 0, &mut effects);
    (queue, effects)
}

/// Gives a queue the page that it asks for.
fn page(queue: &mut Queue, effects: &mut Effects) {
    assert!(queue.ask_for_page());
    let (from, _) = queue.begin_page().unwrap();
    let messages = (from.max(1)..=5).map(|number| (number, message(number, true)));
    let messages = messages.map(|(place, message)| (place, Arc::into_inner(message)));
    queue.take_page(
        Page { messages: messages.collect(), damaged: Vec::new(), failed: false },
        1,
        effects,
    );
}

#[test]
fn what_a_mark_covers_is_nobodys_before_all_have_been_asked() {
    let (mut queue, mut effects) = kept(HOLD);
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    page(&mut queue, &mut effects);
    assert_eq!(numbers(&mut effects, local), [5]);
    assert_eq!(queue.in_doubt(None), 5, "one counts twice");
    let far = queue.subscribe(asking("far", 100), 1, &mut effects);
    let off = queue.subscribe(asking("off", 100), 1, &mut effects);
    assert_eq!(numbers(&mut effects, far), [1, 2, 3]);
    assert_eq!(numbers(&mut effects, off), [4]);
    assert_eq!(std::mem::take(&mut effects.ended), [far], "the other one has still to be asked");
    queue.deny(far, &id(1), 1, &mut effects);
    settle(&mut queue, far, 2, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1]);
    queue.deny(far, &id(3), 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [] as [i64; 0]);
    assert_eq!(numbers(&mut effects, off), [3]);
    assert_eq!(std::mem::take(&mut effects.ended), [off]);
    queue.unsubscribe(far, Delivered::Nothing, 1, &mut effects);
    let ended = |effects: &mut Effects| {
        effects.marks.drain(..).map(|mark| (mark.broker, mark.places)).collect::<Vec<_>>()
    };
    assert_eq!(ended(&mut effects), [(BrokerId::new("far"), None)]);
    // The link is lost: nothing is known.
    queue.unsubscribe(off, Delivered::InDoubt, 1, &mut effects);
    assert_eq!(numbers(&mut effects, local), [] as [i64; 0]);
    let off = queue.subscribe(asking("off", 100), 2, &mut effects);
    assert_eq!(numbers(&mut effects, off), [3, 4]);
    queue.deny(off, &id(4), 2, &mut effects);
    settle(&mut queue, off, 3, &mut effects);
    assert_eq!(numbers(&mut effects, local), [4]);
    assert_eq!(ended(&mut effects), []);
    queue.unsubscribe(off, Delivered::Nothing, 2, &mut effects);
    assert_eq!(ended(&mut effects), [(BrokerId::new("off"), None)]);
    assert_eq!((queue.in_doubt(None), effects.doubtful), (0, 0));
}

#[test]
fn what_a_mark_covers_is_not_held_for_ever() {
    let (mut queue, mut effects) = kept(HOLD);
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    page(&mut queue, &mut effects);
    assert_eq!(numbers(&mut effects, local), [5]);
    assert_eq!(queue.next_tick(), Some(HOLD));
    queue.tick(HOLD, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1, 2, 3, 4]);
    assert!(effects.doubtful >= 4);
    assert_eq!(effects.marks.len(), 2);

    let (mut queue, mut effects) = kept(0);
    assert_eq!(effects.marks.len(), 2, "not at all, if that is not wanted");
    let local = queue.subscribe(consumer(None, 100), 1, &mut effects);
    page(&mut queue, &mut effects);
    assert_eq!(numbers(&mut effects, local), [1, 2, 3, 4, 5]);
}

#[test]
fn what_waited_is_handed_on_when_a_mark_over_it_is_durable() {
    let (mut queue, mut effects) = (queue(HOLD).paging(1 << 20), Effects::default());
    for number in 1..=2 {
        queue.enqueue(message(number, true), 0, &mut effects);
    }
    let far = queue.subscribe(consumer(Some("far"), 100), 0, &mut effects);
    assert_eq!(numbers(&mut effects, far), [] as [i64; 0]);
    let mark = effects.marks.pop().unwrap();
    assert!(mark.places.is_some_and(|(first, last)| first == 1 && last > 1000));
    // What comes now does not overtake it.
    queue.enqueue(message(3, true), 0, &mut effects);
    assert!(numbers(&mut effects, far).is_empty() && queue.wants_mark_fence());
    queue.set_mark_fence(9);
    queue.hear_of_marks(8, 0, &mut effects);
    assert_eq!(numbers(&mut effects, far), [] as [i64; 0]);
    queue.hear_of_marks(9, 0, &mut effects);
    assert_eq!(numbers(&mut effects, far), [1, 2, 3]);
    queue.enqueue(message(4, true), 0, &mut effects);
    assert_eq!(numbers(&mut effects, far), [4], "it is covered");
    assert!(effects.marks.is_empty());
    // One beyond the mark brings another one along.
    queue.enqueue(message(100_000, true), 0, &mut effects);
    assert_eq!(numbers(&mut effects, far), [100_000]);
    assert_eq!(effects.marks.pop().unwrap().places.unwrap().0, 1, "from the first that is out");
    queue.unsubscribe(far, Delivered::InDoubt, 0, &mut effects);
    assert!(effects.marks.is_empty());
}
