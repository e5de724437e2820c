//! What is full beyond the link takes a part of the bridge's credit: the rest of the link flows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::{Message, MessageFields};
use support::make::{config, consumer, fields, number_of};
use support::world::World;

const BODY: usize = 20_000;
/// As many messages of each full queue: more than all of a bridge's credit.
const EACH: i64 = 500;

fn large(destination: &Destination, number: i64) -> Arc<Message> {
    let fields = fields(destination, number);
    let content = Some(vec![b'x'; BODY].into());
    Arc::new(Message::from_fields(&MessageFields { content, ..fields }).unwrap())
}

fn unanswered(world: &World, at: &Destination) -> usize {
    world.remote.unanswered.iter().filter(|message| message.destination_is(at)).count()
}

/// Answers what waits, except of `full`.
fn answer_others(world: &mut World, full: &BTreeSet<Destination>) {
    let is_other = |message: &Arc<Message>| !full.contains(&message.destination().unwrap());
    while let Some(at) = world.remote.unanswered.iter().position(is_other) {
        world.remote.answer(at);
    }
}

fn flow(world: &mut World, full: &BTreeSet<Destination>) {
    loop {
        world.settle_unanswered();
        answer_others(world, full);
        if world.remote.out.is_empty() {
            return;
        }
    }
}

#[test]
fn others_flow_beside_many_that_are_full_and_each_goes_on_in_order() {
    let mut world = World::live(config());
    let full: BTreeSet<_> = (0..12).map(|n| Destination::queue(format!("full.{n}"))).collect();
    let flowing = Destination::queue("flowing");
    for (number, queue) in full.iter().chain([&flowing]).enumerate() {
        world.remote.add_consumer(consumer("client", number as i64 + 1, queue));
    }
    world.settle();
    let mut number = 0;
    for queue in &full {
        for _ in 0..EACH {
            number += 1;
            world.local.publish(queue, large(queue, number));
        }
    }
    flow(&mut world, &full);
    let held: usize = full.iter().map(|queue| unanswered(&world, queue)).sum();
    assert!(held * BODY <= 13 * 1024 * 1024, "{held} messages on their way");
    assert!(full.iter().all(|queue| unanswered(&world, queue) > 0), "each has its share");

    // Another destination carries what it likes, and the first of it at once.
    for _ in 0..1_000 {
        number += 1;
        world.local.publish(&flowing, large(&flowing, number));
    }
    flow(&mut world, &full);
    let accepted: Vec<i64> = world.remote.accepted.clone();
    assert_eq!(
        accepted,
        (12 * EACH + 1..=12 * EACH + 1_000).collect::<Vec<_>>(),
        "all, and in order"
    );

    // There is room again: all that waited goes, in the order of each queue.
    world.settle();
    let later = &world.remote.accepted[1_000..];
    for queue in 0..12_i64 {
        let of_queue = (queue * EACH + 1)..=(queue + 1) * EACH;
        let seen: Vec<i64> = later.iter().copied().filter(|n| of_queue.contains(n)).collect();
        assert!(seen.is_sorted() && seen.len() == EACH as usize, "queue {queue}");
    }
    assert_eq!((world.local.unacked(), world.local.queued()), (0, 0));
    assert_eq!(world.local.acked.len(), 12 * EACH as usize + 1_000);
}

#[test]
fn what_waits_for_credit_stays_at_home_when_its_demand_goes() {
    let mut world = World::live(config());
    let queue = Destination::queue("full");
    let only = consumer("client", 1, &queue);
    world.remote.add_consumer(only.clone());
    world.settle();
    for number in 1..=1_000 {
        world.local.publish(&queue, large(&queue, number));
    }
    world.settle_unanswered();
    let on_their_way: Vec<i64> =
        world.remote.unanswered.iter().map(|message| number_of(message)).collect();
    assert!(on_their_way.len() < 500, "{} messages", on_their_way.len());
    world.remote.remove_consumer(only.consumer_id.as_ref().unwrap());
    world.settle();
    assert_eq!(world.remote.accepted, on_their_way);
    assert_eq!(world.local.queued(), 1_000 - on_their_way.len());
    assert!(world.local.demands().is_empty(), "it has ended");
}
