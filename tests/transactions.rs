//! What is done in a transaction happens as a whole when it is committed, and otherwise not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::sync::Arc;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, LocalTransactionId, TransactionId};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::throwable::Throwable;
use wire::{Wire, broker, until};

const STANDARD: i8 = 2;
const INDIVIDUAL: i8 = 4;
const POISON: i8 = 1;

const BEGIN: i8 = 0;
const COMMIT: i8 = 2;
const ROLL_BACK: i8 = 4;

const ROLLED_BACK: &str = "javax.jms.TransactionRolledBackException";

fn within(ack: MessageAck, id: &TransactionId) -> Command {
    MessageAck { transaction_id: Some(id.clone()), ..ack }.into()
}

async fn begin(peer: &mut Wire, number: i64) -> TransactionId {
    let id = peer.local(number);
    peer.ask(peer.step(Some(id.clone()), BEGIN)).await.unwrap();
    id
}

async fn end(peer: &mut Wire, id: &TransactionId, how: i8) {
    peer.ask(peer.step(Some(id.clone()), how)).await.unwrap();
}

fn class(failure: &Throwable) -> String {
    failure.class_name.as_ref().unwrap().to_string_lossy().into_owned()
}

/// A broker of 64 KiB for messages.
fn small() -> Limits {
    Limits { memory: 64 * 1024, ..Limits::default() }
}

/// A peer with consumer 1 of this window on `queue`, and messages 1 to `count`, which it has got.
async fn consuming(node: &Node, queue: &Destination, window: i32, count: i64) -> Wire {
    let mut peer = Wire::opened(node, "peer").await;
    for number in 1..=count {
        peer.send(queue, number, 2048);
    }
    peer.consume(1, queue, window).await;
    let got = usize::try_from(count.min(window.into())).unwrap();
    assert_eq!(peer.numbers(got).await, (1..=count.min(window.into())).collect::<Vec<_>>());
    peer
}

