//! A branch of a distributed transaction that is prepared stays until it is decided, whoever decides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use bytes::Bytes;
use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{TransactionId, XaTransactionId};
use ferrymq_openwire::throwable::Throwable;
use wire::{Wire, broker, until};

const BEGIN: i8 = 0;
const PREPARE: i8 = 1;
const COMMIT_ONE_PHASE: i8 = 2;
const COMMIT_TWO_PHASE: i8 = 3;
const ROLL_BACK: i8 = 4;
const FORGET: i8 = 6;
const END: i8 = 7;

const STANDARD: i8 = 2;

fn xid(number: u8) -> TransactionId {
    TransactionId::Xa(XaTransactionId {
        format_id: 7,
        global_transaction_id: Some(Bytes::from(vec![number])),
        branch_qualifier: Some(Bytes::from_static(b"branch")),
    })
}

/// The code that a client reads from the text.
fn code(failure: Throwable) -> i32 {
    assert_eq!(failure.class_name.unwrap().to_string_lossy(), "javax.transaction.xa.XAException");
    let message = failure.message.unwrap().to_string_lossy().into_owned();
    message.rsplit_once("xaErrorCode:").unwrap().1.parse().unwrap()
}

async fn step(peer: &mut Wire, id: &TransactionId, kind: i8) -> Result<(), i32> {
    peer.ask(peer.step(Some(id.clone()), kind)).await.map_err(code)
}

/// Sends 10 to `to` and takes 1 and 2 from consumer 1 in branch `id`, and ends its association.
async fn work(peer: &mut Wire, id: &TransactionId, to: &Destination) {
    step(peer, id, BEGIN).await.unwrap();
    peer.send_in(id, to, 10);
    let ack = MessageAck { transaction_id: Some(id.clone()), ..peer.ack(1, STANDARD, 1, 2, 2) };
    peer.ask(ack.into()).await.unwrap();
    step(peer, id, END).await.unwrap();
}

async fn prepare(peer: &mut Wire, id: &TransactionId) -> i32 {
    let asked = peer.request(peer.step(Some(id.clone()), PREPARE));
    peer.number_answered(asked).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_prepared_outlives_its_connection_and_is_decided_from_another() {
    let node = broker(Limits::default()).await;
    let (orders, bills) = (Destination::queue("orders"), Destination::queue("bills"));
    for (number, how) in [(1, COMMIT_TWO_PHASE), (2, ROLL_BACK)] {
        let mut peer = Wire::opened(&node, "peer").await;
        for message in 1..=3 {
            peer.send(&orders, message, 2048);
        }
        peer.consume(1, &orders, 10).await;
        peer.numbers(3).await;
        let id = xid(number);
        work(&mut peer, &id, &bills).await;
        assert_eq!(step(&mut peer, &id, COMMIT_TWO_PHASE).await, Err(-6));
        assert_eq!(peer.recover().await, []);
        assert_eq!(prepare(&mut peer, &id).await, 0);
        assert_eq!(prepare(&mut peer, &id).await, 0);
        peer.crash();
        until("it is gone", || (node.status().connections == 0).then_some(())).await;

        let mut other = Wire::opened(&node, "other").await;
        other.consume(1, &orders, 10).await;
        other.consume(2, &bills, 10).await;
        assert_eq!(other.number().await, (3, 1));
        other.nothing_comes().await;
        assert_eq!(other.recover().await, std::slice::from_ref(&id));
        step(&mut other, &id, how).await.unwrap();
        let mut left = vec![3];
        if how == ROLL_BACK {
            assert_eq!(other.number().await, (1, 1));
            assert_eq!(other.number().await, (2, 1));
            left.extend([1, 2]);
        } else {
            assert_eq!(other.number().await, (10, 0));
            // The answer was lost: it is the same again.
            step(&mut other, &id, how).await.unwrap();
        }
        other.nothing_comes().await;
        assert_eq!(other.recover().await, []);
        assert_eq!(step(&mut other, &id, ROLL_BACK).await, Err(-4));
        for consumer in [1, 2] {
            let consumer = Command::ConsumerId(other.consumer_id(consumer));
            other.ask(Wire::remove(consumer, -1)).await.unwrap();
        }
        for address in [&orders, &bills] {
            other.consume(3, address, 10).await;
            while let Some(dispatch) = other.dispatch_soon().await {
                other.settle(&dispatch);
            }
            let consumer = Command::ConsumerId(other.consumer_id(3));
            other.ask(Wire::remove(consumer, -1)).await.unwrap();
        }
        other.crash();
        until("it is gone", || (node.status().connections == 0).then_some(())).await;
        assert_eq!(node.status().memory, 0);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_prepared_ends_with_its_connection() {
    let node = broker(Limits::default()).await;
    let (orders, bills) = (Destination::queue("orders"), Destination::queue("bills"));
    let mut peer = Wire::opened(&node, "peer").await;
    for message in 1..=2 {
        peer.send(&orders, message, 2048);
    }
    peer.consume(1, &orders, 10).await;
    peer.numbers(2).await;
    work(&mut peer, &xid(1), &bills).await;
    peer.crash();
    until("it is gone", || (node.status().connections == 0).then_some(())).await;
    let mut other = Wire::opened(&node, "other").await;
    other.consume(1, &orders, 10).await;
    other.consume(2, &bills, 10).await;
    assert_eq!(other.number().await, (1, 1));
    assert_eq!(other.number().await, (2, 1));
    other.nothing_comes().await;
    assert_eq!(step(&mut other, &xid(1), COMMIT_ONE_PHASE).await, Err(-4));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_phase_is_enough_for_one_resource_and_nothing_needs_none() {
    let node = broker(Limits::default()).await;
    let (orders, bills) = (Destination::queue("orders"), Destination::queue("bills"));
    let mut peer = Wire::opened(&node, "peer").await;
    for message in 1..=2 {
        peer.send(&orders, message, 2048);
    }
    peer.consume(1, &orders, 10).await;
    peer.consume(2, &bills, 10).await;
    peer.numbers(2).await;
    work(&mut peer, &xid(1), &bills).await;
    peer.nothing_comes().await;
    step(&mut peer, &xid(1), COMMIT_ONE_PHASE).await.unwrap();
    assert_eq!(peer.number().await, (10, 0));

    step(&mut peer, &xid(2), BEGIN).await.unwrap();
    step(&mut peer, &xid(2), END).await.unwrap();
    assert_eq!(prepare(&mut peer, &xid(2)).await, 3);
    assert_eq!(step(&mut peer, &xid(2), COMMIT_TWO_PHASE).await, Err(-4));
    for kind in [END, COMMIT_TWO_PHASE, ROLL_BACK, FORGET] {
        assert_eq!(step(&mut peer, &xid(3), kind).await, Err(-4), "{kind}");
    }
    let unknown = peer.request(peer.step(Some(xid(3)), PREPARE));
    assert_eq!(code(peer.answer(unknown).await.unwrap_err()), -4);
    node.stop().await;
}
