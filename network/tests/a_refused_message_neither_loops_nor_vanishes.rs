//! What becomes of a message that the remote broker refuses, and of those that may not cross.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::bridge::effects::Event;
use ferrymq_network::bridge::phase::BridgeEnd;
use ferrymq_network::bridge::settings::BridgeSettings;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::negotiate::WireFormatOptions;
use support::make::{config, consumer, fields, message, patterns, settings};
use support::world::World;

fn queue() -> Destination {
    Destination::queue("Q")
}

fn world_with_consumer() -> World {
    let mut world = World::live(config());
    world.remote.add_consumer(consumer("client", 1, &queue()));
    world.settle();
    world
}

#[test]
fn it_is_tried_again_and_then_given_up_while_others_cross() {
    let mut world = world_with_consumer();
    world.remote.refuses.insert(2, "javax.jms.JMSSecurityException");
    for number in 1..=3 {
        world.local.publish(&queue(), message(&queue(), number));
    }
    world.settle();
    assert_eq!(world.remote.accepted, [1, 3]);
    assert!(world.local.dead.is_empty());
    assert_eq!(world.bridge.counts().in_flight, 1);
    let tries = 2
        + (0..10)
            .take_while(|_| {
                let due = world.bridge.next_tick();
                due.inspect(|due| world.wait(*due - world.now));
                world.settle();
                // Once nothing is left to be tried, only proofs of life are due.
                world.bridge.counts().in_flight > 0
            })
            .count();
    assert_eq!(tries, 3);
    assert_eq!(world.local.dead.iter().collect::<Vec<_>>(), [&2]);
    assert_eq!(world.local.unacked(), 0);
    let counts = world.bridge.counts().forwards;
    assert_eq!((counts.forwarded, counts.refused, counts.given_up), (2, 3, 1));
    let poison = world.local.seen.iter().find_map(|command| match command {
        Command::MessageAck(ack) if ack.ack_type == 1 => ack.poison_cause.clone(),
        _ => None,
    });
    let cause = poison.unwrap().message.unwrap().to_string();
    assert_eq!(cause, "the remote broker refused it: JMSSecurityException: no");
}

#[test]
fn one_that_is_accepted_at_last_is_acknowledged() {
    let mut world = world_with_consumer();
    world.remote.refuses.insert(1, "javax.jms.JMSException");
    world.local.publish(&queue(), message(&queue(), 1));
    world.settle();
    world.remote.refuses.clear();
    world.wait(Duration::from_secs(1));
    world.settle();
    assert_eq!(world.remote.accepted, [1]);
    assert!(world.local.acked.contains(&1) && world.local.dead.is_empty());
}

/// The frames of a link, and a message of as many bytes of content.
fn frames(most: u64) -> Option<FrameLimit> {
    let options = WireFormatOptions { max_frame_size: most, ..WireFormatOptions::default() };
    options.negotiate(&options.to_info()).unwrap().peer_takes
}

fn sized(destination: &Destination, number: i64, content: usize, persistent: bool) -> Arc<Message> {
    let content = Some(vec![0; content].into());
    let fields = MessageFields { content, persistent, ..fields(destination, number) };
    Arc::new(Message::from_fields(&fields).unwrap())
}

/// A broker ends the link on which a frame comes that is too large, so it is never sent: not even
/// one that only what the bridge adds makes too large.
#[test]
fn one_that_no_frame_of_the_link_takes_is_given_up_and_all_others_cross() {
    const MOST: u64 = 2_000;
    let mut world =
        World::with(BridgeSettings { remote_takes: frames(MOST), ..settings(&config(), 1) });
    let topic = Destination::topic("T");
    world.settle();
    world.remote.add_consumer(consumer("client", 1, &queue()));
    world.remote.add_consumer(consumer("client", 2, &topic));
    world.settle();
    // The message alone fits for many of them, and with the path it does not.
    let mut number = 0;
    for content in (1_500..2_100).chain([1]) {
        number += 1;
        world.local.publish(&queue(), sized(&queue(), number, content, content % 2 == 0));
        if content % 100 == 0 {
            world.settle_unanswered();
        }
        if content % 250 == 0 {
            world.settle();
        }
    }
    let (large, small) = (number + 1, number + 2);
    world.local.publish(&topic, sized(&topic, large, 5_000, true));
    world.local.publish(&topic, sized(&topic, small, 5, true));
    world.settle();
    let sent = world.remote.seen.iter().filter_map(|command| match command {
        Command::Message(message) => Some(message.frame_len() as u64),
        _ => None,
    });
    let largest = sent.max().unwrap();
    assert!(largest <= MOST && largest > MOST - 2, "{largest}");
    let dead = world.local.dead.len();
    let counts = world.bridge.counts();
    assert!(dead > 100, "{dead}");
    assert_eq!(world.remote.accepted.len() + dead, usize::try_from(number).unwrap() + 2);
    assert!(world.local.dead.contains(&large) && world.remote.accepted.contains(&small));
    assert_eq!((counts.in_flight, world.local.unacked()), (0, 0));
    let dead = dead as u64;
    assert_eq!((counts.forwards.refused, counts.forwards.given_up), (dead, dead));
    let told = world.events.iter().filter(|event| {
        matches!(event, Event::ForwardRefused { word: "too_large", given_up: true, .. })
    });
    assert_eq!(told.count() as u64, dead);
    assert_eq!(world.end(), None);
}

