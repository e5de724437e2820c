//! What the remote broker gets is the same message in the same order, and what the local broker
//! gets are few acknowledgements that cover nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use ferrymq_network::bridge::machine::STOP_LIMIT;
use ferrymq_network::bridge::phase::BridgeEnd;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use support::make::{broker, config, consumer, fields, message};
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

fn acks(world: &World) -> Vec<&MessageAck> {
    let acks = world.local.seen.iter().filter_map(|command| match command {
        Command::MessageAck(ack) => Some(ack),
        _ => None,
    });
    acks.map(|ack| &**ack).collect()
}

#[test]
fn a_forwarded_message_keeps_its_id_and_gains_a_hop() {
    let mut world = world_with_consumer();
    world.local.publish(&queue(), message(&queue(), 7));
    world.settle();
    let forwarded = world.remote.seen.iter().find_map(|command| match command {
        Command::Message(message) => Some(message.clone()),
        _ => None,
    });
    let forwarded = forwarded.unwrap();
    assert_eq!(forwarded.message_id(), message(&queue(), 7).message_id());
    assert_eq!(forwarded.broker_path(), [broker("local").id]);
    assert!(forwarded.response_required && forwarded.persistent());
    let producer = forwarded.producer_id().unwrap();
    assert!(producer.to_string().starts_with("local->remote-NC-"), "{producer}");
}

#[test]
fn messages_go_out_together_and_their_confirmations_come_back_as_one_range() {
    let mut world = world_with_consumer();
    for number in 1..=50 {
        world.local.publish(&queue(), message(&queue(), number));
    }
    world.settle_unanswered();
    assert_eq!(world.remote.unanswered.len(), 50, "none waits for another");
    for _ in 0..50 {
        world.remote.answer(0);
    }
    let now = world.now;
    for command in world.remote.out.drain(..) {
        world.bridge.handle_remote(command, now);
    }
    world.carry_out();
    world.settle();
    let acks = acks(&world);
    assert_eq!(acks.len(), 1);
    assert_eq!((acks[0].ack_type, acks[0].message_count), (2, 50));
}

#[test]
fn confirmations_out_of_order_never_cover_what_is_outstanding() {
    let mut world = world_with_consumer();
    for number in 1..=6 {
        world.local.publish(&queue(), message(&queue(), number));
    }
    world.settle_unanswered();
    // Of 1..=6, all but 3 are confirmed.
    for index in [5, 0, 0, 2, 1] {
        world.remote.answer(index);
    }
    let now = world.now;
    for command in world.remote.out.drain(..) {
        world.bridge.handle_remote(command, now);
    }
    world.carry_out();
    world.settle_unanswered();
    let shape: Vec<_> = acks(&world).iter().map(|ack| (ack.ack_type, ack.message_count)).collect();
    assert_eq!(shape, [(2, 2), (4, 1), (4, 1), (4, 1)]);
    assert_eq!(world.local.unacked(), 1);
}

#[test]
fn non_persistent_messages_need_no_confirmation_if_configured_so() {
    let mut config = config();
    config.always_sync_send = false;
    let mut world = World::live(config);
    world.remote.add_consumer(consumer("client", 1, &queue()));
    world.settle();
    let mut fields = fields(&queue(), 1);
    fields.persistent = false;
    world.local.publish(&queue(), Arc::new(Message::from_fields(&fields).unwrap()));
    world.local.publish(&queue(), message(&queue(), 2));
    world.settle_unanswered();
    assert_eq!(world.remote.accepted, [1]);
    assert_eq!(world.remote.unanswered.len(), 1, "persistent ones are always confirmed");
    assert!(world.local.acked.contains(&1) && !world.local.acked.contains(&2));
}

#[test]
fn stopping_waits_for_confirmations_and_begins_nothing() {
    let mut world = world_with_consumer();
    world.local.publish(&queue(), message(&queue(), 1));
    world.settle_unanswered();
    world.bridge.stop(world.now);
    world.carry_out();
    world.local.publish(&queue(), message(&queue(), 2));
    world.settle_unanswered();
    assert_eq!(world.end(), None);
    world.settle();
    assert_eq!(world.end(), Some(&BridgeEnd::Stopped));
    assert_eq!(world.remote.accepted, [1]);
    assert!(world.local.acked.contains(&1) && world.local.said_goodbye);
    assert_eq!(world.local.queued(), 1);
}

#[test]
fn stopping_does_not_wait_forever() {
    let mut world = world_with_consumer();
    world.local.publish(&queue(), message(&queue(), 1));
    world.settle_unanswered();
    world.bridge.stop(world.now);
    world.carry_out();
    let due = world.bridge.next_tick().unwrap();
    world.wait(due - world.now);
    world.settle_unanswered();
    assert_eq!(world.end(), Some(&BridgeEnd::Stopped));
    assert_eq!(world.local.queued(), 1, "unconfirmed, so it is kept");
}

fn world_with_two_outstanding() -> World {
    let mut world = world_with_consumer();
    for number in 1..=2 {
        world.local.publish(&queue(), message(&queue(), number));
    }
    world.settle_unanswered();
    world
}

/// Their acknowledgements stay with the bridge.
fn confirm_all(world: &mut World) {
    let now = world.now;
    while !world.remote.unanswered.is_empty() {
        world.remote.answer(0);
    }
    for command in world.remote.out.drain(..) {
        world.bridge.handle_remote(command, now);
    }
}

#[test]
fn what_was_confirmed_is_acknowledged_although_the_link_breaks_in_the_same_moment() {
    let mut world = world_with_two_outstanding();
    confirm_all(&mut world);
    world.cut();
    assert_eq!(world.local.acked.len(), 2);
    assert_eq!(world.local.queued(), 0);
}

#[test]
fn what_was_confirmed_is_acknowledged_although_waiting_ends_in_the_same_moment() {
    let mut world = world_with_two_outstanding();
    world.local.publish(&queue(), message(&queue(), 3));
    world.settle_unanswered();
    world.bridge.stop(world.now);
    world.settle_unanswered();
    let slow = world.remote.unanswered.pop().unwrap();
    confirm_all(&mut world);
    world.remote.unanswered.push(slow);
    world.wait(STOP_LIMIT);
    world.settle_unanswered();
    assert_eq!(world.local.acked.len(), 2);
    assert_eq!(world.local.queued(), 1);
}
