//! A consumer of several queues, by a wildcard or a list, has one window for all of them, and each
//! message is settled at its own queue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::collections::BTreeMap;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageAck, MessageDispatch, MessagePull};
use ferrymq_openwire::destination::Destination;
use wire::{Wire, broker, number_of};

const DELIVERED: i8 = 0;
const STANDARD: i8 = 2;
const INDIVIDUAL: i8 = 4;

async fn opened() -> (Node, Wire) {
    let node = broker(Limits::default()).await;
    let peer = Wire::opened(&node, "peer").await;
    (node, peer)
}

fn queue(name: &str) -> Destination {
    Destination::queue(name)
}

async fn consume(peer: &mut Wire, number: i64, from: &str, prefetch: i32) {
    peer.consume(number, &queue(from), prefetch).await;
}

/// Waiting and in flight, by queue.
fn depths(node: &Node) -> BTreeMap<String, (usize, usize)> {
    let all = node.watch().destinations().into_iter();
    let queues = all.filter(|each| each.address.kind().is_queue());
    queues.map(|each| (each.address.name().to_string(), (each.waiting, each.in_flight))).collect()
}

fn from(dispatch: &MessageDispatch) -> (String, i64) {
    (dispatch.destination.as_ref().unwrap().name().to_string(), number_of(dispatch))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wildcard_finds_queues_that_are_there_and_those_that_come_later() {
    let (_node, mut peer) = opened().await;
    peer.send(&queue("A.one"), 1, 1100);
    peer.send(&queue("A.one.deep"), 2, 1100);
    peer.send(&queue("B.one"), 3, 1100);
    consume(&mut peer, 1, "A.*", 100).await;
    assert_eq!(from(&peer.dispatch().await), ("A.one".to_owned(), 1));
    peer.send(&queue("A.two"), 4, 1100);
    assert_eq!(from(&peer.dispatch().await), ("A.two".to_owned(), 4));
    peer.nothing_comes().await;
    consume(&mut peer, 2, "A.>", 100).await;
    assert_eq!(from(&peer.dispatch().await), ("A.one.deep".to_owned(), 2));
    peer.send(&queue("A.x.y"), 5, 1100);
    assert_eq!(from(&peer.dispatch().await), ("A.x.y".to_owned(), 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_names_queues_and_topics() {
    let (_node, mut peer) = opened().await;
    peer.send(&queue("A"), 1, 1100);
    consume(&mut peer, 1, "A,queue://B,topic://T,A", 100).await;
    peer.send(&queue("B"), 2, 1100);
    peer.send(&Destination::topic("T"), 3, 1100);
    peer.send(&queue("T"), 4, 1100);
    peer.send(&queue("A"), 5, 1100);
    assert_eq!(peer.numbers(4).await, [1, 2, 3, 5]);
    // One range over all of them.
    peer.ask(peer.ack(1, STANDARD, 1, 5, 4).into()).await.unwrap();
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), -2)).await.unwrap();
    consume(&mut peer, 2, "A,B", 100).await;
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_window_and_who_waited_longest_is_served_first() {
    let (node, mut peer) = opened().await;
    consume(&mut peer, 1, "A.*", 3).await;
    for (number, name) in (1..).zip(["A.1", "A.2", "A.1", "A.3", "A.2", "A.1"]) {
        peer.send(&queue(name), number, 1100);
    }
    assert_eq!(peer.numbers(3).await, [1, 2, 3]);
    peer.nothing_comes().await;
    let of = |one: (usize, usize), two, three| {
        BTreeMap::from([("A.1".into(), one), ("A.2".into(), two), ("A.3".into(), three)])
    };
    assert_eq!(depths(&node), of((1, 2), (1, 1), (1, 0)));
    peer.ask(peer.ack(1, INDIVIDUAL, 2, 2, 1).into()).await.unwrap();
    assert_eq!(peer.numbers(1).await, [4]);
    peer.ask(peer.ack(1, DELIVERED, 1, 3, 2).into()).await.unwrap();
    assert_eq!(peer.numbers(2).await, [5, 6]);
    peer.ask(peer.ack(1, STANDARD, 1, 6, 5).into()).await.unwrap();
    assert_eq!(depths(&node), of((0, 0), (0, 0), (0, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_settled_returns_to_its_queue() {
    let (node, mut peer) = opened().await;
    let mut sender = Wire::opened(&node, "sender").await;
    consume(&mut peer, 1, "A,B", 100).await;
    for (number, name) in (1..).zip(["A", "B", "A", "B", "A"]) {
        sender.send(&queue(name), number, 1100);
    }
    let mut places = Vec::new();
    for _ in 0..5 {
        places.push(peer.dispatch().await.message.unwrap().broker_sequence_id());
    }
    // It has seen three of the five.
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), places[2])).await.unwrap();
    consume(&mut peer, 2, "A", 100).await;
    let of_a = [peer.number().await, peer.number().await, peer.number().await];
    assert_eq!(of_a, [(1, 1), (3, 1), (5, 0)]);
    consume(&mut peer, 3, "B", 100).await;
    assert_eq!([peer.number().await, peer.number().await], [(2, 1), (4, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shares_each_queue_with_others_and_its_selector_holds_everywhere() {
    let (_node, mut peer) = opened().await;
    let info = ConsumerInfo {
        selector: Some("JMSPriority < 4".into()),
        ..peer.consumer(1, &queue("A,B"), 100)
    };
    peer.ask(info.into()).await.unwrap();
    peer.send(&queue("A"), 1, 1100);
    peer.send(&queue("B"), 2, 1100);
    peer.nothing_comes().await;
    consume(&mut peer, 2, "A", 100).await;
    assert_eq!(peer.numbers(1).await, [1]);
    consume(&mut peer, 3, "*", 1).await;
    assert_eq!(peer.numbers(1).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_message_of_all_is_pulled() {
    let (_node, mut peer) = opened().await;
    consume(&mut peer, 1, "A,B", 0).await;
    let pull = |peer: &mut Wire, timeout| {
        peer.tell(Command::MessagePull(Box::new(MessagePull {
            consumer_id: Some(peer.consumer_id(1)),
            timeout,
            ..MessagePull::default()
        })));
    };
    pull(&mut peer, -1);
    assert!(peer.dispatch().await.message.is_none());
    pull(&mut peer, 0);
    peer.nothing_comes().await;
    peer.send(&queue("B"), 1, 1100);
    peer.send(&queue("A"), 2, 1100);
    assert_eq!(peer.numbers(1).await, [1]);
    peer.nothing_comes().await;
    pull(&mut peer, 20);
    assert_eq!(peer.numbers(1).await, [2]);
    pull(&mut peer, 20);
    assert!(peer.dispatch().await.message.is_none());
}

/// Queues that are filled from several connections at once, and a consumer whose window is narrow:
/// nothing is forgotten, whoever finds the window full.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_left_behind_when_many_queues_fight_for_one_window() {
    const EACH: i64 = 400;
    let (node, mut peer) = opened().await;
    consume(&mut peer, 1, "A.*", 3).await;
    let mut senders = Vec::new();
    for sender in 0..4 {
        let mut wire = Wire::opened(&node, &format!("sender {sender}")).await;
        senders.push(tokio::spawn(async move {
            for number in 0..EACH {
                wire.send(&queue(&format!("A.{}", (number + sender) % 7)), number, 1100);
            }
            wire
        }));
    }
    for _ in 0..4 * EACH {
        let dispatch = peer.dispatch().await;
        peer.settle(&dispatch);
    }
    peer.nothing_comes().await;
    for sender in senders {
        sender.await.unwrap();
    }
    assert!(depths(&node).values().all(|depth| *depth == (0, 0)), "{:?}", depths(&node));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_say_nothing_are_refused() {
    let (_node, mut peer) = opened().await;
    for name in ["A,,B", ",", "A,"] {
        let info = peer.consumer(1, &queue(name), 10);
        assert!(peer.ask(info.into()).await.is_err(), "{name}");
    }
}

/// Both copies of what was sent to two queues at once have one id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_one_message_are_told_apart_by_their_queues() {
    let (node, mut peer) = opened().await;
    consume(&mut peer, 1, "A,B", 100).await;
    peer.send(&queue("A,B"), 1, 1100);
    let copies = [peer.dispatch().await, peer.dispatch().await];
    let of = |name: &str| copies.iter().find(|copy| from(copy).0 == name).unwrap();
    peer.settle(of("B"));
    peer.ask(peer.consumer(2, &queue("other"), 1).into()).await.unwrap();
    assert_eq!((depths(&node)["A"], depths(&node)["B"]), ((0, 1), (0, 0)));
    let one = MessageAck { destination: Some(queue("A")), ..peer.ack(1, INDIVIDUAL, 1, 1, 1) };
    peer.ask(one.into()).await.unwrap();
    assert_eq!((depths(&node)["A"], depths(&node)["B"]), ((0, 0), (0, 0)));
    // And in one range.
    peer.send(&queue("A,B"), 2, 1100);
    let copies = [peer.dispatch().await, peer.dispatch().await];
    let last = copies[1].destination.clone();
    let both = MessageAck { destination: last, ..peer.ack(1, STANDARD, 2, 2, 2) };
    peer.ask(both.into()).await.unwrap();
    assert_eq!((depths(&node)["A"], depths(&node)["B"]), ((0, 0), (0, 0)));
}
