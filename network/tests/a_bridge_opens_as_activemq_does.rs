//! What a bridge says first, in which order, and what it does when the other end is not what it
//! should be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use ferrymq_network::bridge::effects::Event;
use ferrymq_network::bridge::phase::{BridgeEnd, Phase};
use ferrymq_network::config::Secret;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConnectionError, ExceptionResponse, Response, ShutdownInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::throwable::Throwable;
use support::make::{broker, broker_info, config, consumer, patterns};
use support::world::World;

fn kinds(commands: &[Command]) -> Vec<&'static str> {
    commands.iter().map(Command::wire_name).collect()
}

#[test]
fn the_remote_broker_hears_the_opening_in_activemqs_order() {
    let mut config = config();
    config.remote_credentials.user_name = Some("bridge".to_owned());
    config.remote_credentials.password = Some(Secret::new("secret"));
    let world = World::live(config);
    assert_eq!(
        kinds(&world.remote.seen),
        ["BrokerInfo", "ConnectionInfo", "SessionInfo", "ProducerInfo", "ConsumerInfo"]
    );
    let Command::BrokerInfo(info) = &world.remote.seen[0] else { panic!() };
    assert!(info.network_connection && !info.duplex_connection);
    assert_eq!(info.broker_id, Some(broker("local").id));
    let properties = info.network_properties.as_ref().unwrap().to_string();
    assert!(properties.contains("\nname=NC\n") && properties.contains("\nduplex=false\n"));
    let Command::ConnectionInfo(connection) = &world.remote.seen[1] else { panic!() };
    assert_eq!(connection.client_id.as_ref().unwrap().to_string(), "NC_local_outbound");
    assert_eq!(connection.user_name.as_ref().unwrap().to_string(), "bridge");
    assert_eq!(connection.password.as_ref().unwrap().to_string(), "secret");
    assert!(!connection.response_required, "nothing waits for a reply");
    let Command::ConsumerInfo(advisories) = &world.remote.seen[4] else { panic!() };
    assert!(!advisories.network_subscription);
    assert_eq!(advisories.prefetch_size, 1000);
    assert_eq!(
        advisories.destination,
        Some(Destination::topic(
            "ActiveMQ.Advisory.Consumer.>,ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic"
        ))
    );
}

#[test]
fn the_local_broker_learns_who_is_at_the_far_end() {
    let world = World::live(config());
    assert_eq!(kinds(&world.local.seen), ["BrokerInfo", "ConnectionInfo", "SessionInfo"]);
    let Command::ConnectionInfo(connection) = &world.local.seen[1] else { panic!() };
    assert_eq!(connection.client_id.as_ref().unwrap().to_string(), "NC_remote_inbound_local");
    assert!(connection.response_required);
    let Command::BrokerInfo(info) = &world.local.seen[0] else { panic!() };
    assert!(info.network_connection);
    assert_eq!(info.broker_id, Some(broker("remote").id));
}

#[test]
fn the_remote_broker_hears_nothing_before_the_local_one_agreed() {
    let mut world = World::new(config());
    assert!(world.arrive(1), "the remote broker introduces itself");
    assert_eq!(world.events, [Event::RemoteKnown(broker("remote"))]);
    assert!(world.to_remote.is_empty());
    for _ in 0..2 {
        world.local.take(world.to_local.pop_front().unwrap());
    }
    assert!(world.arrive(0) && world.arrive(0), "its introduction, then its answer");
    assert_eq!(world.to_remote.len(), 5);
    assert!(matches!(world.bridge.phase(), Phase::OpeningRemote { .. }));
}

#[test]
fn connection_ids_differ_between_incarnations_and_ends() {
    let id = |command: &Command| match command {
        Command::ConnectionInfo(info) => info.connection_id.clone().unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    let mut world = World::live(config());
    world.cut();
    world.redial();
    world.settle();
    let at = |seen: &[Command]| {
        let all = seen.iter().filter(|command| matches!(command, Command::ConnectionInfo(_)));
        all.map(id).collect::<Vec<_>>()
    };
    let mut ids = at(&world.remote.seen);
    ids.extend(at(&world.local.seen));
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id.starts_with("local->remote-NC-")), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_way_back_to_the_same_broker_is_no_bridge() {
    let mut world = World::new(config());
    world.remote.out[0] = broker_info("local");
    world.settle();
    assert_eq!(world.end(), Some(&BridgeEnd::Loopback));
    assert!(world.local.seen.is_empty() && world.remote.seen.is_empty());
}

#[test]
fn a_remote_that_says_nothing_is_left() {
    let mut world = World::new(config());
    world.remote.out.clear();
    assert_eq!(world.bridge.next_tick(), Some(world.now + Duration::from_secs(10)));
    world.wait(Duration::from_millis(9_999));
    assert_eq!(world.end(), None);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.end(), Some(&BridgeEnd::RemoteSilent { seconds: 10 }));
}

