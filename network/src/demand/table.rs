//! Which remote consumers stand behind which demand subscription.

use std::collections::HashMap;

use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConsumerId};
use ferrymq_openwire::text::Text;

use super::durable::{DurableKey, Source};
use super::members::{Members, Rank};
use super::policy::{DemandPolicy, Wish};
use crate::broker_path;
use crate::destination_pattern::DestinationPattern;

/// Number of a demand subscription within the bridge's local session.
pub type DemandNumber = i64;

/// What a change of remote demand asks of the local broker, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum DemandChange {
    /// Make this subscription.
    Subscribe(Box<ConsumerInfo>),
    /// End a subscription: nobody wants it any more.
    Unsubscribe(DemandNumber),
    /// End a subscription whose successor was just made: the same demand, described anew.
    Supersede(DemandNumber),
    /// Describe a durable subscription anew, which cannot have a successor beside it.
    Describe(Box<ConsumerInfo>),
    /// End a durable subscription for good, with what it keeps. Its successor, if it has one, was
    /// just made.
    Abolish(DemandNumber),
}

/// The remote consumers known, grouped into demands, each with one subscription here.
///
/// - With conduit subscriptions the consumers of one destination form one demand. Queue consumers
///   that are demand subscriptions of the remote broker stand alone (unless configured), so that
///   demands of different origin never keep each other alive around a cycle. Two of them for
///   the same consumer far away are one demand, whose nearer route is announced; the other is
///   remembered and takes over.
/// - A demand is described by its *lead*, the nearest of its consumers. When another one comes
///   to lead, the subscription is superseded, because the path that it announces decides who else
///   follows it.
/// - A demand asks for what any of its consumers wants: the selectors of all, joined by `OR`, within
///   bounds. When that changes, its subscription is superseded. A durable one asks for everything.
/// - A static demand has no consumers and never ends; consumers that it covers add nothing.
/// - A demand that a durable subscription is part of is durable: its own subscription here keeps
///   what is sent while there is no bridge. It ends when the last one unsubscribes, not when its
///   consumer goes. One that an earlier bridge left is taken up before anybody asks for it.
///
/// Every operation costs O(log n) in the number of consumers of one destination; static demands
/// are searched one by one.
#[derive(Debug)]
pub struct DemandTable {
    policy: DemandPolicy,
    demands: HashMap<DemandNumber, Demand>,
    /// Where the demand of a group is, its number changing when it is superseded.
    groups: HashMap<Group, DemandNumber>,
    /// The groups that a remote consumer belongs to (several if its address was composite), and
    /// its rank there.
    consumers: HashMap<Source, Vec<(Group, Rank)>>,
    standing: Vec<DestinationPattern>,
    /// The groups of each temporary destination, which ends with all its consumers at once.
    temporary: HashMap<Destination, Vec<Group>>,
    wildcard_topics: usize,
    next: DemandNumber,
    arrivals: u64,
}

#[derive(Debug)]
struct Demand {
    info: ConsumerInfo,
    /// Empty for a static demand. The first leads.
    members: Members,
    /// Its selector was refused: it takes everything.
    plain: bool,
    /// It was taken up from an earlier bridge, and may have members that are not known yet.
    unconfirmed: bool,
}

/// What is served by one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    destination: Destination,
    /// The one consumer or durable subscription, possibly far away, that a demand of its own
    /// serves.
    origin: Option<Source>,
}

impl Demand {
    fn is_durable(&self) -> bool {
        self.info.subscription_name.is_some()
    }

    fn has_durable_member(&self) -> bool {
        self.members.values().any(|wish| wish.durable)
    }
}

impl DemandTable {
    /// An empty table.
    pub fn new(policy: DemandPolicy) -> Self {
        Self {
            policy,
            demands: HashMap::new(),
            groups: HashMap::new(),
            consumers: HashMap::new(),
            standing: Vec::new(),
            temporary: HashMap::new(),
            wildcard_topics: 0,
            next: 1,
            arrivals: 0,
        }
    }

    /// The number of demand subscriptions.
    pub fn len(&self) -> usize {
        self.demands.len()
    }

    /// Whether there is no demand.
    pub fn is_empty(&self) -> bool {
        self.demands.is_empty()
    }

    /// The subscription of a demand, as the local broker was told.
    pub fn subscription(&self, number: DemandNumber) -> Option<&ConsumerInfo> {
        self.demands.get(&number).map(|demand| &demand.info)
    }

