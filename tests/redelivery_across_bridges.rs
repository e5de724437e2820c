//! A consumer beyond a bridge learns how often a message was delivered before, and only that: neither
//! the bridge nor a link that breaks counts as a delivery.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_openwire::destination::Destination;
use support::{PATIENCE, Proxy};
use wire::{Wire, broker, networked_broker, until};

const REQUEST: i64 = 1;

/// A broker, another one with a bridge to it, and the wire between them.
async fn pair() -> (Node, Node, Proxy) {
    let far = broker(Limits::default()).await;
    let wire = Proxy::to(far.listening()[0].port);
    let uri = format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=100", wire.url());
    let connector = NetworkConnectorConfig::new("NC", &uri.parse().unwrap()).unwrap();
    (networked_broker(Limits::default(), connector).await, far, wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_here_counts_there() {
    let (near, far, _wire) = pair().await;
    let queue = Destination::queue("q");
    let mut sender = Wire::opened(&near, "sender").await;
    for round in 1..=2 {
        let name = format!("consumer {round}");
        let mut consumer = Wire::opened(&near, &name).await;
        consumer.consume(1, &queue, 1).await;
        if round == 1 {
            sender.send(&queue, REQUEST, 0);
        }
        assert_eq!(consumer.number().await, (REQUEST, round - 1));
        // It may have been consumed.
        consumer.crash();
        until("it is back", || {
            let all = near.status().destinations;
            all.iter().find(|found| found.address == queue && found.waiting == 1).map(drop)
        })
        .await;
    }
    let mut consumer = Wire::opened(&far, "consumer").await;
    consumer.consume(1, &queue, 1).await;
    assert_eq!(consumer.number().await, (REQUEST, 2));
    near.stop().await;
    far.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_breaks_does_not() {
    let (near, far, wire) = pair().await;
    let queue = Destination::queue("q");
    let mut sender = Wire::opened(&near, "sender").await;
    let mut consumer = Wire::opened(&far, "consumer").await;
    consumer.consume(1, &queue, 1_000).await;
    sender.send(&queue, 0, 0);
    assert_eq!(consumer.number().await, (0, 0));
    // What is on its way when the link breaks has no answer.
    wire.go_deaf();
    for number in 1..=100 {
        sender.send(&queue, number, 0);
    }
    // A bridge that gets no answers is not given all of them. The answer to the first message may be
    // among those that do not come.
    until("some are on their way", || {
        let all = near.status().destinations;
        all.iter()
            .find(|found| {
                found.address == queue
                    && found.in_flight >= 5
                    && found.in_flight + found.waiting >= 100
            })
            .map(drop)
    })
    .await;
    wire.cut();
    wire.hear_again();
    for number in 1..=100 {
        assert_eq!(consumer.number().await, (number, 0));
    }
    consumer.nothing_comes().await;
    tokio::time::timeout(PATIENCE, near.stop()).await.unwrap();
    far.stop().await;
}