#[test]
fn a_remote_that_never_confirms_is_left() {
    let mut world = World::new(config());
    while world.to_remote.is_empty() {
        (0..3).for_each(|wire| {
            world.arrive(wire);
        });
    }
    world.wait(Duration::from_secs(10));
    assert_eq!(world.end(), Some(&BridgeEnd::RemoteUnconfirmed { seconds: 10 }));
}

#[test]
fn an_advisory_confirms_the_bridge_as_well_as_a_response() {
    let mut world = World::new(config());
    world.remote.add_consumer(consumer("client", 1, &Destination::queue("Q")));
    while !matches!(world.bridge.phase(), Phase::OpeningRemote { .. }) {
        (0..3).for_each(|wire| {
            world.arrive(wire);
        });
    }
    while world.arrive(3) {}
    world.remote.out.retain(|command| !matches!(command, Command::Response(_)));
    world.settle();
    assert!(matches!(world.bridge.phase(), Phase::Live { .. }));
    assert_eq!(world.local.demands(), [Destination::queue("Q")]);
}

#[test]
fn an_introduction_without_an_id_is_refused() {
    let mut world = World::new(config());
    world.remote.out[0] = Command::BrokerInfo(Box::default());
    world.settle();
    assert_eq!(world.end(), Some(&BridgeEnd::RemoteUnnamed));
}

#[test]
fn a_second_introduction_changes_nothing() {
    let mut world = World::live(config());
    world.remote.out.push_back(broker_info("somebody-else"));
    world.settle();
    assert!(matches!(world.bridge.phase(), Phase::Live { remote, .. } if remote.name == "remote"));
}

#[test]
fn refused_credentials_end_the_bridge_with_the_remotes_words() {
    let mut world = World::new(config());
    while world.to_remote.is_empty() {
        (0..3).for_each(|wire| {
            world.arrive(wire);
        });
    }
    world.remote.out.push_back(Command::ConnectionError(ConnectionError {
        exception: Some(Throwable::new("java.lang.SecurityException", "who are you?")),
        ..ConnectionError::default()
    }));
    world.arrive(1);
    let end = world.end().unwrap().to_string();
    assert_eq!(end, "the remote broker refused the bridge: SecurityException: who are you?");
}

#[test]
fn a_local_refusal_ends_the_bridge() {
    let mut world = World::new(config());
    world.arrive(1);
    let request = world.to_local[1].command_id().unwrap();
    let refusal = ExceptionResponse {
        correlation_id: request,
        exception: Some(Throwable::new("javax.jms.InvalidClientIDException", "taken")),
        ..ExceptionResponse::default()
    };
    world.bridge.handle_local(Command::ExceptionResponse(refusal), world.now);
    let end = world.end().unwrap().to_string();
    assert_eq!(end, "the local broker refused the bridge: InvalidClientIDException: taken");
}

#[test]
fn a_goodbye_ends_the_bridge_and_both_ends_are_left_in_order() {
    let mut world = World::live(config());
    world.remote.out.push_back(Command::ShutdownInfo(ShutdownInfo::default()));
    world.settle();
    assert_eq!(world.end(), Some(&BridgeEnd::RemoteShutDown));
    assert!(world.local.said_goodbye);
    assert_eq!(kinds(&world.remote.seen[5..]), ["RemoveInfo", "ShutdownInfo"]);
}

#[test]
fn after_its_end_a_bridge_ignores_everything() {
    let mut world = World::live(config());
    world.cut();
    let seen = world.local.seen.len();
    world.bridge.handle_remote(broker_info("remote"), world.now);
    world.bridge.handle_local(Command::Response(Response::default()), world.now);
    world.wait(Duration::from_secs(600));
    world.settle();
    assert_eq!(world.local.seen.len(), seen);
    assert_eq!(world.bridge.next_tick(), None);
    let overs = world.events.iter().filter(|event| matches!(event, Event::Over(_)));
    assert_eq!(overs.count(), 1);
}

#[test]
fn a_static_bridge_does_not_listen() {
    let mut config = config();
    config.static_bridge = true;
    config.statically_included = patterns(&["queue://S"]);
    let world = World::live(config);
    assert_eq!(
        kinds(&world.remote.seen),
        ["BrokerInfo", "ConnectionInfo", "SessionInfo", "ProducerInfo"]
    );
    assert_eq!(world.local.demands(), [Destination::queue("S")]);
}