    /// The numbers of all demands, ascending.
    pub fn numbers(&self) -> Vec<DemandNumber> {
        let mut numbers: Vec<_> = self.demands.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Whether one message of a topic may reach several of these demands.
    pub fn topics_overlap(&self) -> bool {
        self.wildcard_topics > 0 || !self.policy.conduit
    }

    /// Adds a demand that no consumer has to ask for.
    pub fn stand(&mut self, pattern: &DestinationPattern, changes: &mut Vec<DemandChange>) {
        let group = Group { destination: pattern.address().clone(), origin: None };
        if self.groups.contains_key(&group) {
            return;
        }
        self.standing.push(pattern.clone());
        let info = self.policy.standing(pattern.address());
        self.insert(group, info, Members::default(), changes);
    }

    /// Takes up a durable subscription that an earlier bridge left at the local broker.
    pub fn restore(&mut self, kept: &ConsumerInfo, changes: &mut Vec<DemandChange>) {
        let Some(destination) = &kept.destination else { return };
        let group = Group { destination: destination.clone(), origin: None };
        if !self.groups.contains_key(&group) {
            let info = self.policy.restored(kept, destination);
            let number = self.insert(group, info, Members::default(), changes);
            if let Some(demand) = self.demands.get_mut(&number) {
                demand.unconfirmed = true;
            }
        }
    }

    /// Everything that the remote broker wants is known: what was taken up from an earlier bridge
    /// and nobody asks for ends.
    pub fn settle(&mut self, changes: &mut Vec<DemandChange>) {
        let unconfirmed = self.groups.iter().filter_map(|(group, number)| {
            let demand = self.demands.get(number)?;
            demand.unconfirmed.then(|| (*number, group.clone()))
        });
        let mut unconfirmed: Vec<_> = unconfirmed.collect();
        unconfirmed.sort_unstable_by_key(|(number, _)| *number);
        for (number, group) in unconfirmed {
            let Some(demand) = self.demands.get_mut(&number) else { continue };
            demand.unconfirmed = false;
            if !demand.members.is_empty() {
                self.lead_anew(&group, number, changes);
            } else if !self.stands(&group.destination) {
                self.take(&group, number);
                changes.push(DemandChange::Abolish(number));
            }
        }
    }

    /// A remote consumer wants a destination (one of its destinations, if its address is
    /// composite). Saying so again changes nothing, except for a durable subscription's path.
    pub fn add(
        &mut self,
        info: &ConsumerInfo,
        destination: &Destination,
        changes: &mut Vec<DemandChange>,
    ) {
        let Some(source) = Source::of(info, destination) else { return };
        let wish = Wish::of(info, source, self.policy.forces(destination));
        let covered = |pattern: &DestinationPattern| {
            pattern.matches(destination) && (!wish.durable || self.policy.forces(pattern.address()))
        };
        if self.standing.iter().any(covered) {
            return;
        }
        self.arrivals += 1;
        let rank = (wish.path.len(), self.arrivals);
        // Nearly always one.
        let one = || Vec::with_capacity(1);
        let known = self.consumers.entry(wish.source.clone()).or_insert_with(one);
        if let Some(at) = known.iter().position(|(group, _)| group.destination == *destination) {
            return self.say_again(at, rank, wish, changes);
        }
        let group = self.group(info, destination, &wish.source);
        self.consumers.entry(wish.source.clone()).or_default().push((group.clone(), rank));
        match self.groups.get(&group).copied() {
            None => {
                let info = self.policy.following(info, &wish, destination);
                self.insert(group, info, Members::of(rank, wish), changes);
            }
            Some(number) => {
                if let Some(demand) = self.demands.get_mut(&number) {
                    demand.members.insert(rank, wish);
                }
                self.lead_anew(&group, number, changes);
            }
        }
    }

    /// A wish that is known is announced again. A consumer's stays as it was; a durable
    /// subscription may have come to be reached over another path.
    fn say_again(&mut self, at: usize, rank: Rank, wish: Wish, changes: &mut Vec<DemandChange>) {
        if matches!(wish.source, Source::Consumer(_)) {
            return;
        }
        let known = self.consumers.get_mut(&wish.source);
        let Some((group, former)) = known.and_then(|known| known.get_mut(at)) else { return };
        let Some(number) = self.groups.get(group).copied() else { return };
        let Some(demand) = self.demands.get_mut(&number) else { return };
        if demand.members.get(former).is_some_and(|known| known.path == wish.path) {
            return;
        }
        demand.members.remove(former);
        *former = rank;
        demand.members.insert(rank, wish);
        let group = group.clone();
        self.lead_anew(&group, number, changes);
    }

    /// A remote consumer is gone. One that is not known, or that has a durable subscription,
    /// changes nothing.
    pub fn remove(&mut self, consumer: &ConsumerId, changes: &mut Vec<DemandChange>) {
        self.leave(&Source::Consumer(consumer.clone()), &[], changes);
    }

    /// A durable subscription of the remote broker wants nothing any more, except `still`.
    pub fn unsubscribed(
        &mut self,
        durable: &DurableKey,
        still: &[Destination],
        changes: &mut Vec<DemandChange>,
    ) {
        self.leave(&Source::Durable(durable.clone()), still, changes);
    }

    /// Those of the durable subscriptions of this name that a bridge of `owner` has, but that are
    /// named after a client beyond it.
    pub fn misnamed(&self, name: &Text, owner: &str) -> Vec<DurableKey> {
        let durables = self.consumers.keys().filter_map(|source| match source {
            Source::Durable(key) => Some(key),
            Source::Consumer(_) => None,
        });
        durables.filter(|key| key.name == *name && key.is_misnamed(owner)).cloned().collect()
    }

    fn leave(&mut self, source: &Source, still: &[Destination], changes: &mut Vec<DemandChange>) {
        let Some(member_of) = self.consumers.remove(source) else { return };
        let (stays, leaves): (Vec<_>, Vec<_>) =
            member_of.into_iter().partition(|(group, _)| still.contains(&group.destination));
        if !stays.is_empty() {
            self.consumers.insert(source.clone(), stays);
        }
        for (group, rank) in leaves {
            let Some(number) = self.groups.get(&group).copied() else { continue };
            let Some(demand) = self.demands.get_mut(&number) else { continue };
            demand.members.remove(&rank);
            let durable = demand.is_durable();
            if matches!(source, Source::Durable(_)) && !demand.has_durable_member() {
                // As ActiveMQ: the last one that is known stands for those that are not.
                demand.unconfirmed = false;
            }
            if !demand.members.is_empty() {
                self.lead_anew(&group, number, changes);
            } else if !self.stands(&group.destination) {
                self.take(&group, number);
                changes.push(if durable {
                    DemandChange::Abolish(number)
                } else {
                    DemandChange::Unsubscribe(number)
                });
            }
        }
    }

    /// Whether a demand is static.
    fn stands(&self, destination: &Destination) -> bool {
        self.standing.iter().any(|pattern| pattern.address() == destination)
    }

    /// A temporary destination is gone, and with it whoever consumed from it: a broker need not say
    /// so of each.
    pub fn remove_temporary(&mut self, destination: &Destination, changes: &mut Vec<DemandChange>) {
        for group in self.temporary.get(destination).cloned().unwrap_or_default() {
            changes.extend(self.forget_group(&group).map(DemandChange::Unsubscribe));
        }
    }

    /// The local broker refused a demand's subscription. One with a selector is made anew without,
    /// because the remote broker may know expressions that the local one does not: then this is
    /// true.
    pub fn simplify(&mut self, number: DemandNumber, changes: &mut Vec<DemandChange>) -> bool {
        let Some(demand) = self.demands.get(&number) else { return false };
        if demand.info.selector.is_none() || demand.is_durable() {
            return false;
        }
        let group = self.groups.iter().find(|(_, at)| **at == number).map(|(group, _)| group);
        let Some(group) = group.cloned() else { return false };
        let Some(demand) = self.take(&group, number) else { return false };
        let info = ConsumerInfo { selector: None, ..demand.info };
        let successor = self.insert(group, info, demand.members, changes);
        if let Some(demand) = self.demands.get_mut(&successor) {
            demand.plain = true;
        }
        true
    }

    /// The local broker refused a demand's subscription: it and its consumers are forgotten.
    pub fn forget(&mut self, number: DemandNumber) {
        let group = self.groups.iter().find(|(_, at)| **at == number).map(|(group, _)| group);
        if let Some(group) = group.cloned() {
            self.forget_group(&group);
        }
    }

    fn forget_group(&mut self, group: &Group) -> Option<DemandNumber> {
        let number = self.groups.get(group).copied()?;
        let demand = self.take(group, number)?;
        self.standing.retain(|pattern| *pattern.address() != group.destination);
        for Wish { source, .. } in demand.members.values() {
            if let Some(member_of) = self.consumers.get_mut(source) {
                member_of.retain(|(other, _)| other != group);
                if member_of.is_empty() {
                    self.consumers.remove(source);
                }
            }
        }
        Some(number)
    }

    fn group(&self, info: &ConsumerInfo, to: &Destination, source: &Source) -> Group {
        let merges = self.policy.conduit
            && (!to.kind().is_queue()
                || !info.network_subscription
                || self.policy.conduit_network_queues);
        let origin = || match source {
            Source::Durable(_) => source.clone(),
            Source::Consumer(_) => {
                let far = info.network_consumer_path.iter().flatten().flatten().next();
                far.cloned().map_or_else(|| source.clone(), Source::Consumer)
            }
        };
        Group { destination: to.clone(), origin: (!merges).then(origin) }
    }

    fn insert(
        &mut self,
        group: Group,
        mut info: ConsumerInfo,
        members: Members,
        changes: &mut Vec<DemandChange>,
    ) -> DemandNumber {
        let number = self.next;
        self.next += 1;
        info.consumer_id = Some(ConsumerId::new(&self.policy.session, number));
        self.wildcard_topics += usize::from(is_wildcard_topic(&group.destination));
        changes.push(DemandChange::Subscribe(Box::new(info.clone())));
        self.demands.insert(number, Demand { info, members, plain: false, unconfirmed: false });
        if group.destination.kind().is_temporary() {
            self.temporary.entry(group.destination.clone()).or_default().push(group.clone());
        }
        self.groups.insert(group, number);
        number
    }

    fn take(&mut self, group: &Group, number: DemandNumber) -> Option<Demand> {
        self.groups.remove(group);
        let demand = self.demands.remove(&number)?;
        if let Some(groups) = self.temporary.get_mut(&group.destination) {
            groups.retain(|other| other != group);
            if groups.is_empty() {
                self.temporary.remove(&group.destination);
            }
        }
        self.wildcard_topics -= usize::from(is_wildcard_topic(&group.destination));
        Some(demand)
    }

    /// Makes a demand's subscription fit its members again: durable if one of them is, and with
    /// the path of the one that leads.
    fn lead_anew(&mut self, group: &Group, number: DemandNumber, changes: &mut Vec<DemandChange>) {
        let Some(demand) = self.demands.get_mut(&number) else { return };
        let Some(lead) = demand.members.values().next() else { return };
        let durable = demand.unconfirmed || demand.has_durable_member();
        let was_durable = demand.is_durable();
        let selector = match (durable, self.policy.conduit) {
            (true, true) => None,
            (true, false) => demand.info.selector.clone(),
            (false, _) => demand.members.selector().filter(|_| !demand.plain),
        };
        let selects = was_durable || demand.info.selector == selector;
        if durable == was_durable && selects && announces(&demand.info, &lead.path) {
            return;
        }
        let mut info = demand.info.clone();
        self.policy.lead(&mut info, lead);
        if !(durable && was_durable) {
            info.selector = selector;
        }
        let plain = demand.plain;
        if durable && was_durable {
            demand.info = info.clone();
            return changes.push(DemandChange::Describe(Box::new(info)));
        }
        if durable {
            let only = match &group.origin {
                Some(Source::Durable(key)) => Some(key),
                _ => None,
            };
            self.policy.make_durable(&mut info, &group.destination, only);
        } else {
            (info.subscription_name, info.client_id) = (None, None);
        }
        let Some(demand) = self.take(group, number) else { return };
        let successor = self.insert(group.clone(), info, demand.members, changes);
        if let Some(demand) = self.demands.get_mut(&successor) {
            demand.plain = plain;
        }
        changes.push(if was_durable {
            DemandChange::Abolish(number)
        } else {
            DemandChange::Supersede(number)
        });
    }
}

/// Whether a subscription's path goes on with this one; its own end is the remote broker.
fn announces(info: &ConsumerInfo, path: &[BrokerId]) -> bool {
    let mut announced = broker_path::brokers(info.broker_path.as_ref());
    let beyond = announced.by_ref().take(path.len());
    beyond.eq(path) && announced.count() == 1
}

fn is_wildcard_topic(destination: &Destination) -> bool {
    !destination.kind().is_queue() && DestinationPattern::of(destination).is_wildcard()
}
