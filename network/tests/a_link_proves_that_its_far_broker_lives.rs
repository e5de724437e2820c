//! A bridge asks a far broker that is silent for proof of life, and leaves one that gives none;
//! over a duplex link as well, whose opening ActiveMQ does not answer otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use ferrymq_network::bridge::phase::BridgeEnd;
use ferrymq_network::bridge::settings::Role;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use support::make::{config, consumer, message, settings};
use support::world::World;

const HALF: Duration = Duration::from_secs(5);

fn queue() -> Destination {
    Destination::queue("Q")
}

/// A world with demand for the queue, and as many messages on their way as given.
fn busy(reads_on: bool, messages: i64) -> World {
    let mut settings = settings(&config(), 1);
    settings.remote_reads_on = reads_on;
    let mut world = World::with(settings);
    world.settle();
    world.remote.add_consumer(consumer("client", 1, &queue()));
    world.settle();
    for number in 1..=messages {
        world.local.publish(&queue(), message(&queue(), number));
    }
    world.settle_unanswered();
    world
}

#[test]
fn a_silent_link_is_asked_and_goes_on() {
    let mut world = World::live(config());
    for round in 1..=5 {
        assert_eq!(world.bridge.next_tick(), Some(world.now + HALF));
        world.wait(HALF);
        world.settle();
        assert_eq!(world.remote.questions, round);
        assert_eq!(world.bridge.counts().proven, Some(world.now));
        assert_eq!(world.end(), None);
    }
}

#[test]
fn answers_to_messages_are_proof_enough() {
    let mut world = busy(true, 0);
    for number in 1..=10 {
        world.wait(HALF - Duration::from_millis(1));
        world.local.publish(&queue(), message(&queue(), number));
        world.settle();
        assert_eq!(world.bridge.counts().proven, Some(world.now));
    }
    assert_eq!(world.remote.questions, 0);
}

#[test]
fn a_far_broker_that_answers_nothing_is_left_in_time() {
    let mut world = World::live(config());
    let silent_since = world.now;
    world.wait(HALF);
    world.wait(HALF - Duration::from_millis(1));
    assert_eq!(world.end(), None);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.end(), Some(&BridgeEnd::RemoteDeaf { seconds: 10 }));
    assert_eq!(world.now - silent_since, Duration::from_secs(10));
}

#[test]
fn one_that_reads_on_must_answer_though_it_holds_messages() {
    let mut world = busy(true, 3);
    world.wait(HALF);
    world.settle_unanswered();
    assert_eq!(world.end(), None, "it answers for itself, not for its messages");
    world.wait(HALF);
    world.wait(HALF);
    assert_eq!(world.end(), Some(&BridgeEnd::RemoteDeaf { seconds: 10 }));
}

#[test]
fn one_that_does_not_read_while_it_holds_messages_gets_its_time() {
    let mut world = busy(false, 3);
    for _ in 0..10 {
        world.wait(HALF);
    }
    assert_eq!(world.end(), None);
    world.settle();
    assert_eq!(world.local.unacked(), 0);
    assert_eq!(world.bridge.counts().in_flight, 0);
}

#[test]
fn the_first_proof_confirms_a_duplex_bridge() {
    let mut settings = settings(&config(), 1);
    settings.role = Role::Initiator;
    let mut world = World::with(settings);
    world.settle();
    assert!(world.bridge.counts().proven.is_some());
    assert_eq!(world.remote.questions, 1);
    let info = world.remote.seen.iter().find_map(|command| match command {
        Command::BrokerInfo(info) => Some(info.clone()),
        _ => None,
    });
    let info = info.unwrap();
    assert!(info.duplex_connection && info.network_connection);
    let properties = info.network_properties.unwrap().to_string();
    assert!(properties.contains("duplex=true"), "{properties}");
    assert!(!world.remote.seen.iter().any(|command| {
        matches!(command, Command::ConsumerInfo(info) if info.response_required)
    }));
}

#[test]
fn the_bridge_back_does_not_introduce_its_broker_again() {
    let mut settings = settings(&config(), 1);
    settings.role = Role::Acceptor;
    let mut world = World::with(settings);
    world.settle();
    assert!(world.bridge.counts().proven.is_some());
    let brokers = |seen: &[Command]| {
        seen.iter().filter(|command| matches!(command, Command::BrokerInfo(_))).count()
    };
    assert_eq!(brokers(&world.remote.seen), 0);
    let client = world.remote.seen.iter().find_map(|command| match command {
        Command::ConnectionInfo(info) => info.client_id.clone(),
        _ => None,
    });
    assert_eq!(client.unwrap().to_string(), "NC-duplex_local_outbound");
}
