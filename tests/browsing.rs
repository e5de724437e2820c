//! A browser sees a queue's messages in order and takes none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_openwire::text::Text;
use wire::{Wire, broker, number_of};

const DELIVERED: i8 = 0;
const STANDARD: i8 = 2;

fn queue() -> Destination {
    Destination::queue("q")
}

/// A broker, and a peer that has sent `count` messages to the queue.
async fn holding(count: i64) -> (Node, Wire) {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for number in 1..=count {
        peer.send(&queue(), number, 1100);
    }
    (node, peer)
}

async fn browse(peer: &mut Wire, number: i64, prefetch: i32) {
    let info = ConsumerInfo { browser: true, ..peer.consumer(number, &queue(), prefetch) };
    peer.ask(info.into()).await.unwrap();
}

/// The next message that a browser is shown; `None` when it is told that it has seen all.
async fn shown(peer: &mut Wire) -> Option<i64> {
    let dispatch = peer.dispatch().await;
    dispatch.message.is_some().then(|| number_of(&dispatch))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sees_all_that_is_there_and_then_that_there_is_no_more() {
    let (node, mut peer) = holding(5).await;
    browse(&mut peer, 1, 100).await;
    for number in 1..=5 {
        assert_eq!(shown(&mut peer).await, Some(number));
    }
    assert_eq!(shown(&mut peer).await, None);
    // What comes later is not for it, and nothing that it says settles anything.
    peer.send(&queue(), 6, 1100);
    peer.ask(peer.ack(1, STANDARD, 1, 5, 5).into()).await.unwrap();
    peer.nothing_comes().await;
    let snapshot = node.watch().destinations();
    let snapshot = snapshot.iter().find(|each| each.address == queue()).unwrap();
    assert_eq!((snapshot.waiting, snapshot.consumers, snapshot.dispatched), (6, 0, 0));
    peer.consume(2, &queue(), 100).await;
    assert_eq!(peer.numbers(6).await, [1, 2, 3, 4, 5, 6]);
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), -1)).await.unwrap();
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_queue_is_seen_at_once() {
    let (_node, mut peer) = holding(0).await;
    browse(&mut peer, 1, 100).await;
    assert_eq!(shown(&mut peer).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_window_bounds_what_it_is_shown_at_a_time() {
    let (_node, mut peer) = holding(9).await;
    browse(&mut peer, 1, 4).await;
    assert_eq!(peer.numbers(4).await, [1, 2, 3, 4]);
    peer.nothing_comes().await;
    peer.ask(peer.ack(1, STANDARD, 1, 2, 2).into()).await.unwrap();
    assert_eq!(peer.numbers(2).await, [5, 6]);
    peer.nothing_comes().await;
    peer.ask(peer.ack(1, DELIVERED, 3, 5, 3).into()).await.unwrap();
    assert_eq!(peer.numbers(3).await, [7, 8, 9]);
    peer.ask(peer.ack(1, STANDARD, 3, 9, 7).into()).await.unwrap();
    assert_eq!(shown(&mut peer).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_sees_what_consumers_hold_in_its_place() {
    let (node, mut peer) = holding(6).await;
    let mut other = Wire::opened(&node, "other").await;
    other.consume(1, &queue(), 3).await;
    let third = {
        assert_eq!(other.numbers(2).await, [1, 2]);
        other.dispatch().await
    };
    other.settle(&third);
    assert_eq!(other.numbers(1).await, [4]);
    browse(&mut peer, 1, 100).await;
    for number in [1, 2, 4, 5, 6] {
        assert_eq!(shown(&mut peer).await, Some(number));
    }
    assert_eq!(shown(&mut peer).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_selector_is_kept() {
    let (_node, mut peer) = holding(0).await;
    for number in 1..=6 {
        let mut properties = Properties::default();
        properties.insert(Text::from("n"), Value::Long(number));
        let message = MessageFields {
            marshalled_properties: Some(properties.encode()),
            ..peer.message(&queue(), number, 1100)
        };
        let sent = peer.submit(&message);
        peer.answer(sent).await.unwrap();
    }
    let info = ConsumerInfo {
        browser: true,
        selector: Some("n > 1 AND n <> 4".into()),
        ..peer.consumer(1, &queue(), 2)
    };
    peer.ask(info.into()).await.unwrap();
    assert_eq!(peer.numbers(2).await, [2, 3]);
    peer.ask(peer.ack(1, STANDARD, 2, 3, 2).into()).await.unwrap();
    assert_eq!(peer.numbers(2).await, [5, 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_told_of_and_keeps_no_temporary_queue_alive() {
    let (node, mut peer) = holding(0).await;
    let told = Destination::topic("ActiveMQ.Advisory.Consumer.Queue.q");
    peer.consume(1, &told, 100).await;
    let mut other = Wire::opened(&node, "other").await;
    browse(&mut other, 1, 100).await;
    assert_eq!(shown(&mut other).await, None);
    peer.nothing_comes().await;
    other.consume(2, &queue(), 1).await;
    assert!(peer.dispatch().await.message.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_cannot_be_browsed() {
    let (_node, mut peer) = holding(0).await;
    let info = ConsumerInfo { browser: true, ..peer.consumer(1, &Destination::topic("t"), 10) };
    let refusal = peer.ask(info.into()).await.unwrap_err();
    assert!(refusal.message.unwrap().to_string().contains("browsers of topics"));
}
