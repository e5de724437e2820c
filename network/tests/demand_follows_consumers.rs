//! There is a subscription here exactly as long as a consumer there, in the form that ActiveMQ and
//! loop prevention need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use ferrymq_network::bridge::effects::Event;
use ferrymq_network::bridge::phase::BridgeEnd;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::text::Text;
use support::make::{broker, config, consumer, further, message, patterns};
use support::world::World;

fn queue(name: &str) -> Destination {
    Destination::queue(name)
}

fn only_demand(world: &World) -> ConsumerInfo {
    assert_eq!(world.local.consumers.len(), 1, "{:?}", world.local.demands());
    world.local.consumers.values().next().unwrap().info.clone()
}

#[test]
fn nothing_crosses_without_a_consumer_and_then_the_backlog_does() {
    let mut world = World::live(config());
    for number in 1..=10 {
        world.local.publish(&queue("Q"), message(&queue("Q"), number));
    }
    world.settle();
    assert!(world.remote.accepted.is_empty());
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    assert_eq!(world.remote.accepted, (1..=10).collect::<Vec<_>>(), "all, in order");
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.settle();
    world.local.publish(&queue("Q"), message(&queue("Q"), 11));
    world.settle();
    assert_eq!(world.remote.accepted.len(), 10);
    assert!(world.local.demands().is_empty());
}

#[test]
fn a_demand_subscription_says_whose_it_is_and_how_far() {
    let mut world = World::live(config());
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    let info = only_demand(&world);
    assert!(info.network_subscription && info.dispatch_async);
    assert_eq!(info.prefetch_size, 1000);
    assert_eq!(info.priority, -5);
    assert_eq!(info.broker_path, Some(vec![Some(broker("remote").id)]));
    assert_eq!(info.network_consumer_path, Some(vec![client.consumer_id]));
    let filter = info.additional_predicate.unwrap();
    assert_eq!(filter.network_broker_id, Some(broker("remote").id));
    assert_eq!((filter.message_ttl, filter.consumer_ttl), (-1, -1));
}

#[test]
fn one_subscription_serves_all_consumers_of_a_destination() {
    let mut world = World::live(config());
    let to = Destination::topic("T");
    for number in 1..=3 {
        world.remote.add_consumer(consumer("client", number, &to));
    }
    world.settle();
    only_demand(&world);
    world.local.publish(&to, message(&to, 1));
    world.settle();
    assert_eq!(world.remote.accepted, [1], "one copy crosses");
    let ids: Vec<_> = world.remote.consumers.keys().cloned().collect();
    for id in &ids[..2] {
        world.remote.remove_consumer(id);
        world.settle();
        only_demand(&world);
    }
    world.remote.remove_consumer(&ids[2]);
    world.settle();
    assert!(world.local.demands().is_empty());
}

#[test]
fn without_conduit_each_consumer_has_its_own_selector() {
    let mut config = config();
    config.conduit_subscriptions = false;
    let mut world = World::live(config);
    for (number, selector) in [(1, "a = 1"), (2, "a = 2")] {
        let selector = Some(Text::from(selector));
        world
            .remote
            .add_consumer(ConsumerInfo { selector, ..consumer("client", number, &queue("Q")) });
    }
    world.settle();
    let infos = world.local.consumers.values();
    let selectors: Vec<_> =
        infos.map(|consumer| consumer.info.selector.clone().unwrap().to_string()).collect();
    assert_eq!(selectors, ["a = 1", "a = 2"]);
}

#[test]
fn what_is_no_demand_makes_none() {
    let mut config = config();
    config.excluded = patterns(&["queue://X.>"]);
    config.dynamically_included = patterns(&["queue://>"]);
    config.consumer_ttl = 2;
    let mut world = World::live(config);
    let origin = consumer("far", 1, &queue("Q"));
    let browser = ConsumerInfo { browser: true, ..consumer("client", 1, &queue("Q")) };
    world.remote.add_consumer(browser);
    world.remote.add_consumer(consumer("client", 2, &queue("X.Y")));
    world.remote.add_consumer(consumer("client", 3, &queue("X.>")));
    world.remote.add_consumer(consumer("client", 4, &Destination::topic("T")));
    world.remote.add_consumer(further(5, &queue("Q"), &["c", "local"], &origin));
    world.remote.add_consumer(further(6, &queue("Q"), &["d", "c"], &origin));
    world.settle();
    assert!(world.local.demands().is_empty(), "{:?}", world.local.demands());
    world.remote.add_consumer(further(7, &queue("Q"), &["c"], &origin));
    world.settle();
    assert_eq!(only_demand(&world).priority, -8, "two hops away");
}

