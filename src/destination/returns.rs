//! What may go back to brokers that it has visited (ActiveMQ's `replayWhenNoConsumers`).

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_network::rules::verdict::Verdict;
use ferrymq_openwire::ids::BrokerId;

use super::admission::NotAdmitted;
use super::doubts::{Bar, Doubts};
use super::entry::Entry;
use super::exclusive::Exclusives;
use super::handed::Handed;
use super::ready::ReadyRing;
use super::subscription::Subscription;

/// After the whole backlog was gone through because a consumer went, it is left alone for a
/// millisecond for each so many messages: consumers that come and go take a part of the time at most.
const SCANNED_EACH_MILLISECOND: usize = 100;
/// In milliseconds.
const LONGEST_REST: i64 = 10_000;

/// Whether a message may go to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It may.
    Admitted,
    /// It may not.
    Refused,
    /// It may if a consumer or a demand goes.
    UnlessOthersGo,
    /// It may not before this time.
    NotBefore(i64),
    /// It may not yet; it is offered again when it may.
    NotYet,
    /// It may when it is its turn: the next ones come at this time.
    InTurn(i64),
    /// It may once a mark over it is durable.
    Unmarked,
    /// Whether it may shows at this time. Until then the subscription gets nothing, so that what comes
    /// later does not overtake it.
    Shows(i64),
}

/// A queue's messages that may go back, or may later.
#[derive(Debug)]
pub(super) struct Returns {
    policy: ReplayPolicy,
    /// What nobody may have yet.
    pub(super) held_back: BTreeSet<i64>,
    /// What is for one broker only, for a while.
    pub(super) doubts: Doubts,
    /// How far bridges were handed what a store keeps.
    pub(super) handed: Option<Box<Handed>>,
    /// When to ask again, and about which. One that has gone meanwhile is passed over.
    due: BTreeSet<(i64, i64)>,
    /// The same by message: each has one time.
    times: BTreeMap<i64, i64>,
    /// By slot: what waits for its turn there.
    turns: BTreeMap<usize, Line>,
    /// When subscriptions go on that get nothing before, and in which slots they are.
    resuming: BTreeSet<(i64, usize)>,
    /// Who refused the message that is being offered, with whom it waits for its turn, and when it
    /// may be offered again; reused.
    refusals: Vec<usize>,
    in_turn: Vec<(usize, i64)>,
    again: Option<i64>,
    /// Who may have it once a mark is durable; reused.
    unmarked: Vec<usize>,
    /// Until when the whole backlog is not gone through again, and whether that is wanted then.
    rests_until: i64,
    wanted: bool,
    /// How often [`judge`](Self::judge) was asked.
    #[cfg(test)]
    pub(super) judged: std::cell::Cell<usize>,
}

/// Messages that wait until a bridge's rate lets them go back, in their order. One that has gone
/// meanwhile is passed over.
#[derive(Debug, Default)]
struct Line {
    /// When the next ones go; none: once the subscription has room.
    at: Option<i64>,
    waiting: BTreeSet<i64>,
}

impl Returns {
    /// How.
    pub(super) fn policy(&self) -> &ReplayPolicy {
        &self.policy
    }

    pub(super) fn new(policy: ReplayPolicy) -> Self {
        Self {
            policy,
            held_back: BTreeSet::new(),
            doubts: Doubts::new(0),
            handed: None,
            due: BTreeSet::new(),
            times: BTreeMap::new(),
            turns: BTreeMap::new(),
            resuming: BTreeSet::new(),
            refusals: Vec::new(),
            in_turn: Vec::new(),
            again: None,
            unmarked: Vec::new(),
            rests_until: i64::MIN,
            wanted: false,
            #[cfg(test)]
            judged: std::cell::Cell::default(),
        }
    }

