//! A consumer without a prefetch window gets one message each time that it asks, and an answer when
//! there is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerControl, ConsumerInfo, MessagePull};
use ferrymq_openwire::destination::Destination;
use wire::{Wire, broker, number_of};

const STANDARD: i8 = 2;
const NOT_AT_ALL: i64 = -1;
const FOR_EVER: i64 = 0;

fn queue() -> Destination {
    Destination::queue("q")
}

async fn opened() -> (Node, Wire) {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    peer.consume(1, &queue(), 0).await;
    (node, peer)
}

fn pull(peer: &mut Wire, consumer: i64, timeout: i64) {
    peer.tell(Command::MessagePull(Box::new(MessagePull {
        consumer_id: Some(peer.consumer_id(consumer)),
        destination: Some(queue()),
        timeout,
        ..MessagePull::default()
    })));
}

/// The answer to a pull: a message's number, or that there is none.
async fn pulled(peer: &mut Wire) -> Option<i64> {
    let dispatch = peer.dispatch().await;
    dispatch.message.is_some().then(|| number_of(&dispatch))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_that_was_not_asked_for() {
    let (_node, mut peer) = opened().await;
    for number in 1..=3 {
        peer.send(&queue(), number, 1100);
    }
    peer.nothing_comes().await;
    pull(&mut peer, 1, FOR_EVER);
    assert_eq!(pulled(&mut peer).await, Some(1));
    peer.nothing_comes().await;
    // What is not acknowledged yet does not stand in the way.
    pull(&mut peer, 1, NOT_AT_ALL);
    assert_eq!(pulled(&mut peer).await, Some(2));
    peer.ask(peer.ack(1, STANDARD, 1, 2, 2).into()).await.unwrap();
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_wait_is_told_at_once() {
    let (_node, mut peer) = opened().await;
    pull(&mut peer, 1, NOT_AT_ALL);
    assert_eq!(pulled(&mut peer).await, None);
    peer.send(&queue(), 1, 1100);
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_gets_what_comes_meanwhile_and_else_is_told() {
    let (_node, mut peer) = opened().await;
    pull(&mut peer, 1, 50);
    assert_eq!(pulled(&mut peer).await, None);
    pull(&mut peer, 1, 100);
    peer.send(&queue(), 1, 1100);
    assert_eq!(pulled(&mut peer).await, Some(1));
    // The wait was answered: its end is not told any more.
    peer.nothing_comes().await;
    pull(&mut peer, 1, FOR_EVER);
    peer.nothing_comes().await;
    // A later question replaces the one before.
    pull(&mut peer, 1, 1);
    assert_eq!(pulled(&mut peer).await, None);
    peer.send(&queue(), 2, 1100);
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_pull_share_a_queue_and_return_what_they_hold() {
    let (node, mut peer) = opened().await;
    peer.consume(2, &queue(), 0).await;
    pull(&mut peer, 1, FOR_EVER);
    pull(&mut peer, 2, FOR_EVER);
    let mut other = Wire::opened(&node, "other").await;
    other.send(&queue(), 1, 1100);
    other.send(&queue(), 2, 1100);
    let got = [peer.dispatch().await, peer.dispatch().await];
    assert_eq!(got.each_ref().map(number_of), [1, 2]);
    assert_ne!(got[0].consumer_id, got[1].consumer_id, "one each");
    // A pull that is open ends with its consumer, and what it held goes to the next who asks.
    pull(&mut peer, 1, FOR_EVER);
    let last = got[0].message.as_ref().unwrap().broker_sequence_id();
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), last)).await.unwrap();
    pull(&mut peer, 2, FOR_EVER);
    assert_eq!(peer.number().await, (1, 1));
    other.send(&queue(), 3, 1100);
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_pulled_too() {
    let (_node, mut peer) = opened().await;
    let topic = Destination::topic("t");
    peer.consume(2, &topic, 0).await;
    pull(&mut peer, 2, NOT_AT_ALL);
    assert_eq!(pulled(&mut peer).await, None);
    peer.send(&topic, 1, 1100);
    peer.send(&topic, 2, 1100);
    peer.nothing_comes().await;
    for number in [1, 2] {
        pull(&mut peer, 2, 20);
        assert_eq!(pulled(&mut peer).await, Some(number));
    }
    pull(&mut peer, 2, 20);
    assert_eq!(pulled(&mut peer).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_subscription_is_pulled_too() {
    let (_node, mut peer) = opened().await;
    let topic = Destination::topic("t");
    let info =
        ConsumerInfo { subscription_name: Some("kept".into()), ..peer.consumer(2, &topic, 0) };
    peer.ask(info.into()).await.unwrap();
    pull(&mut peer, 2, NOT_AT_ALL);
    assert_eq!(pulled(&mut peer).await, None);
    peer.send(&topic, 1, 1100);
    peer.nothing_comes().await;
    pull(&mut peer, 2, FOR_EVER);
    assert_eq!(pulled(&mut peer).await, Some(1));
}

/// A client that failed over declares its consumers without a window, and gives it to them once it
/// has settled what it had.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_comes_later_is_filled() {
    let (_node, mut peer) = opened().await;
    for number in 1..=3 {
        peer.send(&queue(), number, 1100);
    }
    peer.nothing_comes().await;
    let control = |peer: &Wire, prefetch| {
        Command::ConsumerControl(ConsumerControl {
            consumer_id: Some(peer.consumer_id(1)),
            prefetch,
            ..ConsumerControl::default()
        })
    };
    let wide = control(&peer, 2);
    peer.tell(wide);
    assert_eq!(peer.numbers(2).await, [1, 2]);
    // With a window, there is nothing to pull.
    pull(&mut peer, 1, NOT_AT_ALL);
    peer.nothing_comes().await;
    let none = control(&peer, 0);
    peer.tell(none);
    peer.ask(peer.ack(1, STANDARD, 1, 2, 2).into()).await.unwrap();
    peer.nothing_comes().await;
    pull(&mut peer, 1, NOT_AT_ALL);
    assert_eq!(pulled(&mut peer).await, Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulling_one_message_by_name_is_refused() {
    let (_node, mut peer) = opened().await;
    peer.tell(Command::MessagePull(Box::new(MessagePull {
        consumer_id: Some(peer.consumer_id(1)),
        correlation_id: Some("c".into()),
        ..MessagePull::default()
    })));
    let refusal = peer.failure().await;
    assert!(refusal.message.unwrap().to_string().contains("pulling a message by its identifier"));
}
