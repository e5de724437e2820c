//! A message for a full destination waits with the broker's word that it will be taken: its
//! producer, session or connection may close meanwhile, and who dies while waiting is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, DestinationInfo, ProducerInfo};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::BrokerId;
use wire::{Wire, broker, limited, until};

const ROOM: u64 = 10 * 2048;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_taken_after_its_producer_and_session_have_closed() {
    let node = broker(limited("queue://full", ROOM)).await;
    let full = Destination::queue("full");
    let mut sender = Wire::opened(&node, "sender").await;
    for number in 0..30 {
        sender.send(&full, number, 2048);
    }
    // Neither is answered before what they sent is taken; both are done meanwhile.
    sender.ask(Wire::remove(Command::ProducerId(sender.producer()), -1)).await.unwrap();
    sender.ask(Wire::remove(Command::SessionId(sender.session()), -1)).await.unwrap();
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &full, 100).await;
    for number in 0..30 {
        let dispatch = receiver.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), number);
        receiver.settle(&dispatch);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_closes_when_all_that_it_sent_is_taken() {
    let node = broker(limited("queue://full", ROOM)).await;
    let full = Destination::queue("full");
    let mut sender = Wire::opened(&node, "sender").await;
    // Its own consumer holds some of what fills the queue: closing gives that back.
    sender.consume(1, &full, 5).await;
    for number in 0..30 {
        sender.send(&full, number, 2048);
    }
    let closing =
        sender.request(Wire::remove(Command::ConnectionId(sender.connection.clone()), -1));
    // Nothing but this orders what two connections do: before, the receiver would get what came
    // after those that the closing one holds.
    until("what it held is back", || {
        let full = node.status().destinations.into_iter().find(|found| found.address == full)?;
        (full.consumers == 0 && full.memory >= ROOM).then_some(())
    })
    .await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &full, 100).await;
    for number in 0..30 {
        let dispatch = receiver.dispatch().await;
        assert_eq!((wire::number_of(&dispatch), dispatch.redelivery_counter), (number, 0));
        receiver.settle(&dispatch);
    }
    sender.answer(closing).await.unwrap();
    until("only the receiver is left", || (node.status().connections == 1).then_some(())).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_dies_while_it_is_not_read_gives_back_what_it_holds() {
    let node = broker(limited("queue://full", ROOM)).await;
    let full = Destination::queue("full");
    let options =
        "?wireFormat.maxInactivityDuration=300&wireFormat.maxInactivityDurationInitalDelay=300";
    let mut client = Wire::dial(&node, options).await;
    client.open("client").await.unwrap();
    client.consume(1, &full, 1000).await;
    // More than one connection may have waiting, so that it is not read any more.
    for number in 0..5000 {
        client.send(&full, number, 2048);
    }
    until("the queue is full", || {
        let full = node.status().destinations.into_iter().find(|found| found.address == full)?;
        (full.memory >= ROOM).then_some(())
    })
    .await;
    client.crash();
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &full, 1000).await;
    assert_eq!(receiver.number().await, (0, 1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_and_other_messages_pass_by_what_waits() {
    let node = broker(limited("queue://full", ROOM)).await;
    let (full, other) = (Destination::queue("full"), Destination::queue("other"));
    let mut client = Wire::opened(&node, "client").await;
    client.consume(1, &full, 4).await;
    let waiting: Vec<i32> = (0..30)
        .map(|number| {
            let message = client.message(&full, number, 2048);
            client.submit(&message)
        })
        .collect();
    let message = client.message(&other, 1000, 2048);
    let passed = client.submit(&message);
    client.answer(passed).await.unwrap();
    for number in 0..30 {
        let dispatch = client.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), number);
        client.settle(&dispatch);
    }
    for number in waiting {
        client.answer(number).await.unwrap();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_temporary_queue_fails_when_it_is_deleted() {
    let node = broker(limited("temp-queue://>", ROOM)).await;
    let mut owner = Wire::opened(&node, "owner").await;
    let reply = Destination::new(DestinationKind::TempQueue, "owner:1");
    let change = |operation_type| {
        Command::DestinationInfo(DestinationInfo {
            destination: Some(reply.clone()),
            operation_type,
            ..DestinationInfo::default()
        })
    };
    owner.ask(change(0)).await.unwrap();
    let mut sender = Wire::opened(&node, "sender").await;
    let sent: Vec<i32> = (0..15)
        .map(|number| {
            let message = sender.message(&reply, number, 2048);
            sender.submit(&message)
        })
        .collect();
    let (taken, waiting) = sent.split_at(10);
    for number in taken {
        sender.answer(*number).await.unwrap();
    }
    owner.ask(change(1)).await.unwrap();
    for number in waiting {
        let refused = sender.answer(*number).await.unwrap_err();
        assert!(refused.message.unwrap().to_string().contains("does not exist"));
    }
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_larger_than_the_limit_is_taken_when_its_destination_is_empty() {
    let node = broker(limited("queue://full", ROOM)).await;
    let full = Destination::queue("full");
    let mut client = Wire::opened(&node, "client").await;
    let large = client.message(&full, 1, 1_000_000);
    let first = client.submit(&large);
    client.answer(first).await.unwrap();
    let large = client.message(&full, 2, 1_000_000);
    let second = client.submit(&large);
    client.consume(1, &full, 1).await;
    let dispatch = client.dispatch().await;
    assert_eq!(wire::number_of(&dispatch), 1);
    client.settle(&dispatch);
    client.answer(second).await.unwrap();
    assert_eq!(client.number().await.0, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_windowed_producer_gets_its_bytes_back_when_there_is_room() {
    let node = broker(limited("queue://full", ROOM)).await;
    let full = Destination::queue("full");
    let mut client = Wire::opened(&node, "client").await;
    let windowed = ProducerInfo {
        producer_id: Some(client.producer()),
        window_size: 100_000,
        ..ProducerInfo::default()
    };
    client.ask(Command::ProducerInfo(Box::new(windowed))).await.unwrap();
    for number in 0..20 {
        client.send(&full, number, 2048);
    }
    client.consume(1, &full, 1).await;
    for number in 0..20 {
        let dispatch = client.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), number);
        client.settle(&dispatch);
        let bytes = client
            .want("the bytes", |command| match command {
                Command::ProducerAck(ack) => Some(ack.size),
                _ => None,
            })
            .await;
        assert_eq!(bytes, 2048);
    }
    node.stop().await;
}

/// Many producers share little room with many consumers: nobody sleeps through the news.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_missed_among_many() {
    const EACH: i64 = 300;
    let node = broker(limited("queue://full", 3 * 2048)).await;
    let full = Destination::queue("full");
    let mut peers = tokio::task::JoinSet::new();
    for producer in 0..8 {
        let mut sender = Wire::opened(&node, &format!("sender-{producer}")).await;
        let full = full.clone();
        peers.spawn(async move {
            for number in 0..EACH {
                let message = sender.message(&full, number, 2048);
                let sent = sender.submit(&message);
                sender.answer(sent).await.unwrap();
            }
        });
    }
    for consumer in 0..4 {
        let mut receiver = Wire::opened(&node, &format!("receiver-{consumer}")).await;
        receiver.consume(1, &full, 2).await;
        peers.spawn(async move {
            for _ in 0..8 * EACH / 4 {
                let dispatch = receiver.dispatch().await;
                receiver.settle(&dispatch);
            }
            // Until all are done: what it holds would be missing elsewhere.
            receiver
                .ask(Wire::remove(Command::ConsumerId(receiver.consumer_id(1)), -1))
                .await
                .unwrap();
        });
    }
    while let Some(done) = peers.join_next().await {
        done.unwrap();
    }
    assert_eq!(node.status().memory, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bridge_has_waiting_counts_on_the_brokers_memory_until_it_goes() {
    const PARKED: u64 = 300 * 2048;
    let limits = Limits { memory: PARKED, ..limited("queue://full", ROOM) };
    let node = broker(limits).await;
    let (full, open) = (Destination::queue("full"), Destination::queue("open"));
    let mut bridge = Wire::dial(&node, "").await;
    bridge.tell(Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(BrokerId::new("far")),
        broker_name: Some("far".into()),
        network_connection: true,
        ..BrokerInfo::default()
    })));
    bridge.open("bridge").await.unwrap();
    for number in 0..320 {
        bridge.send(&full, number, 2048);
    }
    until("all of it counts", || (node.status().memory >= PARKED).then_some(())).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let waits = sender.submit(&sender.message(&open, 1, 2048));
    let soon = std::time::Duration::from_millis(200);
    let early = tokio::time::timeout(soon, sender.answer(waits)).await;
    assert!(early.is_err(), "there was room for a producer");
    // A bridge's own messages do not wait for each other.
    let other = bridge.submit(&bridge.message(&open, 1000, 2048));
    bridge.answer(other).await.unwrap();
    drop(bridge);
    sender.answer(waits).await.unwrap();
    until("it is given back", || (node.status().memory < PARKED / 2).then_some(())).await;
    node.stop().await;
}
