//! The demand table against a model that keeps a plain list of consumers and works everything out
//! anew each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_network::composite;
use ferrymq_network::demand::durable::DurableKey;
use ferrymq_network::demand::policy::DemandPolicy;
use ferrymq_network::demand::table::{DemandChange, DemandTable};
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::{BrokerId, ConsumerId};
use ferrymq_openwire::text::Text;
use support::make::{broker, consumer, further, session};

#[derive(Default)]
struct Model {
    conduit: bool,
    conduit_network_queues: bool,
    standing: Vec<DestinationPattern>,
    /// In the order of their arrival.
    wishes: Vec<(ConsumerInfo, Destination)>,
    /// Taken up from an earlier bridge, and not settled.
    unconfirmed: BTreeSet<Destination>,
}

/// Where, over which path, and whether it outlives the bridge.
type Described = (Destination, Vec<BrokerId>, bool);

/// The client and the name, if a wish is a durable subscription's.
type Key = (Option<Text>, Text);

fn key(info: &ConsumerInfo, to: &Destination) -> Option<Key> {
    let name = info.subscription_name.clone().filter(|_| to.kind() == DestinationKind::Topic)?;
    Some((info.client_id.clone(), name))
}

fn path(info: &ConsumerInfo) -> Vec<BrokerId> {
    info.broker_path.iter().flatten().flatten().cloned().collect()
}

impl Model {
    fn add(&mut self, info: &ConsumerInfo, to: &Destination) {
        let durable = key(info, to);
        let known = |(other, at): &(ConsumerInfo, Destination)| {
            at == to
                && match &durable {
                    Some(_) => key(other, at) == durable && path(other) == path(info),
                    None => key(other, at).is_none() && other.consumer_id == info.consumer_id,
                }
        };
        if durable.is_some() && !self.wishes.iter().any(known) {
            self.wishes.retain(|(other, at)| at != to || key(other, at) != durable);
        }
        if !self.standing.iter().any(|pattern| pattern.matches(to))
            && !self.wishes.iter().any(known)
        {
            self.wishes.push((info.clone(), to.clone()));
        }
    }

    /// A durable subscription wants nothing any more.
    fn unsubscribed(&mut self, gone: &Key) {
        let of_it = |(info, to): &(ConsumerInfo, Destination)| key(info, to).as_ref() == Some(gone);
        let left: Vec<Destination> =
            self.wishes.extract_if(.., |wish| of_it(wish)).map(|(_, to)| to).collect();
        for to in left.into_iter().filter(|_| self.conduit) {
            if !self.wishes.iter().any(|(info, at)| *at == to && key(info, at).is_some()) {
                self.unconfirmed.remove(&to);
            }
        }
    }

    /// Every subscription that there should be, sorted.
    fn expected(&self) -> Vec<Described> {
        type Origin = Option<(Option<ConsumerId>, Option<Key>)>;
        let mut groups: BTreeMap<(Destination, Origin), (Vec<BrokerId>, bool)> = BTreeMap::new();
        for (info, to) in &self.wishes {
            let apart = !self.conduit
                || (to.kind().is_queue()
                    && info.network_subscription
                    && !self.conduit_network_queues);
            let far = info.network_consumer_path.clone().unwrap_or_default();
            let durable = key(info, to);
            let origin = match &durable {
                Some(_) => (None, durable.clone()),
                None => (far.first().cloned().flatten().or(info.consumer_id.clone()), None),
            };
            let path = path(info);
            let (lead, lasts) = groups
                .entry((to.clone(), Some(origin).filter(|_| apart)))
                .or_insert_with(|| (path.clone(), false));
            *lasts |= durable.is_some();
            if path.len() < lead.len() {
                *lead = path;
            }
        }
        for to in &self.unconfirmed {
            groups.entry((to.clone(), None)).or_default().1 = true;
        }
        let statics =
            self.standing.iter().map(|pattern| (pattern.address().clone(), Vec::new(), false));
        let followed = groups.into_iter().map(|((to, _), (lead, lasts))| (to, lead, lasts));
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
                DemandChange::Describe(info) => {
                    let number = info.consumer_id.as_ref().unwrap().value;
                    let old = self.0.insert(number, *info).expect("described but never made");
                    assert!(old.subscription_name.is_some());
                }
                DemandChange::Abolish(number) => {
                    let old = self.0.remove(&number).expect("abolished but never made");
                    assert!(old.subscription_name.is_some());
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
                let lasts = info.subscription_name.is_some();
                assert_eq!(lasts, info.client_id.is_some());
                (info.destination.clone().unwrap(), path, lasts)
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

fn durable(random: &mut fastrand::Rng) -> Key {
    let name = |random: &mut fastrand::Rng| Text::from(["x", "y"][random.usize(0..2)]);
    (Some(name(random)), name(random))
}

fn wish(random: &mut fastrand::Rng) -> ConsumerInfo {
    let mut info = plain_wish(random);
    if random.u8(0..3) == 0 {
        let (client, name) = durable(random);
        (info.client_id, info.subscription_name) = (client, Some(name));
    }
    info
}

fn plain_wish(random: &mut fastrand::Rng) -> ConsumerInfo {
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
            broker: "local".to_owned(),
            client_id: "NC_remote_inbound_local".to_owned(),
            force_durable: Vec::new(),
        });
        let mut model = Model { conduit, conduit_network_queues, ..Model::default() };
        let (mut subscriptions, mut changes) = (Subscriptions::default(), Vec::new());
        if random.bool() {
            let standing = DestinationPattern::parse("queue://s.>").unwrap();
            table.stand(&standing, &mut changes);
            model.standing.push(standing);
        }
        if random.bool() {
            let kept = ConsumerInfo {
                broker_path: Some(vec![Some(broker("remote").id)]),
                client_id: Some("former".into()),
                subscription_name: Some("NC-DS_local_a".into()),
                ..consumer("former", 1, &Destination::topic("a"))
            };
            table.restore(&kept, &mut changes);
            model.unconfirmed.insert(Destination::topic("a"));
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
                55..65 => {
                    let (client, name) = durable(&mut random);
                    let gone = DurableKey { client: client.clone(), name: name.clone() };
                    table.unsubscribed(&gone, &[], &mut changes);
                    model.unsubscribed(&(client, name));
                }
                65 => {
                    table.settle(&mut changes);
                    model.unconfirmed.clear();
                }
                66..95 => {
                    let connection = if random.bool() { "client" } else { "remote-bridge" };
                    let id = ConsumerId::new(&session(connection), random.i64(1..30));
                    table.remove(&id, &mut changes);
                    model.wishes.retain(|(info, to)| {
                        key(info, to).is_some() || info.consumer_id.as_ref() != Some(&id)
                    });
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
