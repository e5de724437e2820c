//! The demand table against a model that keeps a plain list of consumers and works everything out
//! anew each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;

use ferrymq_network::composite;
use ferrymq_network::demand::policy::DemandPolicy;
use ferrymq_network::demand::table::{DemandChange, DemandTable};
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::{BrokerId, ConsumerId};
use support::make::{broker, consumer, further, session};

#[derive(Default)]
struct Model {
    conduit: bool,
    conduit_network_queues: bool,
    standing: Vec<DestinationPattern>,
    /// In the order of their arrival.
    wishes: Vec<(ConsumerInfo, Destination)>,
}

type Described = (Destination, Vec<BrokerId>);

impl Model {
    fn add(&mut self, info: &ConsumerInfo, to: &Destination) {
        let known = |(other, at): &(ConsumerInfo, Destination)| {
            other.consumer_id == info.consumer_id && at == to
        };
        if !self.standing.iter().any(|pattern| pattern.matches(to))
            && !self.wishes.iter().any(known)
        {
            self.wishes.push((info.clone(), to.clone()));
        }
    }

    /// Every subscription that there should be, sorted.
    fn expected(&self) -> Vec<Described> {
        let mut groups: BTreeMap<(Destination, Option<ConsumerId>), Vec<BrokerId>> =
            BTreeMap::new();
        for (info, to) in &self.wishes {
            let apart = !self.conduit
                || (to.kind().is_queue()
                    && info.network_subscription
                    && !self.conduit_network_queues);
            let far = info.network_consumer_path.clone().unwrap_or_default();
            let origin = far.first().cloned().flatten().or(info.consumer_id.clone());
            let path: Vec<_> = info.broker_path.iter().flatten().flatten().cloned().collect();
            let lead = groups
                .entry((to.clone(), origin.filter(|_| apart)))
                .or_insert_with(|| path.clone());
            if path.len() < lead.len() {
                *lead = path;
            }
        }
        let statics = self.standing.iter().map(|pattern| (pattern.address().clone(), Vec::new()));
        let followed = groups.into_iter().map(|((to, _), lead)| (to, lead));
        let mut all: Vec<_> = statics.chain(followed).collect();
        all.sort();
        all
    }
}

/// The local broker's view: what it was told to make and to end.
#[derive(Default)]
struct Subscriptions(BTreeMap<i64, ConsumerInfo>);

impl Subscriptions {
    fn apply(&mut self, changes: &mut Vec<DemandChange>) {
        let mut latest = None;
        for change in changes.drain(..) {
            match change {
                DemandChange::Subscribe(info) => {
                    let number = info.consumer_id.as_ref().unwrap().value;
                    latest = info.destination.clone();
                    assert!(self.0.insert(number, *info).is_none(), "{number} made twice");
                }
                DemandChange::Unsubscribe(number) => {
                    assert!(self.0.remove(&number).is_some(), "{number} ended but never made");
                }
                DemandChange::Supersede(number) => {
                    let old = self.0.remove(&number).expect("superseded but never made");
                    assert_eq!(old.destination, latest, "its successor comes just before");
                }
            }
        }
    }

    fn described(&self) -> Vec<Described> {
        let mut all: Vec<_> = self
            .0
            .values()
            .map(|info| {
                let mut path: Vec<_> =
                    info.broker_path.iter().flatten().flatten().cloned().collect();
                assert_eq!(path.pop(), Some(broker("remote").id), "ends with the remote broker");
                (info.destination.clone().unwrap(), path)
            })
            .collect();
        all.sort();
        all
    }
}

fn destination(random: &mut fastrand::Rng) -> Destination {
    let kinds = [DestinationKind::Queue, DestinationKind::Topic, DestinationKind::TempQueue];
    let names = ["a", "b", "s.1", "a,b", "a,topic://b"];
    let kind = kinds[random.usize(0..3)];
    let names = if kind.is_temporary() { &names[..2] } else { &names[..] };
    Destination::new(kind, names[random.usize(0..names.len())])
}

fn wish(random: &mut fastrand::Rng) -> ConsumerInfo {
    let to = destination(random);
    let number = random.i64(1..30);
    if random.bool() {
        return consumer("client", number, &to);
    }
    let paths: [&[&str]; 4] = [&["c"], &["d"], &["c", "d"], &["d", "c", "e"]];
    let origin = consumer("far", random.i64(1..4), &to);
    further(number, &to, paths[random.usize(0..4)], &origin)
}

#[test]
fn after_every_change_of_a_random_history() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (conduit, conduit_network_queues) = (random.u8(..) < 180, random.u8(..) < 80);
        let mut table = DemandTable::new(DemandPolicy {
            conduit,
            conduit_network_queues,
            prefetch_size: 1000,
            decrease_priority: true,
            priority_base: -5,
            message_ttl: -1,
            consumer_ttl: -1,
            remote: broker("remote").id,
            session: session("bridge"),
        });
        let mut model = Model { conduit, conduit_network_queues, ..Model::default() };
        let (mut subscriptions, mut changes) = (Subscriptions::default(), Vec::new());
        if random.bool() {
            let standing = DestinationPattern::parse("queue://s.>").unwrap();
            table.stand(&standing, &mut changes);
            model.standing.push(standing);
        }
        for _ in 0..200 {
            match random.u32(0..100) {
                0..55 => {
                    let info = wish(&mut random);
                    for to in composite::members(info.destination.as_ref().unwrap()) {
                        table.add(&info, &to, &mut changes);
                        assert!(changes.len() <= 4, "one consumer, few changes: {changes:?}");
                        model.add(&info, &to);
                    }
                }
                55..95 => {
                    let connection = if random.bool() { "client" } else { "remote-bridge" };
                    let id = ConsumerId::new(&session(connection), random.i64(1..30));
                    table.remove(&id, &mut changes);
                    model.wishes.retain(|(info, _)| info.consumer_id.as_ref() != Some(&id));
                }
                _ => {
                    let gone = Destination::new(DestinationKind::TempQueue, "a");
                    table.remove_temporary(&gone, &mut changes);
                    model.wishes.retain(|(_, to)| *to != gone);
                }
            }
            subscriptions.apply(&mut changes);
            assert_eq!(subscriptions.described(), model.expected(), "seed {seed}");
            assert_eq!(table.len(), subscriptions.0.len());
            assert_eq!(table.numbers(), subscriptions.0.keys().copied().collect::<Vec<_>>());
            for (number, info) in &subscriptions.0 {
                assert_eq!(table.subscription(*number), Some(info));
            }
        }
    }
}