    /// Takes the first subscription out of the ring that may have the message; those that may, and
    /// have no room in a window that they share, go to `full`. If there is none,
    /// [`settle_refusals`](Self::settle_refusals) is to be called.
    pub(super) fn choose(
        &mut self,
        ready: &mut ReadyRing,
        slots: &[Option<Subscription>],
        exclusives: &Exclusives,
        entry: &Entry,
        full: &mut Vec<usize>,
        now: i64,
    ) -> Option<usize> {
        self.refusals.clear();
        self.in_turn.clear();
        self.unmarked.clear();
        let mut refusals = std::mem::take(&mut self.refusals);
        let mut unmarked = std::mem::take(&mut self.unmarked);
        let mut resuming = std::mem::take(&mut self.resuming);
        let (mut in_turn, mut again) = (std::mem::take(&mut self.in_turn), None);
        let chosen =
            ready.take_first(|slot| match self.judge(slots, exclusives, slot, entry, now) {
                Judgement::Admitted => {
                    let taker = slots.get(slot).and_then(Option::as_ref);
                    let has_room = taker.is_some_and(|taker| taker.asked.reserves());
                    if !has_room {
                        full.push(slot);
                    }
                    has_room
                }
                Judgement::Refused | Judgement::NotYet => false,
                Judgement::UnlessOthersGo => {
                    refusals.push(slot);
                    false
                }
                Judgement::NotBefore(at) => {
                    again = Some(again.map_or(at, |other: i64| other.min(at)));
                    false
                }
                Judgement::InTurn(at) => {
                    in_turn.push((slot, at));
                    false
                }
                Judgement::Unmarked => {
                    unmarked.push(slot);
                    false
                }
                Judgement::Shows(at) => {
                    resuming.insert((at, slot));
                    full.push(slot);
                    refusals.push(slot);
                    false
                }
            });
        (self.refusals, self.in_turn, self.again) = (refusals, in_turn, again);
        self.unmarked = unmarked;
        self.resuming = resuming;
        chosen
    }

    /// The message that was offered last, to nobody's use, stays pending.
    pub(super) fn settle_refusals(&mut self, sequence: i64, mut refused: impl FnMut(usize)) {
        self.refusals.drain(..).for_each(&mut refused);
        if let Some(at) = self.again.take() {
            self.ask_at(at, sequence);
        }
        let mut in_turn = std::mem::take(&mut self.in_turn);
        for (slot, at) in in_turn.drain(..) {
            self.line_up(slot, at, sequence);
        }
        self.in_turn = in_turn;
    }

    /// The same message: a subscription that may have it once a mark is durable.
    pub(super) fn next_unmarked(&mut self) -> Option<usize> {
        self.unmarked.pop()
    }

    /// A message stays pending that the subscription in a slot was asked about.
    pub(super) fn note(&mut self, slot: usize, judgement: Judgement, sequence: i64) {
        match judgement {
            Judgement::NotBefore(at) => self.ask_at(at, sequence),
            Judgement::InTurn(at) => self.line_up(slot, at, sequence),
            Judgement::Shows(at) => self.resume(at, slot),
            Judgement::Admitted
            | Judgement::Refused
            | Judgement::UnlessOthersGo
            | Judgement::Unmarked
            | Judgement::NotYet => {}
        }
    }

    /// A message may be at this broker already.
    pub(super) fn doubt(&mut self, sequence: i64, at: &BrokerId, now: i64) {
        if let Some(until) = self.doubts.hold(sequence, at, now) {
            self.ask_at(until, sequence);
        }
    }

    fn ask_at(&mut self, at: i64, sequence: i64) {
        match self.times.get(&sequence) {
            Some(before) if *before <= at => return,
            Some(before) => self.due.remove(&(*before, sequence)),
            None => false,
        };
        self.times.insert(sequence, at);
        self.due.insert((at, sequence));
    }

    fn line_up(&mut self, slot: usize, at: i64, sequence: i64) {
        let line = self.turns.entry(slot).or_default();
        line.at = Some(at);
        line.waiting.insert(sequence);
    }

    /// A message keeps its place in a line, until the subscription has room.
    pub(super) fn back_in_line(&mut self, slot: usize, sequence: i64) {
        self.turns.entry(slot).or_default().waiting.insert(sequence);
    }

