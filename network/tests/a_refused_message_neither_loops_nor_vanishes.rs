//! What becomes of a message that the remote broker refuses, and of those that may not cross.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::bridge::effects::Event;
use ferrymq_network::bridge::phase::BridgeEnd;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use support::make::{config, consumer, fields, message, patterns};
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