#[test]
fn a_composite_consumer_is_demand_for_each_part() {
    let mut world = World::live(config());
    let both = Destination::queue("A,topic://B");
    let client = consumer("client", 1, &both);
    world.remote.add_consumer(client.clone());
    world.settle();
    assert_eq!(world.local.demands(), [queue("A"), Destination::topic("B")]);
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.settle();
    assert!(world.local.demands().is_empty());
}

#[test]
fn static_demand_stands_from_the_start_and_outlives_consumers() {
    let mut config = config();
    config.statically_included = patterns(&["queue://S.>", "queue://X"]);
    config.excluded = patterns(&["queue://X"]);
    let mut world = World::live(config);
    assert_eq!(world.local.demands(), [queue("S.>")], "exclusion wins");
    let client = consumer("client", 1, &queue("S.A"));
    world.remote.add_consumer(client.clone());
    world.settle();
    only_demand(&world);
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.settle();
    let info = only_demand(&world);
    assert_eq!(info.broker_path, Some(vec![Some(broker("remote").id)]));
    world.local.publish(&queue("S.B"), message(&queue("S.B"), 1));
    world.settle();
    assert_eq!(world.remote.accepted, [1]);
}

#[test]
fn the_nearest_consumer_leads_and_the_next_one_takes_over() {
    let mut world = World::live(config());
    let to = Destination::topic("T");
    let origin = consumer("far", 1, &to);
    let direct = consumer("client", 1, &to);
    world.remote.add_consumer(further(1, &to, &["d", "c"], &origin));
    world.settle();
    assert_eq!(only_demand(&world).priority, -9);
    world.remote.add_consumer(direct.clone());
    world.settle();
    assert_eq!(only_demand(&world).broker_path, Some(vec![Some(broker("remote").id)]));
    world.remote.remove_consumer(direct.consumer_id.as_ref().unwrap());
    world.settle();
    let path = only_demand(&world).broker_path.unwrap();
    let expected = ["d", "c", "remote"].map(|name| Some(broker(name).id));
    assert_eq!(path, expected, "a demand never hides behind a consumer that is gone");
}

#[test]
fn a_second_route_to_one_consumer_is_remembered_and_takes_over() {
    let mut world = World::live(config());
    let origin = consumer("far", 1, &queue("Q"));
    let near = further(1, &queue("Q"), &["c"], &origin);
    world.remote.add_consumer(near.clone());
    world.remote.add_consumer(further(2, &queue("Q"), &["c", "d"], &origin));
    world.settle();
    assert_eq!(only_demand(&world).priority, -8);
    world.remote.remove_consumer(near.consumer_id.as_ref().unwrap());
    world.settle();
    assert_eq!(only_demand(&world).priority, -9);
}

#[test]
fn what_takes_the_place_of_a_queues_demand_gets_nothing_before_that_gave_back_what_it_held() {
    let mut world = World::live(config());
    let origin = consumer("far", 1, &queue("Q"));
    world.remote.add_consumer(further(1, &queue("Q"), &["c", "d"], &origin));
    world.settle();
    let before = world.local.seen.len();
    world.remote.add_consumer(further(2, &queue("Q"), &["c"], &origin));
    world.settle();
    let said = world.local.seen.split_off(before);
    let word = |command: &Command| match command {
        Command::ConsumerInfo(info) => Some(("made", info.prefetch_size)),
        Command::RemoveInfo(_) => Some(("ended", 0)),
        Command::ConsumerControl(control) => Some(("opened", control.prefetch)),
        _ => None,
    };
    let said: Vec<_> = said.iter().filter_map(word).collect();
    assert_eq!(said, [("made", 0), ("ended", 0), ("opened", 1_000)]);
}

#[test]
fn a_topics_messages_cross_once_while_its_demand_is_described_anew() {
    let to = Destination::topic("T");
    // The message is published at every possible moment of the change.
    for moment in 0..12 {
        let mut world = World::live(config());
        world.remote.add_consumer(further(1, &to, &["c"], &consumer("far", 1, &to)));
        world.settle();
        world.remote.add_consumer(consumer("client", 1, &to));
        for step in 0..12 {
            if step == moment {
                world.local.publish(&to, message(&to, 1));
            }
            world.arrive([1, 2, 2, 0][step % 4]);
        }
        world.settle();
        assert_eq!(world.remote.accepted, [1], "published at moment {moment}");
        only_demand(&world);
    }
}

