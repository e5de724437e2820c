//! An exclusive consumer has its queue for itself, until it goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::MessageFields;
use wire::{Wire, broker, number_of};

const STANDARD: i8 = 2;

fn queue() -> Destination {
    Destination::queue("q")
}

async fn consume(peer: &mut Wire, number: i64, exclusive: bool, priority: i8, prefetch: i32) {
    let info = ConsumerInfo { exclusive, priority, ..peer.consumer(number, &queue(), prefetch) };
    peer.ask(info.into()).await.unwrap();
}

/// The next message: who gets it, and which.
async fn next(peer: &mut Wire) -> (i64, i64) {
    let dispatch = peer.dispatch().await;
    (dispatch.consumer_id.as_ref().unwrap().value, number_of(&dispatch))
}

async fn leave(peer: &mut Wire, number: i64) {
    peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(number)), -1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_of_the_highest_priority_has_it() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    consume(&mut peer, 1, false, 9, 100).await;
    peer.send(&queue(), 1, 1100);
    assert_eq!(next(&mut peer).await, (1, 1));
    consume(&mut peer, 2, true, 0, 100).await;
    consume(&mut peer, 3, true, 0, 100).await;
    peer.send(&queue(), 2, 1100);
    assert_eq!(next(&mut peer).await, (2, 2));
    consume(&mut peer, 4, true, 1, 100).await;
    peer.send(&queue(), 3, 1100);
    assert_eq!(next(&mut peer).await, (4, 3));
    // What it held goes to the next one, in its place.
    leave(&mut peer, 4).await;
    assert_eq!(next(&mut peer).await, (2, 3));
    leave(&mut peer, 2).await;
    assert_eq!([next(&mut peer).await, next(&mut peer).await], [(3, 2), (3, 3)]);
    leave(&mut peer, 3).await;
    assert_eq!([next(&mut peer).await, next(&mut peer).await], [(1, 2), (1, 3)]);
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_wait_even_while_it_has_no_room_and_then_miss_nothing() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    consume(&mut peer, 1, false, 0, 100).await;
    consume(&mut peer, 2, true, 0, 2).await;
    for number in 1..=5 {
        peer.send(&queue(), number, 1100);
    }
    assert_eq!([next(&mut peer).await, next(&mut peer).await], [(2, 1), (2, 2)]);
    peer.nothing_comes().await;
    peer.ask(peer.ack(2, STANDARD, 1, 1, 1).into()).await.unwrap();
    assert_eq!(next(&mut peer).await, (2, 3));
    leave(&mut peer, 2).await;
    for number in 2..=5 {
        assert_eq!(next(&mut peer).await, (1, number));
    }
    peer.send(&queue(), 6, 1100);
    assert_eq!(next(&mut peer).await, (1, 6));
}

/// The exclusive consumer is beyond a bridge, at the broker that a message came from: those here that
/// it keeps out do not hold the message back from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_kept_out_holds_nothing_back_from_it() {
    let node = broker(Limits::default()).await;
    let mut local = Wire::opened(&node, "local").await;
    consume(&mut local, 1, false, 0, 100).await;
    let far = BrokerId::new("far");
    let mut bridge = Wire::dial(&node, "").await;
    bridge.tell(Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(far.clone()),
        broker_name: Some("far".into()),
        network_connection: true,
        ..BrokerInfo::default()
    })));
    bridge.open("bridge").await.unwrap();
    let demand = ConsumerInfo {
        exclusive: true,
        priority: -5,
        network_subscription: true,
        additional_predicate: Some(NetworkBridgeFilter {
            network_broker_id: Some(far.clone()),
            message_ttl: -1,
            consumer_ttl: -1,
            ..NetworkBridgeFilter::default()
        }),
        ..bridge.consumer(1, &queue(), 100)
    };
    bridge.ask(demand.into()).await.unwrap();
    let came =
        MessageFields { broker_path: Some(vec![Some(far)]), ..bridge.message(&queue(), 1, 1100) };
    bridge.submit(&came);
    assert_eq!(next(&mut bridge).await, (1, 1));
    local.nothing_comes().await;
    node.stop().await;
}