/// What another peer finds in a queue: numbers, and how often each was delivered before.
async fn found(node: &Node, queue: &Destination) -> Vec<(i64, i32)> {
    let mut other = Wire::opened(node, "finder").await;
    other.consume(1, queue, 1000).await;
    other.send(queue, 999, 2048);
    let mut found = Vec::new();
    loop {
        match other.number().await {
            (999, _) => break,
            one => found.push(one),
        }
    }
    other.crash();
    until("it is gone", || (node.status().connections == 1).then_some(())).await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_seen_before_the_commit_and_all_of_it_then() {
    let node = broker(Limits::default()).await;
    let (orders, bills) = (Destination::queue("orders"), Destination::queue("bills"));
    let prices = Destination::topic("prices");
    let both = Destination::queue("orders,bills");
    let mut reader = Wire::opened(&node, "reader").await;
    reader.consume(1, &orders, 100).await;
    reader.consume(2, &bills, 100).await;
    reader.consume(3, &prices, 100).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let id = begin(&mut peer, 1).await;
    for (number, address) in [(1, &orders), (2, &bills), (3, &prices), (4, &orders), (5, &both)] {
        peer.send_in(&id, address, number);
    }
    // The broker has them all: it answers in order.
    let other = begin(&mut peer, 2).await;
    reader.nothing_comes().await;
    end(&mut peer, &id, COMMIT).await;
    let mut got = reader.numbers(6).await;
    got.sort_unstable();
    assert_eq!(got, [1, 2, 3, 4, 5, 5]);
    end(&mut peer, &other, COMMIT).await;
    reader.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_forgets_what_was_sent_and_leaves_what_was_received_with_its_consumer() {
    let node = broker(Limits::default()).await;
    let (orders, bills) = (Destination::queue("orders"), Destination::queue("bills"));
    let mut peer = consuming(&node, &orders, 4, 6).await;
    let id = begin(&mut peer, 1).await;
    peer.send_in(&id, &bills, 10);
    peer.ask(within(peer.ack(1, STANDARD, 1, 2, 2), &id)).await.unwrap();
    // They are delivered, and make room.
    assert_eq!(peer.numbers(2).await, [5, 6]);
    end(&mut peer, &id, ROLL_BACK).await;
    peer.nothing_comes().await;
    // The consumer delivers 1 and 2 again by itself, and settles them this time.
    let id = begin(&mut peer, 2).await;
    peer.ask(within(peer.ack(1, STANDARD, 1, 2, 2), &id)).await.unwrap();
    peer.ask(within(peer.ack(1, INDIVIDUAL, 4, 4, 1), &id)).await.unwrap();
    end(&mut peer, &id, COMMIT).await;
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), -1)).await.unwrap();
    assert_eq!(found(&node, &orders).await, [(3, 0), (5, 0), (6, 0)]);
    assert_eq!(found(&node, &bills).await, []);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_rolls_back() {
    let node = broker(Limits::default()).await;
    let (orders, bills) = (Destination::queue("orders"), Destination::queue("bills"));
    let watcher = Wire::opened(&node, "watcher").await;
    for orderly in [true, false] {
        let mut peer = consuming(&node, &orders, 10, 3).await;
        let id = begin(&mut peer, 1).await;
        peer.send_in(&id, &bills, 10);
        peer.ask(within(peer.ack(1, STANDARD, 1, 2, 2), &id)).await.unwrap();
        if orderly {
            let third = -2;
            peer.ask(Wire::remove(Command::ConnectionId(peer.connection.clone()), third))
                .await
                .unwrap();
        }
        peer.crash();
        until("it is gone", || (node.status().connections == 1).then_some(())).await;
        assert_eq!(found(&node, &orders).await, [(1, 1), (2, 1), (3, 1)], "{orderly}");
        assert_eq!(found(&node, &bills).await, []);
        // The finder took nothing: settle what is left for the next round.
        let mut other = Wire::opened(&node, "other").await;
        other.consume(1, &orders, 100).await;
        for _ in 0..4 {
            let dispatch = other.dispatch().await;
            other.settle(&dispatch);
        }
        other.consume(2, &bills, 100).await;
        let dispatch = other.dispatch().await;
        other.settle(&dispatch);
        other.ask(Wire::remove(Command::ConnectionId(other.connection.clone()), -1)).await.unwrap();
        other.crash();
        until("it is gone", || (node.status().connections == 1).then_some(())).await;
    }
    watcher.crash();
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_what_an_open_transaction_holds_although_its_consumer_has_gone() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    for (how, expected) in [(COMMIT, vec![3]), (ROLL_BACK, vec![1, 2, 3])] {
        let mut peer = consuming(&node, &queue, 10, 3).await;
        let id = begin(&mut peer, 1).await;
        peer.ask(within(peer.ack(1, STANDARD, 1, 2, 2), &id)).await.unwrap();
        peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), -1)).await.unwrap();
        // Another one may take its place, under its key.
        peer.consume(2, &queue, 10).await;
        assert_eq!(peer.number().await, (3, 0));
        peer.nothing_comes().await;
        end(&mut peer, &id, how).await;
        if how == ROLL_BACK {
            assert_eq!(peer.number().await, (1, 1));
            assert_eq!(peer.number().await, (2, 1));
        }
        peer.nothing_comes().await;
        for number in expected {
            peer.ask(peer.ack(2, INDIVIDUAL, number, number, 1).into()).await.unwrap();
        }
        peer.ask(Wire::remove(Command::ConnectionId(peer.connection.clone()), -1)).await.unwrap();
        peer.crash();
        until("it is gone", || (node.status().connections == 0).then_some(())).await;
        assert_eq!(node.status().memory, 0, "{how}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_every_kind_acknowledge_in_transactions() {
    let node = broker(Limits::default()).await;
    let topic = Destination::topic("t");
    let addresses = [
        (1, Destination::queue("one.*")),
        (2, Destination::queue("a,topic://b")),
        (3, topic.clone()),
    ];
    let mut peer = Wire::opened(&node, "peer").await;
    for (number, address) in &addresses {
        peer.consume(*number, address, 4).await;
    }
    peer.subscribe(4, "durable", &topic, 4).await;
    let to = [
        (1, Destination::queue("one.x")),
        (1, Destination::queue("one.y")),
        (2, Destination::queue("a")),
        (2, Destination::topic("b")),
        (3, topic.clone()),
    ];
    for (at, how) in [(0, ROLL_BACK), (10, COMMIT), (20, COMMIT)] {
        for (number, (_, address)) in (at + 1..).zip(&to) {
            peer.send(address, number, 2048);
        }
        // The topic's message comes to the plain subscription and to the durable one.
        let mut numbers = peer.numbers(6).await;
        numbers.sort_unstable();
        assert_eq!(numbers, [at + 1, at + 2, at + 3, at + 4, at + 5, at + 5]);
        let id = begin(&mut peer, at + 1).await;
        for (consumer, first, last) in [(1, 1, 2), (2, 3, 4), (3, 5, 5), (4, 5, 5)] {
            let count = i32::try_from(last - first + 1).unwrap();
            let ack = peer.ack(consumer, STANDARD, at + first, at + last, count);
            peer.ask(within(ack, &id)).await.unwrap();
        }
        end(&mut peer, &id, how).await;
        if how == ROLL_BACK {
            // All of it is the consumers' still, and can be settled.
            for (consumer, first, last) in [(1, 1, 2), (2, 3, 4), (3, 5, 5), (4, 5, 5)] {
                let count = i32::try_from(last - first + 1).unwrap();
                peer.ask(peer.ack(consumer, STANDARD, first, last, count).into()).await.unwrap();
            }
        }
        assert_eq!(node.status().memory, 0, "{at}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_fails_and_an_unanswered_failure_fails_the_commit() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = consuming(&node, &queue, 10, 3).await;
    let (first, second) = (begin(&mut peer, 1).await, begin(&mut peer, 2).await);
    peer.ask(within(peer.ack(1, STANDARD, 1, 1, 1), &first)).await.unwrap();
    // The answer says it: the transaction goes on.
    assert!(peer.ask(within(peer.ack(1, STANDARD, 2, 3, 1), &first)).await.is_err());
    assert!(peer.ask(within(peer.ack(1, POISON, 2, 2, 1), &first)).await.is_err());
    assert!(peer.ask(within(peer.ack(1, STANDARD, 1, 2, 2), &second)).await.is_err());
    let unknown = peer.local(9);
    assert!(peer.ask(within(peer.ack(1, STANDARD, 2, 2, 1), &unknown)).await.is_err());
    let foreign = TransactionId::Local(LocalTransactionId::new(&ConnectionId::new("other"), 1));
    assert!(peer.ask(peer.step(Some(foreign), BEGIN)).await.is_err());
    end(&mut peer, &first, COMMIT).await;
    // No answer is wanted.
    peer.send_in(&second, &queue, 10);
    peer.send_in(&second, &Destination::queue("no.*"), 11);
    peer.failure().await;
    let refused = peer.ask(peer.step(Some(second), COMMIT)).await.unwrap_err();
    assert_eq!(class(&refused), ROLLED_BACK);
    peer.nothing_comes().await;
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(1)), -1)).await.unwrap();
    assert_eq!(found(&node, &queue).await, [(2, 0), (3, 0)]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_transactions_count_and_may_hold_half() {
    let node = broker(small()).await;
    let queue = Destination::queue("q");
    let mut peer = Wire::opened(&node, "peer").await;
    let id = begin(&mut peer, 1).await;
    for number in 1..=10 {
        peer.send_in(&id, &queue, number);
    }
    let other = begin(&mut peer, 2).await;
    let held = node.status().memory;
    assert!((20_000..40_000).contains(&held), "{held}");
    end(&mut peer, &id, COMMIT).await;
    assert_eq!(node.status().memory, held);
    // More than half of what there may be: refused, and the whole with it.
    for number in 11..=40 {
        peer.send_in(&other, &queue, number);
    }
    let failure = peer.failure().await;
    assert_eq!(class(&failure), "javax.jms.ResourceAllocationException");
    let refused = peer.ask(peer.step(Some(other), COMMIT)).await.unwrap_err();
    assert_eq!(class(&refused), ROLLED_BACK);
    assert_eq!(node.status().memory, held);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_waits_for_messages_that_wait_for_room() {
    let node = broker(small()).await;
    let (full, other) = (Destination::queue("full"), Destination::queue("other"));
    let mut filler = Wire::opened(&node, "filler").await;
    for number in 1..=32 {
        filler.send(&full, number, 2048);
    }
    until("it is full", || (node.status().memory >= 64 * 1024).then_some(())).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let (id, given_up) = (begin(&mut peer, 1).await, begin(&mut peer, 2).await);
    peer.send_in(&id, &other, 101);
    peer.send_in(&given_up, &other, 102);
    let commit = peer.request(peer.step(Some(id), COMMIT));
    peer.nothing_comes().await;
    // A rollback waits for nothing, and what waits for room is forgotten.
    end(&mut peer, &given_up, ROLL_BACK).await;
    filler.consume(1, &full, 100).await;
    for _ in 0..32 {
        let dispatch = filler.dispatch().await;
        filler.settle(&dispatch);
    }
    peer.answer(commit).await.unwrap();
    filler.consume(2, &other, 100).await;
    assert_eq!(filler.number().await.0, 101);
    filler.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_again_learns_what_became_of_its_commit() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = Wire::opened(&node, "peer").await;
    let (committed, open) = (begin(&mut peer, 1).await, begin(&mut peer, 2).await);
    peer.send_in(&committed, &queue, 1);
    peer.send_in(&open, &queue, 2);
    end(&mut peer, &committed, COMMIT).await;
    // Its link breaks, or it leaves the first one behind.
    for crash in [true, false] {
        let former = std::mem::replace(&mut peer, Wire::dial(&node, "").await);
        if crash {
            former.crash();
            until("it is gone", || (node.status().connections == 0).then_some(())).await;
        } else {
            std::mem::forget(former);
        }
        peer.open("peer").await.unwrap();
        end(&mut peer, &committed, COMMIT).await;
        for unknown in [open.clone(), peer.local(3)] {
            let refused = peer.ask(peer.step(Some(unknown), COMMIT)).await.unwrap_err();
            assert_eq!(class(&refused), ROLLED_BACK);
        }
    }
    assert_eq!(found(&node, &queue).await, [(1, 0)]);
    // What was committed too long ago is not known any more, and the answer says that.
    for number in 10..=300 {
        let id = begin(&mut peer, number).await;
        end(&mut peer, &id, COMMIT).await;
    }
    let refused = peer.ask(peer.step(Some(committed), COMMIT)).await.unwrap_err();
    assert_eq!(class(&refused), "java.lang.IllegalStateException");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_for_queues_of_virtual_topics_are_part_of_it() {
    let node = broker(Limits::default()).await;
    let topic = Destination::topic("VirtualTopic.a");
    let copies = Destination::queue("Consumer.c.VirtualTopic.a");
    let mut peer = Wire::opened(&node, "peer").await;
    peer.consume(1, &copies, 10).await;
    let id = begin(&mut peer, 1).await;
    for number in 1..=3 {
        peer.send_in(&id, &topic, number);
    }
    peer.nothing_comes().await;
    end(&mut peer, &id, COMMIT).await;
    assert_eq!(peer.numbers(3).await, [1, 2, 3]);
    // One that has expired meanwhile is not delivered.
    let id = begin(&mut peer, 2).await;
    let fields = MessageFields {
        transaction_id: Some(id.clone()),
        expiration: 1,
        ..peer.message(&copies, 4, 2048)
    };
    peer.tell(Command::Message(Arc::new(Message::from_fields(&fields).unwrap())));
    end(&mut peer, &id, COMMIT).await;
    peer.nothing_comes().await;
    node.stop().await;
}