#[test]
fn overlapping_topic_demands_bring_one_copy() {
    let mut world = World::live(config());
    let to = Destination::topic("prices.eur");
    world.remote.add_consumer(consumer("client", 1, &to));
    world.remote.add_consumer(consumer("client", 2, &Destination::topic("prices.>")));
    world.settle();
    for number in 1..=3 {
        world.local.publish(&to, message(&to, number));
    }
    world.settle();
    assert_eq!(world.remote.accepted, [1, 2, 3]);
    assert_eq!(world.bridge.counts().forwards.duplicates, 3);
    assert_eq!(world.local.unacked(), 0);
}

#[test]
fn a_refused_subscription_is_told_and_asked_for_again_with_the_next_consumer() {
    let mut world = World::live(config());
    world.local.refused.insert(queue("Q"));
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    assert!(world.events.iter().any(|event| matches!(
        event,
        Event::DemandRefused { reason, .. } if reason.contains("not here")
    )));
    assert_eq!(world.bridge.counts().demands, 0);
    world.local.refused.clear();
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.remote.add_consumer(client);
    world.settle();
    only_demand(&world);
}

#[test]
fn demand_that_goes_waits_for_what_is_on_its_way() {
    let mut world = World::live(config());
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    world.local.publish(&queue("Q"), message(&queue("Q"), 1));
    world.settle_unanswered();
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.settle_unanswered();
    only_demand(&world);
    world.local.publish(&queue("Q"), message(&queue("Q"), 2));
    world.settle_unanswered();
    world.remote.answer(0);
    world.settle();
    assert!(world.local.demands().is_empty());
    assert_eq!(world.remote.accepted, [1]);
    assert_eq!(world.local.queued(), 1, "the second one is back in its queue");
}

#[test]
fn demand_that_goes_waits_for_no_dead_broker() {
    let mut world = World::live(config());
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    world.local.publish(&queue("Q"), message(&queue("Q"), 1));
    world.settle_unanswered();
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.settle_unanswered();
    // Nothing comes through any more: it is asked, and does not answer.
    for _ in 0..2 {
        world.wait(world.config.link_timeout);
        while world.arrive(2) {}
    }
    assert!(matches!(world.end(), Some(BridgeEnd::RemoteDeaf { .. })), "{:?}", world.end());
    assert!(world.local.demands().is_empty());
    assert_eq!(world.local.queued(), 1);
}

#[test]
fn advisories_are_acknowledged_before_their_window_closes() {
    let mut config = config();
    config.advisory_prefetch_size = NonZeroU32::new(8);
    let mut world = World::live(config);
    for number in 1..=6 {
        world.remote.add_consumer(consumer("client", number, &queue("Q")));
    }
    world.settle();
    assert_eq!(world.remote.advisories_acked, 0, "75 % of 8 is 6");
    world.remote.add_consumer(consumer("client", 7, &queue("Q")));
    world.settle();
    assert_eq!(world.remote.advisories_acked, 7);
    let ack = world.remote.seen.iter().rev().find_map(|command| match command {
        Command::MessageAck(ack) => Some(ack),
        _ => None,
    });
    assert_eq!(ack.unwrap().ack_type, 2);
}

#[test]
fn a_conduit_asks_for_what_any_of_its_consumers_wants() {
    let mut world = World::live(config());
    let client = |number: i64, selector: Option<&str>| ConsumerInfo {
        selector: selector.map(Text::from),
        ..consumer("client", number, &queue("Q"))
    };
    let asked = |world: &World| only_demand(world).selector.map(|text| text.to_string());
    let gone = |world: &mut World, info: &ConsumerInfo| {
        world.remote.remove_consumer(info.consumer_id.as_ref().unwrap());
        world.settle();
    };
    let (red, blue, all) =
        (client(1, Some("c = 'r'")), client(2, Some("c = 'b'")), client(4, None));
    world.remote.add_consumer(red.clone());
    world.settle();
    assert_eq!(asked(&world).as_deref(), Some("c = 'r'"));
    world.remote.add_consumer(blue.clone());
    world.remote.add_consumer(client(3, Some("c = 'b'")));
    world.settle();
    assert_eq!(asked(&world).as_deref(), Some("(c = 'b') OR (c = 'r')"));
    gone(&mut world, &blue);
    assert_eq!(asked(&world).as_deref(), Some("(c = 'b') OR (c = 'r')"), "another wants it, too");
    world.remote.add_consumer(all.clone());
    world.settle();
    assert_eq!(asked(&world), None, "one wants everything");
    gone(&mut world, &all);
    gone(&mut world, &red);
    assert_eq!(asked(&world).as_deref(), Some("c = 'b'"));
    for number in 10..60 {
        world.remote.add_consumer(client(number, Some(&format!("n = {number}"))));
    }
    world.settle();
    assert_eq!(asked(&world), None, "too many to ask for");
}

