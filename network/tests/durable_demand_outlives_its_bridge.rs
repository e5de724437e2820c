//! A bridge takes up the durable demand that its predecessors left at the own broker, and ends what
//! nobody wants any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerSubscriptionInfo, ConsumerInfo, RemoveSubscriptionInfo};
use ferrymq_openwire::destination::Destination;
use support::make::{broker, config, consumer, message, patterns};
use support::world::World;

fn topic(name: &str) -> Destination {
    Destination::topic(name)
}

/// A durable subscription of a bridge, as the own broker tells of it.
fn left_by(client: &str, to: &str) -> ConsumerInfo {
    ConsumerInfo {
        client_id: Some(client.into()),
        subscription_name: Some(format!("NC-DS_local_{to}").into()),
        network_subscription: true,
        broker_path: Some(vec![Some(broker("remote").id)]),
        ..consumer("former", 1, &topic(to))
    }
}

/// A durable subscription of a client of the remote broker.
fn durable(number: i64, to: &str) -> ConsumerInfo {
    ConsumerInfo {
        client_id: Some("client".into()),
        subscription_name: Some("sub".into()),
        ..consumer("client", number, &topic(to))
    }
}

fn told(infos: &[ConsumerInfo]) -> Command {
    Command::BrokerSubscriptionInfo(Box::new(BrokerSubscriptionInfo {
        subscription_infos: Some(infos.iter().cloned().map(Some).collect()),
        ..BrokerSubscriptionInfo::default()
    }))
}

/// A world whose bridge is up, and found this at the own broker.
fn after(config: NetworkConnectorConfig, left: &[ConsumerInfo]) -> World {
    let mut world = World::new(config);
    world.local.out.push_back(told(left));
    world.settle();
    world
}

fn subscribed(world: &World) -> Vec<(String, Destination)> {
    let infos = world.local.consumers.values().map(|consumer| &consumer.info);
    let client = |info: &ConsumerInfo| info.client_id.as_ref().unwrap().to_string();
    infos.map(|info| (client(info), info.destination.clone().unwrap())).collect()
}

#[test]
fn what_its_predecessors_left_goes_on_under_the_name_that_it_has() {
    let mut config = config();
    config.other_connectors = vec!["sibling".to_owned()];
    let left = [
        left_by("NC_remote_inbound_local", "own"),
        left_by("renamed_remote_inbound_local", "renamed"),
        // Another connector's, another broker's, and a client's.
        left_by("sibling_remote_inbound_local", "sibling"),
        left_by("NC_elsewhere_inbound_local", "elsewhere"),
        ConsumerInfo { subscription_name: Some("sub".into()), ..left_by("NC", "client") },
    ];
    let mut world = after(config, &left);
    let expected = [
        ("NC_remote_inbound_local".to_owned(), topic("own")),
        ("renamed_remote_inbound_local".to_owned(), topic("renamed")),
    ];
    assert_eq!(subscribed(&world), expected);
    world.local.publish(&topic("renamed"), message(&topic("renamed"), 1));
    world.settle();
    assert_eq!(world.remote.accepted, [1]);
    // Who comes to it is served by the same one.
    world.remote.add_consumer(durable(1, "renamed"));
    world.settle();
    assert_eq!(subscribed(&world), expected);
    let gone = RemoveSubscriptionInfo {
        client_id: Some("client".into()),
        subscription_name: Some("sub".into()),
        ..RemoveSubscriptionInfo::default()
    };
    world.remote.tell("Consumer.Topic.renamed", gone.into());
    world.settle();
    assert_eq!(subscribed(&world), expected[..1]);
    let ended = ("renamed_remote_inbound_local".into(), "NC-DS_local_renamed".into());
    assert_eq!(world.local.unsubscribed, [ended]);
}

#[test]
fn what_the_remote_broker_does_not_want_any_more_ends_with_its_word() {
    let left = [
        left_by("NC_remote_inbound_local", "wanted"),
        left_by("NC_remote_inbound_local", "unwanted"),
    ];
    let mut world = after(config(), &left);
    assert_eq!(subscribed(&world).len(), 2);
    // A plain consumer does not end what a durable one may still want.
    world.remote.add_consumer(consumer("plain", 1, &topic("wanted")));
    world.settle();
    assert!(world.local.unsubscribed.is_empty());
    world.remote.out.push_back(told(&[durable(7, "wanted")]));
    world.settle();
    assert_eq!(world.local.demands(), [topic("wanted")]);
    let ended = ("NC_remote_inbound_local".into(), "NC-DS_local_unwanted".into());
    assert_eq!(world.local.unsubscribed, [ended]);
}

#[test]
fn the_remote_brokers_own_demand_does_not_come_back_to_it() {
    let mut world = after(config(), &[]);
    let of_its_bridge_to_here = ConsumerInfo {
        subscription_name: Some("NC-DS_remote_T".into()),
        broker_path: None,
        ..left_by("NC_local_inbound_remote", "T")
    };
    let of_its_bridge_elsewhere = ConsumerInfo {
        subscription_name: Some("NC-DS_remote_U".into()),
        broker_path: None,
        ..left_by("NC_elsewhere_inbound_remote", "U")
    };
    world.remote.out.push_back(told(&[of_its_bridge_to_here, of_its_bridge_elsewhere]));
    world.settle();
    assert_eq!(world.local.demands(), [topic("U")]);
}

#[test]
fn options_limit_what_is_taken_up() {
    let left = [
        left_by("NC_remote_inbound_local", "A.one"),
        left_by("NC_remote_inbound_local", "B.one"),
        left_by("NC_remote_inbound_local", "C.one"),
    ];
    let mut limited = config();
    limited.durable_destinations = patterns(&["topic://A.>", "topic://B.>"]);
    limited.excluded = patterns(&["topic://B.>"]);
    assert_eq!(after(limited, &left).local.demands(), [topic("A.one")]);
    let mut dynamic = config();
    dynamic.dynamic_only = true;
    let mut world = after(dynamic, &left);
    assert!(world.local.demands().is_empty());
    world.remote.out.push_back(told(&[durable(1, "C.one")]));
    world.settle();
    assert!(world.local.demands().is_empty(), "it follows live consumers only");
    world.remote.add_consumer(durable(1, "C.one"));
    world.settle();
    assert_eq!(world.local.demands(), [topic("C.one")]);
}

#[test]
fn a_bridge_that_ends_leaves_its_durable_demand() {
    let mut world = after(config(), &[]);
    world.remote.add_consumer(durable(1, "T"));
    world.settle();
    world.bridge.stop(world.now);
    world.carry_out();
    world.settle();
    assert!(world.end().is_some());
    assert!(world.local.demands().is_empty() && world.local.unsubscribed.is_empty());
}
