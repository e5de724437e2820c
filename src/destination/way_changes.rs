//! What a queue does when ways to consumers come, go and change.

use std::collections::BTreeMap;

use ferrymq_openwire::ids::BrokerId;

use super::effects::Effects;
use super::queue::Queue;
use super::subscription::Subscription;
use super::ways::{Route, ways};

/// How long after the last answer what was sent by a way may still be on its way beyond the next
/// broker, in milliseconds.
const UNDERWAY: i64 = 250;
/// How soon a way is looked at that has not run empty.
const AGAIN: i64 = 50;
/// For how long nothing may be answered before it is not waited for any longer.
const LONGEST: i64 = 5_000;

/// Ways that were found while another one to the same broker was in use: they wait until that has
/// run empty, so that nothing overtakes what it carries.
#[derive(Debug, Default)]
pub(super) struct ClosedWays {
    /// By the broker that they lead to.
    waiting: BTreeMap<BrokerId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// When something was last seen to be answered, or the wait began.
    progress: i64,
    /// When something was last seen to be on its way.
    in_use: i64,
    /// When to look again.
    due: i64,
}

impl ClosedWays {
    /// When to [look](Queue::open_ways).
    pub(super) fn next_due(&self) -> Option<i64> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }
}

impl Queue {
    /// A bridge's subscription has come or gone: others may be nearest now, and are to be
    /// [reconsidered](Self::reconsider).
    pub(super) fn rank_ways(&mut self, now: i64) {
        let mut by_broker = BTreeMap::<BrokerId, Vec<usize>>::new();
        for (slot, one) in self.slots.iter().enumerate() {
            if let Some(toward) = one.as_ref().and_then(toward) {
                by_broker.entry(toward.clone()).or_default().push(slot);
            }
        }
        self.closed_ways.waiting.retain(|broker, _| by_broker.contains_key(broker));
        for (toward, slots) in by_broker {
            let routes: Vec<Route<'_>> = self.at(&slots).filter_map(route).collect();
            let ways = ways(&routes);
            let mut divided = false;
            for (slot, mut way) in ways {
                let Some(Some(one)) = self.slots.get_mut(slot) else { continue };
                divided |= way.divides_otherwise(&one.way) && in_use(one, now);
                way.new_until = one.way.new_until;
                let before = std::mem::replace(&mut one.way, way);
                self.opened |= before.refuses_more_than(&one.way);
            }
            self.close_ways(toward, &slots, divided, now);
        }
    }

    /// Closes the nearest ways to a broker while another one is in use, or if they are `divided`
    /// otherwise now.
    fn close_ways(&mut self, toward: BrokerId, slots: &[usize], divided: bool, now: i64) {
        let nearest = |one: &Subscription| !one.retired && one.way.is_nearest();
        let next_brokers: Vec<&BrokerId> = self
            .at(slots)
            .filter(|(_, one)| nearest(one))
            .filter_map(|(_, one)| one.asked.admission.next_broker())
            .collect();
        let other_in_use = self.at(slots).any(|(_, one)| {
            let next = one.asked.admission.next_broker();
            in_use(one, now) && next.is_some_and(|next| !next_brokers.contains(&next))
        });
        let waits = self.closed_ways.waiting.contains_key(&toward);
        if next_brokers.is_empty() || !(divided || other_in_use || waits) {
            return;
        }
        let due = now.saturating_add(AGAIN);
        let waiting = Waiting { progress: now, in_use: now, due };
        self.closed_ways.waiting.entry(toward).or_insert(waiting);
        for slot in slots {
            let one = self.slots.get_mut(*slot).and_then(Option::as_mut);
            if let Some(one) = one.filter(|one| nearest(one)) {
                one.closed = true;
                self.rest(*slot);
            }
        }
    }

    /// Opens the ways whose predecessors have run empty.
    pub(super) fn open_ways(&mut self, now: i64, effects: &mut Effects) {
        if self.closed_ways.next_due().is_none_or(|due| due > now) {
            return;
        }
        let mut opening = Vec::new();
        let slots = &self.slots;
        self.closed_ways.waiting.retain(|broker, waiting| {
            let leads = |(slot, one): (usize, &Option<Subscription>)| {
                one.as_ref().filter(|one| toward(one) == Some(broker)).map(|_| slot)
            };
            let leading: Vec<usize> = slots.iter().enumerate().filter_map(leads).collect();
            for one in leading.iter().filter_map(|slot| slots.get(*slot)).flatten() {
                waiting.progress = waiting.progress.max(one.window.settled_at());
                if one.window.len() > 0 {
                    waiting.in_use = now;
                }
            }
            waiting.due = now.saturating_add(AGAIN);
            let empty = now.saturating_sub(waiting.in_use) >= UNDERWAY;
            let stuck = now.saturating_sub(waiting.progress) >= LONGEST;
            if empty || stuck {
                opening.extend(leading);
            }
            !(empty || stuck)
        });
        for slot in &opening {
            if let Some(one) = self.slots.get_mut(*slot).and_then(Option::as_mut) {
                one.closed = false;
            }
        }
        for slot in opening {
            self.fill(slot, now, effects);
        }
    }

    fn at<'a>(&'a self, slots: &'a [usize]) -> impl Iterator<Item = (usize, &'a Subscription)> {
        slots.iter().filter_map(|slot| Some((*slot, self.slots.get(*slot)?.as_ref()?)))
    }
}

/// The broker whose consumers a bridge's subscription leads to, even if it only waits for answers.
fn toward(subscription: &Subscription) -> Option<&BrokerId> {
    subscription.asked.route.first().filter(|_| subscription.asked.network)
}

/// Whether what was sent by a way may not have arrived.
fn in_use(subscription: &Subscription, now: i64) -> bool {
    let window = &subscription.window;
    window.len() > 0 || now.saturating_sub(window.settled_at()) < UNDERWAY
}

/// Where a bridge's subscription leads, while it does.
fn route((slot, subscription): (usize, &Subscription)) -> Option<Route<'_>> {
    let asked = &subscription.asked;
    let admission = &asked.admission;
    Some(Route {
        slot,
        next: admission.next_broker().filter(|_| !subscription.retired)?,
        brokers: &asked.route,
        distance: asked.distance,
        takes_all: admission.selects_all() && !asked.exclusive && !admission.limits_hops(),
        keeps_to_ways: asked.settling == 0,
        exclusive: asked.exclusive,
    })
}
