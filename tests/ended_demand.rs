//! Where nobody consumes any more, what is on its way there comes once, however long the broker
//! has no room for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;

use std::time::Duration;

use ferrymq::config::{DestinationPolicy, Limits};
use ferrymq_client::{AckMode, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions};
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use simulated::Simulation;
use tokio::time::sleep;

const MESSAGES: u32 = 20;

fn queue() -> Destination {
    Destination::queue("orders")
}

/// Consumes until nothing comes any more.
async fn consume(connection: &Connection) -> Vec<u32> {
    let session = connection.session(AckMode::Auto);
    let consumer = session.consumer(ConsumerOptions::new(queue())).await.unwrap();
    let mut numbers = Vec::new();
    while let Some(delivery) = consumer.receive_within(Duration::from_secs(5)).await.unwrap() {
        numbers.push(delivery.text().unwrap().unwrap().parse().unwrap());
    }
    numbers
}

#[test]
fn what_a_full_broker_keeps_waiting_is_not_sent_again() {
    simulated::run(async {
        let latency = Duration::from_millis(2);
        let conditions = LinkConditions { latency, ..LinkConditions::default() };
        let simulation = Simulation::new(5, conditions);
        let pattern = DestinationPattern::parse("queue://orders").unwrap();
        let small =
            DestinationPolicy { memory_limit: Some(10_000), ..DestinationPolicy::new(pattern) };
        let limits = Limits { policies: vec![small], ..Limits::default() };
        let far = simulation.broker("far", &[], limits).await;
        let near = simulation.broker("near", &["far"], Limits::default()).await;

        let visitor = simulation.client("visitor", "far").await;
        let session = visitor.session(AckMode::Auto);
        let idle = session.consumer(ConsumerOptions::new(queue())).await.unwrap();
        let client = simulation.client("client", "near").await;
        let session = client.session(AckMode::Auto);
        let producer = session.producer(ProducerOptions::to(queue())).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        for number in 0..MESSAGES {
            let message = OutgoingMessage::text(format!("{number:02000}"));
            producer.submit(message).await.unwrap().confirmed().await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        idle.close();
        sleep(Duration::from_secs(120)).await;

        let here = consume(&client).await;
        let there = consume(&visitor).await;
        let all: Vec<u32> = (0..MESSAGES).collect();
        assert_eq!((here, there), (Vec::new(), all), "where they were, in order, each once");
        near.stop().await;
        far.stop().await;
    });
}