    /// When there is something to ask again.
    pub(super) fn next_due(&self) -> Option<i64> {
        let asked = self.due.first().map(|(at, _)| *at);
        let turn = self.turns.values().filter_map(|line| line.at).min();
        let rested = self.wanted.then_some(self.rests_until);
        let resumes = self.resuming.first().map(|(at, _)| *at);
        let ends = self.doubts.next_end();
        asked.into_iter().chain(turn).chain(rested).chain(resumes).chain(ends).min()
    }

    /// Whether to go through the whole backlog now, if that is `wanted`; it is due later if not.
    pub(super) fn scans(&mut self, wanted: bool, now: i64) -> bool {
        self.wanted = wanted && now < self.rests_until;
        wanted && !self.wanted
    }

    /// Whether the whole backlog is to be gone through by now.
    pub(super) fn is_rested(&self, now: i64) -> bool {
        self.wanted && now >= self.rests_until
    }

    /// So many messages were gone through: the next time comes after a while.
    pub(super) fn rest(&mut self, scanned: usize, now: i64) {
        let pause = i64::try_from(scanned / SCANNED_EACH_MILLISECOND).unwrap_or(LONGEST_REST);
        self.rests_until = now.saturating_add(pause.min(LONGEST_REST));
    }

    /// A slot in which the next ones have their turn by now.
    pub(super) fn take_turn(&mut self, now: i64) -> Option<usize> {
        let due = |(_, line): &(&usize, &mut Line)| line.at.is_some_and(|at| at <= now);
        let (slot, line) = self.turns.iter_mut().find(due)?;
        line.at = None;
        Some(*slot)
    }

    /// Whether anything is in line for a slot.
    pub(super) fn has_line(&self, slot: usize) -> bool {
        self.turns.contains_key(&slot)
    }

    /// The next one in line for a slot, which leaves the line.
    pub(super) fn next_in_line(&mut self, slot: usize) -> Option<i64> {
        let line = self.turns.get_mut(&slot)?;
        let next = line.waiting.pop_first();
        if next.is_none() {
            self.turns.remove(&slot);
        }
        next
    }

    /// The subscription in a slot goes on at this time with what it has not tested.
    pub(super) fn resume(&mut self, at: i64, slot: usize) {
        self.resuming.insert((at, slot));
    }

    /// Whether the subscription in a slot waits to go on.
    #[cfg(test)]
    pub(super) fn resumes(&self, slot: usize) -> bool {
        self.resuming.iter().any(|(_, other)| *other == slot)
    }

    /// The slots whose subscriptions go on by now.
    pub(super) fn take_resuming(&mut self, now: i64) -> Vec<usize> {
        let mut slots = Vec::new();
        while let Some(first) = self.resuming.first().copied().filter(|(at, _)| *at <= now) {
            self.resuming.remove(&first);
            slots.push(first.1);
        }
        slots
    }

    /// The subscription in a slot is gone.
    pub(super) fn forget(&mut self, slot: usize) {
        self.turns.remove(&slot);
        self.resuming.retain(|(_, other)| *other != slot);
    }

    /// What is to be asked again by now.
    pub(super) fn take_due(&mut self, now: i64) -> Option<i64> {
        let (at, sequence) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        self.times.remove(&sequence);
        Some(sequence)
    }

    /// Counts a message that goes to a subscription, if it goes back.
    pub(super) fn count(&self, to: &mut Subscription, entry: &Entry, now: i64) {
        if self.policy.rate_limit > 0
            && let Some(broker) = to.asked.admission.next_broker()
            && entry.message.broker_path_contains(broker)
        {
            to.rate.count(&self.policy, now);
        }
    }

    /// When a subscription has its next turn, if its rate is used up.
    pub(super) fn next_turn(&self, subscription: &Subscription, now: i64) -> Option<i64> {
        subscription.rate.next_turn(&self.policy, now)
    }

    /// Whether a message may not go to a subscription because no mark says yet that it may have.
    fn is_unmarked(&self, subscription: &Subscription, entry: &Entry) -> bool {
        let (Some(mark), Some(handed)) = (subscription.mark, &self.handed) else { return false };
        entry.persistent && !handed.allows(mark, entry.sequence)
    }

