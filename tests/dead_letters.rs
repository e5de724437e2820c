//! What becomes of messages that nobody will get is as the policy of their destination says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::time::Duration;

use ferrymq::config::{DeadLetterSettings, DestinationPolicy, Limits, RedeliverySettings};
use ferrymq::node::Node;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use wire::{Wire, broker, number_of};

const POISON: i8 = 1;
const EXPIRED: i8 = 6;

fn letters(dead_letter: DeadLetterSettings) -> Limits {
    let pattern = DestinationPattern::parse("queue://>").unwrap();
    let of_topics = DestinationPattern::parse("topic://>").unwrap();
    let policies = [pattern, of_topics].map(|pattern| DestinationPolicy {
        dead_letter: dead_letter.clone(),
        ..DestinationPolicy::new(pattern)
    });
    Limits { policies: policies.to_vec(), ..Limits::default() }
}

/// A peer with consumer 1 of `address` that has got messages 1 to `count`.
async fn consuming(node: &Node, address: &Destination, count: i64, persistent: bool) -> Wire {
    let mut peer = Wire::opened(node, "peer").await;
    if address.kind().is_queue() {
        peer.consume(1, address, 10).await;
    } else {
        peer.subscribe(1, "durable", address, 10).await;
    }
    for number in 1..=count {
        let message = MessageFields { persistent, ..peer.message(address, number, 2048) };
        peer.submit(&message);
        assert_eq!(peer.number().await.0, number);
    }
    peer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_destination_may_have_a_place_of_its_own() {
    let settings = DeadLetterSettings {
        individual: Some(true),
        queue_suffix: Some(".dead".to_owned()),
        use_queue_for_topic_messages: Some(false),
        ..DeadLetterSettings::default()
    };
    for (from, place) in [
        (Destination::queue("a"), Destination::queue("ActiveMQ.DLQ.Queue.a.dead")),
        (Destination::topic("b"), Destination::topic("ActiveMQ.DLQ.Topic.b")),
    ] {
        let node = broker(letters(settings.clone())).await;
        let mut peer = consuming(&node, &from, 1, true).await;
        peer.consume(2, &place, 10).await;
        peer.ask(peer.ack(1, POISON, 1, 1, 1).into()).await.unwrap();
        let letter = peer.dispatch().await;
        assert_eq!((number_of(&letter), letter.destination.clone()), (1, Some(place)));
        assert_eq!(letter.message.unwrap().original_destination(), Some(from));
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_may_be_dropped_and_what_is_not_persistent_kept() {
    let settings = DeadLetterSettings {
        dead_letter_queue: Some(Destination::queue("graves")),
        process_expired: Some(false),
        process_non_persistent: Some(true),
        expiration: Some(Duration::from_secs(3600)),
        ..DeadLetterSettings::default()
    };
    let node = broker(letters(settings)).await;
    let mut peer = consuming(&node, &Destination::queue("q"), 2, false).await;
    peer.consume(2, &Destination::queue("graves"), 10).await;
    peer.ask(peer.ack(1, EXPIRED, 1, 1, 1).into()).await.unwrap();
    peer.ask(peer.ack(1, POISON, 2, 2, 1).into()).await.unwrap();
    let letter = peer.dispatch().await;
    assert_eq!(number_of(&letter), 2);
    assert!(letter.message.unwrap().expiration() > 0);
    peer.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_tried_again_later_before_it_is_dead() {
    let redelivery = RedeliverySettings {
        maximum_redeliveries: Some(2),
        initial_redelivery_delay: Some(Duration::from_millis(300)),
        redelivery_delay: Some(Duration::ZERO),
        ..RedeliverySettings::default()
    };
    let pattern = DestinationPattern::parse("queue://q").unwrap();
    let policy = DestinationPolicy { redelivery, ..DestinationPolicy::new(pattern) };
    let node = broker(Limits { policies: vec![policy], ..Limits::default() }).await;
    let mut peer = consuming(&node, &Destination::queue("q"), 2, true).await;
    peer.consume(2, &Destination::queue("ActiveMQ.DLQ"), 10).await;
    peer.ask(peer.ack(1, POISON, 1, 1, 1).into()).await.unwrap();
    // It rests, and holds nobody up.
    peer.nothing_comes().await;
    assert!(node.status().memory > 0);
    assert_eq!(peer.number().await, (1, 1));
    peer.ask(peer.ack(1, POISON, 1, 1, 1).into()).await.unwrap();
    assert_eq!(peer.number().await, (1, 2));
    peer.ask(peer.ack(1, POISON, 1, 1, 1).into()).await.unwrap();
    let letter = peer.dispatch().await;
    assert_eq!(letter.destination, Some(Destination::queue("ActiveMQ.DLQ")));
    assert_eq!((number_of(&letter), letter.redelivery_counter), (1, 0));
    node.stop().await;
}