/// The remote broker may know expressions that the own one does not.
#[test]
fn a_selector_that_cannot_be_read_here_brings_everything() {
    let mut world = World::live(config());
    let choosy = |number, selector: &str| ConsumerInfo {
        selector: Some(Text::from(selector)),
        ..consumer("client", number, &queue("Q"))
    };
    world.local.unreadable = Some(Text::from("XPATH '//order'"));
    world.remote.add_consumer(choosy(1, "XPATH '//order'"));
    world.settle();
    let asked = |world: &World| -> Vec<Option<Text>> {
        world.local.consumers.values().map(|one| one.info.selector.clone()).collect()
    };
    assert_eq!(asked(&world), [None]);
    world.local.publish(&queue("Q"), message(&queue("Q"), 1));
    world.settle();
    assert_eq!(world.remote.accepted, [1]);
    // As long as anybody shares that demand, it stays so.
    world.remote.add_consumer(choosy(2, "colour = 'blue'"));
    world.settle();
    assert_eq!(asked(&world), [None]);
    world.remote.remove_consumer(choosy(1, "").consumer_id.as_ref().unwrap());
    world.remote.remove_consumer(choosy(2, "").consumer_id.as_ref().unwrap());
    world.settle();
    assert_eq!(asked(&world), []);
    // And it is forgotten with the demand.
    world.remote.add_consumer(choosy(3, "colour = 'blue'"));
    world.settle();
    assert_eq!(asked(&world), [Some(Text::from("colour = 'blue'"))]);
}

#[test]
fn what_a_busy_broker_has_is_never_sent_again_while_it_lives() {
    let mut world = World::live(config());
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    for number in 1..=5 {
        world.local.publish(&queue("Q"), message(&queue("Q"), number));
    }
    world.settle_unanswered();
    assert_eq!(world.remote.unanswered.len(), 5, "it has them, and no room for them");
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    world.settle_unanswered();
    // It takes in nothing for an hour, and proves that it lives all the while.
    for _ in 0..720 {
        world.wait(Duration::from_secs(5));
        world.settle_unanswered();
        assert_eq!(world.end(), None);
        assert_eq!((world.local.unacked(), world.local.queued()), (5, 0), "as they are there");
    }
    world.remote.add_consumer(consumer("client", 2, &queue("Q")));
    world.settle();
    assert_eq!(world.remote.accepted, [1, 2, 3, 4, 5], "each once");
    assert_eq!(world.local.acked.len(), 5);
}

#[test]
fn what_has_not_been_sent_when_the_demand_ends_is_free_at_once_and_keeps_its_place() {
    let mut world = World::live(config());
    let client = consumer("client", 1, &queue("Q"));
    world.remote.add_consumer(client.clone());
    world.settle();
    for number in 1..=3 {
        world.local.publish(&queue("Q"), message(&queue("Q"), number));
    }
    world.settle_unanswered();
    for number in 4..=6 {
        world.local.publish(&queue("Q"), message(&queue("Q"), number));
    }
    // The end of the demand arrives before they do.
    world.remote.remove_consumer(client.consumer_id.as_ref().unwrap());
    while world.arrive(1) {}
    world.settle_unanswered();
    assert_eq!((world.local.unacked(), world.local.queued()), (3, 3), "at once");
    // The demand comes back before the answers.
    world.remote.add_consumer(consumer("client", 2, &queue("Q")));
    world.settle_unanswered();
    world.settle();
    assert_eq!(world.remote.accepted, [1, 2, 3, 4, 5, 6], "in order");
    assert_eq!(world.local.consumers.len(), 1, "the one that ended has gone");
}
