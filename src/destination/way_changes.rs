//! What a queue does when ways to consumers come, go and change.

use std::collections::BTreeMap;

use ferrymq_openwire::ids::BrokerId;

use super::effects::Effects;
use super::former_ways::Waiting;
use super::queue::Queue;
use super::subscription::Subscription;
use super::ways::{Former, Route, ways};

/// How long what was answered may be on its way beyond the next broker, for each bridge there, in
/// milliseconds.
const UNDERWAY: i64 = 600;
/// How soon a way is looked at that has not run empty.
const AGAIN: i64 = 50;
/// For how long it is waited for at most.
const LONGEST: i64 = 5_000;

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
        self.former_ways.waiting.retain(|broker, _| by_broker.contains_key(broker));
        for (toward, slots) in by_broker {
            let routes: Vec<Route<'_>> = self.at(&slots).filter_map(route).collect();
            let ways = ways(&routes);
            let mut divided = false;
            for (slot, mut way) in ways {
                let Some(Some(one)) = self.slots.get_mut(slot) else { continue };
                divided |= way.divides_otherwise(&one.way) && in_use(one, now);
                way.new_until = one.way.new_until;
                way.former = std::mem::take(&mut one.way.former);
                let before = std::mem::replace(&mut one.way, way);
                // What one takes no more may be for another one, which refused it for its sake.
                self.opened |= before.refuses_more_than(&one.way);
                self.opened |= one.way.refuses_more_than(&before);
            }
            self.wait_for_former(toward, &slots, divided, now);
        }
    }

    /// Lets the nearest ways to a broker wait while another one is in use that was so until now, or
    /// each other if they are `divided` otherwise now.
    fn wait_for_former(&mut self, toward: BrokerId, slots: &[usize], divided: bool, now: i64) {
        let nearest = |one: &Subscription| !one.retired && one.way.is_nearest();
        let (mut next_brokers, mut former) =
            (Vec::new(), BTreeMap::<BrokerId, (usize, bool)>::new());
        for (_, one) in self.at(slots) {
            let Some(next) = one.asked.admission.next_broker() else { continue };
            if nearest(one) {
                next_brokers.push(next.clone());
            }
            if in_use(one, now) {
                let known = former.entry(next.clone()).or_default();
                *known = (known.0.max(one.asked.distance), known.1 | one.passes_on);
            }
        }
        if !divided {
            former.retain(|next, _| !next_brokers.contains(next));
        }
        if next_brokers.is_empty() || former.is_empty() {
            return;
        }
        let beyond = former.values().map(|(distance, _)| *distance).max();
        let beyond = beyond.map_or(1, |distance| distance.saturating_sub(1).max(1));
        let underway = UNDERWAY.saturating_mul(i64::try_from(beyond).unwrap_or(1));
        let due = now.saturating_add(AGAIN);
        let fresh = Waiting { since: now, in_use: now, underway, due };
        let waiting = self.former_ways.waiting.entry(toward).or_insert(fresh);
        waiting.underway = waiting.underway.max(underway);
        for slot in slots {
            let one = self.slots.get_mut(*slot).and_then(Option::as_mut);
            if let Some(one) = one.filter(|one| nearest(one)) {
                let own = one.asked.admission.next_broker();
                for (next, (_, passes_on)) in former.iter().filter(|(next, _)| own != Some(next)) {
                    if !one.way.former.iter().any(|known| known.next == *next) {
                        one.way.former.push(Former { next: next.clone(), passes_on: *passes_on });
                    }
                }
            }
        }
    }

    /// Ends the wait for ways that have run empty.
    pub(super) fn look_at_former_ways(&mut self, now: i64, effects: &mut Effects) {
        if self.former_ways.next_due().is_none_or(|due| due > now) {
            return;
        }
        let mut over = Vec::new();
        let slots = &self.slots;
        self.former_ways.waiting.retain(|broker, waiting| {
            if waiting.due > now {
                return true;
            }
            let leads = |(slot, one): (usize, &Option<Subscription>)| {
                one.as_ref().filter(|one| toward(one) == Some(broker)).map(|_| slot)
            };
            let leading: Vec<usize> = slots.iter().enumerate().filter_map(leads).collect();
            let all = || leading.iter().filter_map(|slot| slots.get(*slot)).flatten();
            let is_former = |one: &Subscription| {
                let next = one.asked.admission.next_broker();
                all().any(|other| other.way.former.iter().any(|former| next == Some(&former.next)))
            };
            if all().any(|one| one.window.len() > 0 && is_former(one)) {
                waiting.in_use = now;
            }
            waiting.due = now.saturating_add(AGAIN);
            let empty = now.saturating_sub(waiting.in_use) >= waiting.underway;
            let ends = empty || now.saturating_sub(waiting.since) >= LONGEST;
            if ends {
                over.extend(leading);
            }
            !ends
        });
        for slot in over {
            if let Some(one) = self.slots.get_mut(slot).and_then(Option::as_mut) {
                self.opened |= !std::mem::take(&mut one.way.former).is_empty();
            }
        }
        if self.opened {
            self.reconsider(now, effects);
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
    let (outstanding, settled) = (subscription.window.len(), subscription.window.settled_at());
    outstanding > 0 || settled != 0 && now.saturating_sub(settled) < UNDERWAY
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
