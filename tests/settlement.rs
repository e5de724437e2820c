//! What a consumer says of its messages is what becomes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_openwire::throwable::Throwable;
use wire::{Wire, broker, number_of, until};

const DELIVERED: i8 = 0;
const POISON: i8 = 1;
const STANDARD: i8 = 2;
const REDELIVERED: i8 = 3;
const INDIVIDUAL: i8 = 4;
const EXPIRED: i8 = 6;

/// A peer with consumer 1 of this window on `queue`, and `count` messages sent there.
async fn consuming(node: &Node, queue: &Destination, window: i32, count: i64) -> Wire {
    let mut peer = Wire::opened(node, "peer").await;
    peer.consume(1, queue, window).await;
    for number in 1..=count {
        let message = MessageFields { persistent: true, ..peer.message(queue, number, 2048) };
        let sent = peer.submit(&message);
        peer.answer(sent).await.unwrap();
    }
    peer
}

/// What is in the queue when consumer 1 has gone, in order, and how often each was delivered.
async fn left(peer: &mut Wire, queue: &Destination, last: i64) -> Vec<(i64, i32)> {
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), last)).await.unwrap();
    let mut left = Vec::new();
    peer.send(queue, 999, 2048);
    peer.consume(2, queue, 1000).await;
    loop {
        let (number, redeliveries) = peer.number().await;
        if number == 999 {
            return left;
        }
        left.push((number, redeliveries));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_is_what_was_dispatched_between_its_ends() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = consuming(&node, &queue, 100, 10).await;
    assert_eq!(peer.numbers(10).await, (1..=10).collect::<Vec<_>>());
    peer.ask(peer.ack(1, STANDARD, 3, 5, 3).into()).await.unwrap();
    // Now 2 and 6 are neighbours.
    peer.ask(peer.ack(1, STANDARD, 2, 6, 2).into()).await.unwrap();
    peer.ask(peer.ack(1, INDIVIDUAL, 8, 8, 1).into()).await.unwrap();
    peer.ask(peer.ack(1, INDIVIDUAL, 8, 8, 1).into()).await.unwrap();
    // None of these fits.
    for (kind, first, last, count) in [
        (STANDARD, 7, 9, 3),
        (STANDARD, 9, 7, 2),
        (STANDARD, 3, 7, 1),
        (POISON, 1, 3, 1),
        (9, 1, 1, 1),
    ] {
        assert!(peer.ask(peer.ack(1, kind, first, last, count).into()).await.is_err());
    }
    // Without a first one, a range starts at the oldest.
    let open = MessageAck { first_message_id: None, ..peer.ack(1, STANDARD, 0, 7, 2) };
    peer.ask(open.into()).await.unwrap();
    assert_eq!(left(&mut peer, &queue, -1).await, [(9, 0), (10, 0)]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_delivered_makes_room_until_it_is_settled() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = consuming(&node, &queue, 4, 20).await;
    assert_eq!(peer.numbers(4).await, [1, 2, 3, 4]);
    peer.tell(peer.ack(1, DELIVERED, 1, 2, 2).into());
    assert_eq!(peer.numbers(2).await, [5, 6]);
    peer.tell(peer.ack(1, DELIVERED, 3, 4, 2).into());
    assert_eq!(peer.numbers(2).await, [7, 8]);
    peer.tell(peer.ack(1, REDELIVERED, 1, 4, 4).into());
    peer.nothing_comes().await;
    // One that was not reported as delivered makes the room of one, no less.
    peer.tell(peer.ack(1, INDIVIDUAL, 7, 7, 1).into());
    assert_eq!(peer.numbers(1).await, [9]);
    // What was is settled without making room anew.
    peer.tell(peer.ack(1, STANDARD, 1, 4, 4).into());
    peer.nothing_comes().await;
    peer.tell(peer.ack(1, STANDARD, 5, 6, 2).into());
    assert_eq!(peer.numbers(2).await, [10, 11]);
    peer.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_goes_says_what_it_delivered() {
    for (last, counts) in [(-1, [0, 0, 0]), (-2, [1, 1, 1]), (0, [0, 0, 0])] {
        let node = broker(Limits::default()).await;
        let queue = Destination::queue("q");
        let mut peer = consuming(&node, &queue, 10, 3).await;
        peer.numbers(3).await;
        let [a, b, c] = counts;
        assert_eq!(left(&mut peer, &queue, last).await, [(1, a), (2, b), (3, c)], "{last}");
        node.stop().await;
    }
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = consuming(&node, &queue, 10, 3).await;
    peer.dispatch().await;
    let second = peer.dispatch().await.message.unwrap().broker_sequence_id();
    peer.dispatch().await;
    assert_eq!(left(&mut peer, &queue, second).await, [(1, 1), (2, 1), (3, 0)]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_gives_back_in_order_and_counts_once_each_time() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut sender = Wire::opened(&node, "sender").await;
    for number in 0..10 {
        sender.send(&queue, number, 2048);
    }
    for round in 0..5 {
        let mut peer = Wire::opened(&node, "peer").await;
        peer.consume(1, &queue, 10).await;
        for number in 0..10 {
            assert_eq!(peer.number().await, (number, round));
        }
        peer.crash();
        until("it is gone", || (node.status().connections == 1).then_some(())).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_one_lost_connection_do_not_inherit_from_each_other() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = Wire::opened(&node, "peer").await;
    for consumer in 1..=5 {
        peer.consume(consumer, &queue, 100).await;
    }
    for number in 0..10 {
        peer.send(&queue, number, 2048);
    }
    peer.numbers(10).await;
    peer.crash();
    let mut next = Wire::opened(&node, "next").await;
    next.consume(1, &queue, 100).await;
    for number in 0..10 {
        assert_eq!(next.number().await, (number, 1));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_expired_messages_go_to_the_dead_letters() {
    let node = broker(Limits::default()).await;
    let (queue, dead) = (Destination::queue("q"), Destination::queue("ActiveMQ.DLQ"));
    let mut peer = Wire::opened(&node, "peer").await;
    peer.consume(1, &queue, 10).await;
    peer.consume(2, &dead, 10).await;
    let mut properties = Properties::default();
    properties.insert("colour", Value::String("blue".into()));
    let later = i64::MAX;
    for number in 1..=4 {
        let fields = MessageFields {
            persistent: number != 3,
            expiration: later,
            // The last one's cannot be read.
            marshalled_properties: Some(if number == 4 {
                vec![0, 0, 0, 9, 1].into()
            } else {
                properties.encode()
            }),
            ..peer.message(&queue, number, 2048)
        };
        peer.submit(&fields);
        assert_eq!(peer.number().await.0, number);
    }
    let cause = Some(Throwable::new("java.lang.Throwable", "too often"));
    let poison = MessageAck { poison_cause: cause, ..peer.ack(1, POISON, 1, 1, 1) };
    peer.ask(poison.into()).await.unwrap();
    let letter = peer.dispatch().await;
    let message = letter.message.clone().unwrap();
    assert_eq!(number_of(&letter), 1);
    // Its own, shown as the one that it had.
    assert_eq!(message.message_id().unwrap().to_string(), "ID:peer:1:1:1");
    assert_ne!(message.message_id(), Some(MessageId::new(peer.producer(), 1)));
    assert_eq!(message.destination(), Some(dead.clone()));
    assert_eq!(message.original_destination(), Some(queue.clone()));
    assert_eq!(message.expiration(), 0);
    let properties = message.properties().unwrap();
    let is = |name: &str, value| assert_eq!(properties.get(name), Some(&value), "{name}");
    is("colour", Value::String("blue".into()));
    is("originalExpiration", Value::Long(later));
    is("dlqDeliveryFailureCause", Value::String("too often".into()));

    peer.ask(peer.ack(1, EXPIRED, 2, 2, 1).into()).await.unwrap();
    let second = peer.dispatch().await;
    assert_eq!(number_of(&second), 2);
    // Not a persistent one: it ends here.
    peer.ask(peer.ack(1, POISON, 3, 3, 1).into()).await.unwrap();
    peer.ask(peer.ack(1, POISON, 4, 4, 1).into()).await.unwrap();
    let letter = peer.dispatch().await;
    assert_eq!(number_of(&letter), 4);
    // A dead letter that is refused dies.
    peer.settle(&letter);
    peer.ask(
        MessageAck {
            first_message_id: message.message_id(),
            last_message_id: second.message.unwrap().message_id(),
            ..peer.ack(2, POISON, 1, 2, 2)
        }
        .into(),
    )
    .await
    .unwrap();
    peer.nothing_comes().await;
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_not_dispatched_though_it_waited_in_a_window() {
    let node = broker(Limits::default()).await;
    let (queue, topic) = (Destination::queue("q"), Destination::topic("t"));
    let mut peer = Wire::opened(&node, "peer").await;
    for address in [&queue, &topic] {
        let past = MessageFields { expiration: 1, ..peer.message(address, 1, 2048) };
        let sent = peer.submit(&past);
        peer.answer(sent).await.unwrap();
    }
    peer.consume(1, &queue, 10).await;
    peer.consume(2, &topic, 10).await;
    peer.nothing_comes().await;
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[tokio::test]
async fn what_nobody_could_name_is_refused() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("orders");
    let mut peer = consuming(&node, &queue, 10, 0).await;
    let nameless = MessageFields { message_id: None, ..peer.message(&queue, 1, 2048) };
    let sent = peer.submit(&nameless);
    let refusal = peer.answer(sent).await.unwrap_err();
    assert!(refusal.message.unwrap().to_string().contains("no identifier"));
    // The connection goes on.
    peer.send(&queue, 2, 2048);
    assert_eq!(peer.number().await, (2, 0));
    node.stop().await;
}