    /// Whether a message may go to the subscription in a slot.
    pub(super) fn judge(
        &self,
        slots: &[Option<Subscription>],
        exclusives: &Exclusives,
        slot: usize,
        entry: &Entry,
        now: i64,
    ) -> Judgement {
        #[cfg(test)]
        self.judged.set(self.judged.get() + 1);
        let Some(subscription) = slots.get(slot).and_then(Option::as_ref) else {
            return Judgement::Refused;
        };
        let (message, redeliveries) = (&*entry.message, entry.redeliveries);
        if !self.held_back.is_empty() && self.held_back.contains(&entry.sequence) {
            return Judgement::NotYet;
        }
        let next = subscription.asked.admission.next_broker();
        if subscription.asked.settles() {
            let asked = next.is_some_and(|at| self.doubts.may_be_at(entry.sequence, at));
            return if asked { Judgement::Admitted } else { Judgement::Refused };
        }
        match self.doubts.bars(entry.sequence, next, now) {
            Some(Bar::Until(until)) => return Judgement::NotBefore(until),
            Some(Bar::Held) => return Judgement::NotYet,
            None => {}
        }
        let others = slots
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != slot && exclusives.let_in(*other));
        let others = others.filter_map(|(_, other)| other.as_ref());
        let others = others.filter(|other| !other.retired).map(Subscription::contender);
        let next_turn = || self.next_turn(subscription, now);
        let to = subscription.contender();
        match to.check(&self.policy, next_turn, others, message, redeliveries, now) {
            Ok(()) if self.is_unmarked(subscription, entry) => Judgement::Unmarked,
            Ok(()) => Judgement::Admitted,
            Err(NotAdmitted::Bridge(verdict)) if verdict.depends_on_others() => {
                Judgement::UnlessOthersGo
            }
            Err(NotAdmitted::Bridge(Verdict::RateLimited { until })) => Judgement::InTurn(until),
            Err(NotAdmitted::Bridge(Verdict::NewWay { until })) => Judgement::Shows(until),
            Err(NotAdmitted::Bridge(verdict)) => {
                verdict.until().map_or(Judgement::Refused, Judgement::NotBefore)
            }
            Err(_) => Judgement::Refused,
        }
    }
}

/// How many ways a scan of the backlog knows at a time.
const WAYS: usize = 256;

/// The messages of a queue, judged for one subscription one after the other.
///
/// Those that came the same way are refused for the same reason, unless a selector has a say. So a
/// long backlog is passed over at little cost.
#[derive(Default)]
pub(super) struct Judging {
    /// What is refused on account of its way, by that way.
    refused: BTreeMap<Box<[u8]>, Judgement>,
    /// Whether a selector or the producer has a say; not known before it matters.
    selective: Option<bool>,
}

impl Judging {
    /// Whether a message may go to the subscription in `slot`, which is the same in each call.
    pub(super) fn judge(
        &mut self,
        returns: &Returns,
        slots: &[Option<Subscription>],
        exclusives: &Exclusives,
        slot: usize,
        entry: &Entry,
        now: i64,
    ) -> Judgement {
        // One that is too large is refused for a reason that others of its way need not share.
        let to = slots.get(slot).and_then(Option::as_ref);
        let fits = to.is_none_or(|to| to.asked.admission.fits(&entry.message));
        let shares = fits && entry.message.toward().is_none();
        if let Some(judgement) = self.refused.get(entry.message.way()).filter(|_| shares) {
            return *judgement;
        }
        let judgement = returns.judge(slots, exclusives, slot, entry, now);
        let by_way = matches!(judgement, Judgement::Refused | Judgement::UnlessOthersGo);
        if by_way && shares && self.refused.len() < WAYS && !self.is_selective(slots) {
            self.refused.insert(entry.message.way().into(), judgement);
        }
        judgement
    }

    fn is_selective(&mut self, slots: &[Option<Subscription>]) -> bool {
        *self.selective.get_or_insert_with(|| {
            slots
                .iter()
                .flatten()
                .any(|one| !one.asked.admission.selects_all() || one.way.divides())
        })
    }
}
