//! Whatever the order of independent events, and wherever the link breaks: no message is lost, none
//! is acknowledged before the remote broker has it, and without a break none crosses twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use ferrymq_openwire::destination::Destination;
use support::make::{config, consumer, message};
use support::world::World;

const MESSAGES: i64 = 60;

struct Chaos {
    world: World,
    random: fastrand::Rng,
    published: i64,
    breaks: usize,
}

fn queue(number: i64) -> Destination {
    Destination::queue(["orders", "invoices", "orders.eu"][usize::try_from(number % 3).unwrap()])
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut config = config();
        config.prefetch_size = NonZeroU32::new(random.u32(1..20)).unwrap();
        config.advisory_prefetch_size = NonZeroU32::new(4);
        config.conduit_subscriptions = random.bool();
        Self { world: World::new(config), random, published: 0, breaks: 0 }
    }

    /// One random event.
    fn step(&mut self, breaks_allowed: bool) {
        match self.random.u32(0..100) {
            0..70 => {
                self.world.arrive(self.random.usize(0..4));
            }
            70..80 => {
                let waiting = self.world.remote.unanswered.len();
                if waiting > 0 {
                    // Mostly in order, sometimes not: a full destination answers late.
                    let index =
                        if self.random.u8(..) < 200 { 0 } else { self.random.usize(..waiting) };
                    self.world.remote.answer(index);
                }
            }
            80..88 if self.published < MESSAGES => {
                self.published += 1;
                let to = queue(self.published);
                self.world.local.publish(&to, message(&to, self.published));
            }
            88..92 => {
                let number = self.random.i64(1..9);
                let wildcard = Destination::queue("orders.>");
                let to = if number == 8 { wildcard } else { queue(number) };
                self.world.remote.add_consumer(consumer("client", number, &to));
            }
            92..96 => {
                let ids: Vec<_> = self.world.remote.consumers.keys().cloned().collect();
                if !ids.is_empty() {
                    let id = &ids[self.random.usize(..ids.len())];
                    self.world.remote.remove_consumer(id);
                }
            }
            96..99 => self.world.wait(Duration::from_millis(self.random.u64(0..3000))),
            _ if breaks_allowed && self.random.u8(..) < 40 => {
                self.breaks += 1;
                if self.random.bool() {
                    self.world.cut();
                } else {
                    self.world.crash();
                }
                self.world.redial();
            }
            _ => {}
        }
        self.check();
    }

    fn check(&self) {
        let accepted: BTreeSet<_> = self.world.remote.accepted.iter().copied().collect();
        for acked in &self.world.local.acked {
            assert!(accepted.contains(acked), "{acked} was acknowledged but never accepted");
        }
    }

    /// With consumers for everything and the link up, all that was published has crossed.
    fn finish(&mut self) {
        if self.world.end().is_some() {
            self.world.crash();
            self.world.redial();
        }
        for number in 1..=3 {
            self.world.remote.add_consumer(consumer("last", number, &queue(number)));
        }
        self.world.settle();
        self.check();
        let everything: BTreeSet<_> = (1..=self.published).collect();
        assert_eq!(self.world.local.acked, everything, "all acknowledged");
        assert_eq!(self.world.local.unacked() + self.world.local.queued(), 0);
        assert!(self.world.local.dead.is_empty());
        if self.breaks == 0 {
            assert_eq!(self.world.remote.accepted.len(), everything.len(), "none twice");
        }
        for id in self.world.remote.consumers.keys().cloned().collect::<Vec<_>>() {
            self.world.remote.remove_consumer(&id);
        }
        self.world.settle();
        assert!(self.world.local.demands().is_empty(), "no demand without a consumer");
    }
}

#[test]
fn without_breaks_everything_crosses_exactly_once() {
    for seed in 0..150 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..1500 {
            chaos.step(false);
        }
        chaos.finish();
    }
}

#[test]
fn with_breaks_everything_crosses() {
    for seed in 1000..1150 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..1500 {
            chaos.step(true);
        }
        chaos.finish();
    }
}

#[test]
fn a_break_at_any_moment_of_one_conversation_loses_nothing() {
    // How many events the whole conversation has, and then a break after each of them.
    let converse = |limit: usize| {
        let mut world = World::new(config());
        let to = Destination::queue("orders");
        world.remote.add_consumer(consumer("client", 1, &to));
        for number in 1..=5 {
            world.local.publish(&to, message(&to, number));
        }
        let mut events = 0;
        loop {
            let mut moved = false;
            for wire in 0..4 {
                if events == limit {
                    return (world, events);
                }
                if world.arrive(wire) {
                    events += 1;
                    moved = true;
                }
            }
            if events < limit && !world.remote.unanswered.is_empty() {
                world.remote.answer(0);
                events += 1;
                moved = true;
            }
            if !moved {
                return (world, events);
            }
        }
    };
    let (_, whole) = converse(usize::MAX);
    assert!(whole > 20, "the conversation is trivial: {whole} events");
    for limit in 0..=whole {
        for told in [true, false] {
            let (mut world, _) = converse(limit);
            if told {
                world.cut()
            } else {
                world.crash()
            }
            world.redial();
            world.settle();
            assert_eq!(world.local.acked.len(), 5, "after event {limit}");
            let accepted: BTreeSet<_> = world.remote.accepted.iter().copied().collect();
            assert_eq!(accepted.len(), 5, "after event {limit}");
        }
    }
}
