//! What may go back to brokers that it has visited (ActiveMQ's `replayWhenNoConsumers`).

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_network::rules::verdict::Verdict;

use super::admission::NotAdmitted;
use super::contender::check_return;
use super::entry::Entry;
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
}

/// A queue's messages that may go back, or may later.
#[derive(Debug)]
pub(super) struct Returns {
    policy: ReplayPolicy,
    /// When to ask again, and about which. One that has gone meanwhile is passed over.
    due: BTreeSet<(i64, i64)>,
    /// Who refused the message that is being offered, and when it may be offered again; reused.
    refusals: Vec<usize>,
    again: Option<i64>,
    /// Until when the whole backlog is not gone through again, and whether that is wanted then.
    rests_until: i64,
    wanted: bool,
    /// How often [`judge`](Self::judge) was asked.
    #[cfg(test)]
    pub(super) judged: std::cell::Cell<usize>,
}

impl Returns {
    /// How.
    pub(super) fn policy(&self) -> &ReplayPolicy {
        &self.policy
    }

    pub(super) fn new(policy: ReplayPolicy) -> Self {
        Self {
            policy,
            due: BTreeSet::new(),
            refusals: Vec::new(),
            again: None,
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
        entry: &Entry,
        full: &mut Vec<usize>,
        now: i64,
    ) -> Option<usize> {
        self.refusals.clear();
        self.again = None;
        let (mut refusals, mut again) = (std::mem::take(&mut self.refusals), None);
        let chosen = ready.take_first(|slot| match self.judge(slots, slot, entry, now) {
            Judgement::Admitted => {
                let taker = slots.get(slot).and_then(Option::as_ref);
                let has_room = taker.is_some_and(|taker| taker.asked.reserves());
                if !has_room {
                    full.push(slot);
                }
                has_room
            }
            Judgement::Refused => false,
            Judgement::UnlessOthersGo => {
                refusals.push(slot);
                false
            }
            Judgement::NotBefore(at) => {
                again = Some(again.map_or(at, |other: i64| other.min(at)));
                false
            }
        });
        (self.refusals, self.again) = (refusals, again);
        chosen
    }

    /// The message that was offered last, to nobody's use, stays pending.
    pub(super) fn settle_refusals(&mut self, sequence: i64, mut refused: impl FnMut(usize)) {
        self.refusals.drain(..).for_each(&mut refused);
        self.due.extend(self.again.take().map(|at| (at, sequence)));
    }

    /// A message stays pending that one subscription was asked about.
    pub(super) fn note(&mut self, judgement: Judgement, sequence: i64) {
        if let Judgement::NotBefore(at) = judgement {
            self.due.insert((at, sequence));
        }
    }

    /// When there is something to ask again.
    pub(super) fn next_due(&self) -> Option<i64> {
        let due = self.due.first().map(|(at, _)| *at);
        let rested = self.wanted.then_some(self.rests_until);
        due.into_iter().chain(rested).min()
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

    /// What is to be asked again by now.
    pub(super) fn take_due(&mut self, now: i64) -> Option<i64> {
        let (at, sequence) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
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
        subscription.rate.next_turn(&self.policy, self.due.len(), now)
    }

    /// Whether nothing may go back because of a consumer here that wants everything.
    pub(super) fn nothing_goes_back(&self, slots: &[Option<Subscription>]) -> bool {
        let asked = slots.iter().flatten().map(|subscription| &subscription.asked);
        let mut here = asked.filter(|asked| !asked.network && !asked.browser);
        here.any(|asked| !self.policy.selector_aware || !asked.admission.has_selector())
    }

    /// Whether a message may go to the subscription in a slot.
    pub(super) fn judge(
        &self,
        slots: &[Option<Subscription>],
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
        match subscription.asked.admission.check(message, redeliveries) {
            Ok(()) => return Judgement::Admitted,
            Err(NotAdmitted::Bridge(Verdict::AlreadyVisited { .. }))
                if self.policy.replay_when_no_consumers => {}
            Err(_) => return Judgement::Refused,
        }
        let others = slots.iter().enumerate().filter(|(other, _)| *other != slot);
        let others = others.filter_map(|(_, other)| Some(other.as_ref()?.asked.contender()));
        let next_turn = self.next_turn(subscription, now);
        let to = subscription.asked.contender();
        match check_return(&self.policy, &to, next_turn, others, message, redeliveries, now) {
            Ok(()) => Judgement::Admitted,
            Err(NotAdmitted::Bridge(verdict)) if verdict.depends_on_others() => {
                Judgement::UnlessOthersGo
            }
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
    /// Whether a selector has a say; not known before it matters.
    selective: Option<bool>,
}

impl Judging {
    /// Whether a message may go to the subscription in `slot`, which is the same in each call.
    pub(super) fn judge(
        &mut self,
        returns: &Returns,
        slots: &[Option<Subscription>],
        slot: usize,
        entry: &Entry,
        now: i64,
    ) -> Judgement {
        if let Some(judgement) = self.refused.get(entry.message.way()) {
            return *judgement;
        }
        let judgement = returns.judge(slots, slot, entry, now);
        let by_way = matches!(judgement, Judgement::Refused | Judgement::UnlessOthersGo);
        if by_way && self.refused.len() < WAYS && !self.is_selective(slots) {
            self.refused.insert(entry.message.way().into(), judgement);
        }
        judgement
    }

    fn is_selective(&mut self, slots: &[Option<Subscription>]) -> bool {
        *self.selective.get_or_insert_with(|| {
            slots.iter().flatten().any(|subscription| subscription.asked.admission.has_selector())
        })
    }
}
