//! A client that fails over sends again what was not answered. What the broker has already is
//! answered, and not taken a second time, whether the broker lived on or was killed meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_client::{AckMode, ConnectOptions, Connection, ConsumerOptions, ProducerOptions};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConnectionInfo, DestinationInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_store::contract::{Store, Table};
use ferrymq_store::memory::MemoryStore;
use support::{PATIENCE, Proxy};
use tokio::time::timeout;
use wire::{Wire, broker, keeping_broker};

/// A client that fails over; `again`: it has lost a link before.
async fn fails_over(node: &Node, id: &str, again: bool) -> Wire {
    let mut wire = Wire::dial(node, "").await;
    let info = ConnectionInfo {
        fault_tolerant: true,
        failover_reconnect: again,
        ..Wire::connection_info(id)
    };
    wire.open_as(info).await.unwrap();
    wire
}

async fn deliver(wire: &mut Wire, message: &MessageFields) {
    let sent = wire.submit(message);
    wire.answer(sent).await.expect("it is answered, however often it is sent");
}

fn persistent(fields: MessageFields) -> MessageFields {
    MessageFields { persistent: true, ..fields }
}

fn duplicates(node: &Node, address: &Destination) -> u64 {
    let all = node.status().destinations;
    all.iter().find(|one| one.address == *address).expect("it lives").duplicates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_over_a_new_link_is_answered_and_not_taken_twice() {
    let node = broker(Limits::default()).await;
    for address in [Destination::queue("q"), Destination::topic("t")] {
        let mut consumer = Wire::opened(&node, &format!("consumer of {address}")).await;
        consumer.consume(1, &address, 100).await;
        let id = format!("sender to {address}");
        let mut sender = fails_over(&node, &id, false).await;
        let first = persistent(sender.message(&address, 1, 2048));
        let passing = sender.message(&address, 2, 2048);
        deliver(&mut sender, &first).await;
        deliver(&mut sender, &passing).await;
        sender.crash();
        let mut sender = fails_over(&node, &id, true).await;
        for message in [&first, &passing, &persistent(sender.message(&address, 3, 2048))] {
            deliver(&mut sender, message).await;
        }
        assert_eq!(consumer.numbers(3).await, [1, 2, 3], "{address}");
        consumer.nothing_comes().await;
        assert_eq!(duplicates(&node, &address), 2, "{address}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_after_the_broker_was_started_anew_is_not_taken_twice() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(1024 * 1024 * 1024));
    let orders = Destination::queue("orders");
    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    let mut sender = fails_over(&node, "sender", false).await;
    let messages: Vec<MessageFields> =
        (1..=3).map(|number| persistent(sender.message(&orders, number, 2048))).collect();
    for message in &messages {
        deliver(&mut sender, message).await;
    }
    // One of them is consumed before the broker ends.
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 1).await;
    let dispatch = receiver.dispatch().await;
    receiver.settle(&dispatch);
    wire::until("it is settled", || (node.status().destinations[0].settled == 1).then_some(()))
        .await;
    node.stop().await;

    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    let mut sender = fails_over(&node, "sender", true).await;
    for message in &messages {
        deliver(&mut sender, message).await;
    }
    let fresh = persistent(sender.message(&orders, 4, 2048));
    deliver(&mut sender, &fresh).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    assert_eq!(receiver.numbers(3).await, [2, 3, 4]);
    receiver.nothing_comes().await;

    // What the queue remembered goes with it.
    let deletion = DestinationInfo {
        destination: Some(orders.clone()),
        operation_type: 1,
        ..DestinationInfo::default()
    };
    receiver.crash();
    let mut operator = Wire::opened(&node, "operator").await;
    wire::until("the receiver is gone", || (node.status().connections == 2).then_some(())).await;
    operator.ask(Command::DestinationInfo(deletion)).await.unwrap();
    assert_eq!(store.entries(Table::Receipt, None, 10).unwrap(), []);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_lost_no_link_is_not_suspected() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut consumer = Wire::opened(&node, "consumer").await;
    consumer.consume(1, &queue, 100).await;
    // The same names and numbers, in another life.
    for _ in 0..2 {
        let mut sender = fails_over(&node, "sender", false).await;
        let message = persistent(sender.message(&queue, 1, 2048));
        deliver(&mut sender, &message).await;
        sender.crash();
    }
    assert_eq!(consumer.numbers(2).await, [1, 1]);
    consumer.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut_again_and_again_doubles_nothing() {
    const MESSAGES: u32 = 400;
    let node = broker(Limits::default()).await;
    let port = node.listening()[0].port;
    let proxy = Proxy::to(port);
    let url = format!("failover:({})?maxReconnectDelay=20", proxy.url());
    let sending = Connection::connect(&url, ConnectOptions::system()).await.expect("it runs");
    let receiving =
        Connection::connect(&format!("tcp://127.0.0.1:{port}"), ConnectOptions::system())
            .await
            .expect("it runs");
    let queue = Destination::queue("q");
    let session = receiving.session(AckMode::Auto);
    let consumer = session.consumer(ConsumerOptions::new(queue.clone())).await.expect("a consumer");
    let session = sending.session(AckMode::Auto);
    let options = ProducerOptions::to(queue).persistent(true);
    let producer = Arc::new(session.producer(options).await.expect("a producer"));
    let work = tokio::spawn(async move {
        // Several on their way at a time: answers are lost with each link.
        for batch in 0..MESSAGES / 4 {
            let mut receipts = Vec::new();
            for number in 0..4 {
                let text = (batch * 4 + number).to_string();
                receipts.push(producer.submit(text).await.expect("it waits for a link"));
            }
            for receipt in receipts {
                receipt.confirmed().await.expect("it is sent again until it is answered");
            }
        }
    });
    while !work.is_finished() {
        tokio::time::sleep(Duration::from_millis(15)).await;
        proxy.cut();
    }
    work.await.expect("all are confirmed");
    let mut counts = BTreeMap::<u32, u32>::new();
    while counts.len() < MESSAGES as usize {
        let delivery = timeout(PATIENCE, consumer.receive()).await.expect("all come").unwrap();
        let text = delivery.expect("the consumer is open").text().unwrap().unwrap();
        *counts.entry(text.parse().unwrap()).or_default() += 1;
    }
    while let Some(delivery) = consumer.receive_within(Duration::from_millis(200)).await.unwrap() {
        let text = delivery.text().unwrap().unwrap();
        *counts.entry(text.parse().unwrap()).or_default() += 1;
    }
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    println!("{} copies were recognised", node.status().destinations[0].duplicates);
    assert!(doubled.is_empty(), "{doubled:?}");
    node.stop().await;
}
