//! What goes over a link when a consumer comes or goes does not depend on how many there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_openwire::destination::Destination;
use support::make::{config, consumer};
use support::world::World;

/// Commands that went over the link (to the remote broker, to the bridge) and to the own broker.
fn commands(world: &World) -> (usize, i64, usize) {
    (world.remote.seen.len(), world.remote.advisories, world.local.seen.len())
}

/// What four changes cost in a network of so many demands: the first consumer of a destination, a
/// second one, its end, and that of the first.
fn costs(demands: i64) -> Vec<(usize, i64, usize)> {
    let mut world = World::live(config());
    let queue = |number: i64| Destination::queue(format!("demand.{number}"));
    for number in 0..demands {
        world.remote.add_consumer(consumer("client", number, &queue(number)));
    }
    world.settle();
    assert_eq!(world.local.consumers.len() as i64, demands);
    let (one, another) = (demands + 1, demands + 2);
    let mut costs = Vec::new();
    for step in 0..4 {
        let before = commands(&world);
        match step {
            0 => world.remote.add_consumer(consumer("client", one, &queue(one))),
            1 => world.remote.add_consumer(consumer("client", another, &queue(one))),
            _ => {
                let gone = consumer("client", if step == 2 { another } else { one }, &queue(one));
                world.remote.remove_consumer(gone.consumer_id.as_ref().unwrap());
            }
        }
        world.settle();
        let after = commands(&world);
        costs.push((after.0 - before.0, after.1 - before.1, after.2 - before.2));
    }
    costs
}

#[test]
fn a_consumer_that_comes_or_goes_costs_one_message_on_the_link() {
    let few = costs(3);
    // An advisory each; a subscription here is made with the first and ends with the last.
    assert_eq!(few, [(0, 1, 1), (0, 1, 0), (0, 1, 0), (0, 1, 1)]);
    assert_eq!(costs(700), few);
}