/// What waits for credit behind one that is too large has its turn, although no answer comes for that.
#[test]
fn nothing_stays_behind_those_that_are_given_up() {
    let mut world =
        World::with(BridgeSettings { remote_takes: frames(1 << 20), ..settings(&config(), 1) });
    world.settle();
    world.remote.add_consumer(consumer("client", 1, &queue()));
    world.settle();
    for number in 1..=900 {
        let content = if number % 300 == 0 { 10 } else { 1_100_000 };
        let content = if number <= 20 { 1_000_000 } else { content };
        world.local.publish(&queue(), sized(&queue(), number, content, true));
        if number == 20 {
            world.settle_unanswered();
        }
    }
    world.settle();
    assert_eq!((world.remote.accepted.len(), world.local.dead.len()), (23, 877));
    assert_eq!((world.bridge.counts().in_flight, world.local.unacked()), (0, 0));
}

#[test]
fn a_failing_broker_blames_no_message() {
    let mut world = world_with_consumer();
    world.remote.refuses.insert(1, "org.apache.activemq.broker.BrokerStoppedException");
    world.local.publish(&queue(), message(&queue(), 1));
    world.settle();
    assert!(matches!(world.end(), Some(BridgeEnd::RemoteFailing(_))));
    assert!(world.local.dead.is_empty());
    assert_eq!(world.local.queued(), 1, "it is back in its queue");
}

#[test]
fn excluded_messages_of_a_wildcard_demand_stay_and_others_cross() {
    let mut config = config();
    config.excluded = patterns(&["queue://A.X", "topic://A.X"]);
    let mut world = World::live(config);
    for (number, kind) in [(1, "queue"), (2, "topic")] {
        let all = format!("{kind}://A.>")
            .parse::<ferrymq_network::destination_pattern::DestinationPattern>();
        world.remote.add_consumer(consumer("client", number, all.unwrap().address()));
    }
    world.settle();
    let (excluded, fine) = (Destination::queue("A.X"), Destination::queue("A.Y"));
    world.local.publish(&fine, message(&fine, 1));
    world.local.publish(&excluded, message(&excluded, 2));
    world.local.publish(&fine, message(&fine, 3));
    let topic = Destination::topic("A.X");
    world.local.publish(&topic, message(&topic, 4));
    world.settle();
    assert_eq!(world.remote.accepted, [1, 3]);
    assert_eq!(world.bridge.counts().forwards.held, 1);
    assert!(world.events.iter().any(|event| matches!(event, Event::Held { .. })));
    assert!(world.local.acked.contains(&4), "a topic's message is simply not for us");
    world.cut();
    assert_eq!(world.local.queues[&excluded].len(), 1, "not lost");
}

#[test]
fn no_ack_covers_a_message_that_stays() {
    let mut config = config();
    config.excluded = patterns(&["queue://A.X"]);
    let mut world = World::live(config);
    world.remote.add_consumer(consumer("client", 1, &Destination::queue("A.>")));
    world.settle();
    let (excluded, fine) = (Destination::queue("A.X"), Destination::queue("A.Y"));
    world.local.publish(&fine, message(&fine, 1));
    world.local.publish(&excluded, message(&excluded, 2));
    world.local.publish(&fine, message(&fine, 3));
    world.settle();
    assert_eq!(world.local.acked.iter().collect::<Vec<_>>(), [&1, &3]);
    assert_eq!(world.local.unacked(), 1);
}

/// Whether a queue's message may go back to where it was, the queue decides: a bridge cannot know
/// who else wants it.
#[test]
fn a_message_of_a_queue_that_goes_back_is_forwarded_and_one_of_a_topic_is_not() {
    let mut world = world_with_consumer();
    let topic = Destination::topic("T");
    world.remote.add_consumer(consumer("client", 2, &topic));
    world.settle();
    for (destination, number) in [(queue(), 1), (topic, 2)] {
        let mut fields = fields(&destination, number);
        fields.broker_path = Some(vec![Some(BrokerId::new("ID:remote"))]);
        let message = Arc::new(Message::from_fields(&fields).unwrap());
        world.local.publish(&destination, message);
    }
    world.settle();
    assert_eq!(world.remote.accepted, [1]);
    assert_eq!(world.local.unacked(), 0);
}
