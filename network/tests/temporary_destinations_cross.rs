//! A reply finds its way: temporary destinations of the remote broker are made known here before
//! they are consumed from, and go after that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_openwire::destination::{Destination, DestinationKind};
use support::make::{config, consumer, message, patterns};
use support::world::World;

fn temporary() -> Destination {
    Destination::new(DestinationKind::TempQueue, "ID:client-1:1")
}

#[test]
fn a_reply_crosses_to_the_owner() {
    let mut world = World::live(config());
    world.remote.add_temporary(&temporary());
    world.remote.add_consumer(consumer("ID:client-1", 1, &temporary()));
    world.settle();
    assert!(world.local.temporary.contains(&temporary()));
    world.local.publish(&temporary(), message(&temporary(), 1));
    world.settle();
    assert_eq!(world.remote.accepted, [1]);
}

#[test]
fn a_consumer_told_of_before_its_destination_is_served() {
    let mut world = World::live(config());
    world.remote.add_consumer(consumer("ID:client-1", 1, &temporary()));
    world.settle();
    world.remote.add_temporary(&temporary());
    world.settle();
    assert_eq!(world.local.demands(), [temporary()]);
}

#[test]
fn the_subscription_goes_before_the_destination() {
    let mut world = World::live(config());
    let client = consumer("ID:client-1", 1, &temporary());
    world.remote.add_temporary(&temporary());
    world.remote.add_consumer(client.clone());
    world.settle();
    // A reply is on its way, so the subscription has to wait.
    world.local.publish(&temporary(), message(&temporary(), 1));
    world.settle_unanswered();
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.remote.remove_temporary(&temporary());
    world.settle_unanswered();
    assert!(world.local.temporary.contains(&temporary()));
    // The fake broker fails the test if the destination goes first.
    world.settle();
    assert!(world.local.demands().is_empty());
    assert!(world.local.temporary.is_empty());
}

#[test]
fn demand_ends_with_its_destination_although_nobody_says_so() {
    let mut world = World::live(config());
    world.remote.add_temporary(&temporary());
    world.remote.add_consumer(consumer("ID:client-1", 1, &temporary()));
    world.settle();
    world.remote.consumers.clear();
    world.remote.remove_temporary(&temporary());
    world.settle();
    assert!(world.local.demands().is_empty() && world.local.temporary.is_empty());
    assert_eq!(world.bridge.counts().demands, 0);
}

#[test]
fn a_reply_to_an_owner_that_left_goes_to_the_dead_letters() {
    let mut world = World::live(config());
    world.remote.add_temporary(&temporary());
    world.remote.add_consumer(consumer("ID:client-1", 1, &temporary()));
    world.remote.refuses.insert(1, "javax.jms.InvalidDestinationException");
    world.settle();
    world.local.publish(&temporary(), message(&temporary(), 1));
    world.settle();
    assert!(world.local.dead.contains(&1));
    assert!(world.end().is_none(), "the bridge goes on");
}

#[test]
fn temporary_destinations_cross_beside_inclusions() {
    let mut config = config();
    config.dynamically_included = patterns(&["queue://orders"]);
    let mut world = World::live(config);
    // Advisories of its consumer are on a topic that this bridge does not hear.
    world.remote.add_temporary(&temporary());
    world.settle();
    assert_eq!(world.local.demands(), [temporary()]);
    world.remote.remove_temporary(&temporary());
    world.settle();
    assert!(world.local.demands().is_empty() && world.local.temporary.is_empty());
}

#[test]
fn they_stay_away_when_told_so() {
    let mut config = config();
    config.bridge_temp_destinations = false;
    let mut world = World::live(config);
    world.remote.add_temporary(&temporary());
    world.remote.add_consumer(consumer("ID:client-1", 1, &temporary()));
    world.settle();
    assert!(world.local.demands().is_empty() && world.local.temporary.is_empty());
}
