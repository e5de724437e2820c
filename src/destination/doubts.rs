//! Messages that a broker beyond a lost link may have.

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_openwire::ids::BrokerId;

/// A queue's messages that were forwarded over a link which was lost before they were answered, and
/// those of which the queue only knows, from before its broker started, that they may have been.
///
/// Their broker may have them and give them to its consumers, or may not. Brought to it again they
/// are recognised; given to anybody else they may be second copies. So for a while they are for that
/// broker only: its next bridge asks about them, and they are nobody's, or everybody's again.
#[derive(Debug)]
pub(super) struct Doubts {
    /// How long, in milliseconds; 0: not at all.
    hold: i64,
    /// By place.
    held: BTreeMap<i64, Doubt>,
    /// One for each broker that had something when this one ended.
    stretches: Vec<Stretch>,
}

/// One such message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The broker that may have it.
    pub at: BrokerId,
    /// Until when nobody else gets it, in milliseconds since 1970.
    pub until: i64,
}

/// All that a queue holds from one place to another may be at a broker.
#[derive(Debug)]
struct Stretch {
    doubt: Doubt,
    first: i64,
    last: i64,
    /// Except these, which it does not have.
    denied: BTreeSet<i64>,
}

/// Why a message is not for a subscription now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bar {
    /// It is for somebody else until this time.
    Until(i64),
    /// It is for somebody else; it is offered again when that ends.
    Held,
}

impl Stretch {
    fn covers(&self, sequence: i64) -> bool {
        (self.first..=self.last).contains(&sequence) && !self.denied.contains(&sequence)
    }
}

impl Doubts {
    pub(super) fn new(hold: i64) -> Self {
        Self { hold, held: BTreeMap::new(), stretches: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty() && self.stretches.is_empty()
    }

    /// A message may be at this broker; until when it is held for it. `None`: it is not.
    pub(super) fn hold(&mut self, sequence: i64, at: &BrokerId, now: i64) -> Option<i64> {
        if self.hold <= 0 {
            return None;
        }
        let until = now.saturating_add(self.hold);
        self.held.insert(sequence, Doubt { at: at.clone(), until });
        Some(until)
    }

    /// All from one place to another may be at this broker, as far as is known from before a start.
    pub(super) fn hold_all(&mut self, first: i64, last: i64, at: BrokerId, now: i64) {
        if self.hold > 0 && first <= last {
            let doubt = Doubt { at, until: now.saturating_add(self.hold) };
            self.stretches.push(Stretch { doubt, first, last, denied: BTreeSet::new() });
        }
    }

    /// Why a message is not for a subscription that leads to `next`.
    pub(super) fn bars(&self, sequence: i64, next: Option<&BrokerId>, now: i64) -> Option<Bar> {
        if self.is_empty() {
            return None;
        }
        let other = |doubt: &Doubt| doubt.until > now && next != Some(&doubt.at);
        let held = self.held.get(&sequence).filter(|doubt| other(doubt));
        if let Some(doubt) = held {
            return Some(Bar::Until(doubt.until));
        }
        let mut stretches = self.stretches.iter();
        stretches.any(|one| other(&one.doubt) && one.covers(sequence)).then_some(Bar::Held)
    }

    /// What is in doubt about a message.
    pub(super) fn about(&self, sequence: i64) -> Option<&Doubt> {
        if self.is_empty() {
            return None;
        }
        let stretch = || self.stretches.iter().find(|one| one.covers(sequence));
        self.held.get(&sequence).or_else(|| stretch().map(|one| &one.doubt))
    }

    /// Whether a message may be at this broker.
    pub(super) fn may_be_at(&self, sequence: i64, at: &BrokerId) -> bool {
        self.held.get(&sequence).is_some_and(|doubt| doubt.at == *at)
            || self.stretches.iter().any(|one| one.doubt.at == *at && one.covers(sequence))
    }

    /// The first and the last place of what may be at this broker.
    pub(super) fn span(&self, at: &BrokerId) -> Option<(i64, i64)> {
        let held = self.held.iter().filter(|(_, doubt)| doubt.at == *at);
        let held = held.map(|(sequence, _)| (*sequence, *sequence));
        let stretches = self.stretches.iter().filter(|one| one.doubt.at == *at);
        let all = held.chain(stretches.map(|one| (one.first, one.last)));
        all.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// The message leaves the queue, or goes to who may have it.
    pub(super) fn forget(&mut self, sequence: i64) {
        if !self.held.is_empty() {
            self.held.remove(&sequence);
        }
    }

    /// This broker does not have it.
    pub(super) fn deny(&mut self, sequence: i64, at: &BrokerId) {
        if self.held.get(&sequence).is_some_and(|doubt| doubt.at == *at) {
            self.held.remove(&sequence);
        }
        for one in self.stretches.iter_mut().filter(|one| one.doubt.at == *at) {
            one.denied.insert(sequence);
        }
    }

    /// This broker was asked about all.
    pub(super) fn settle(&mut self, at: &BrokerId) {
        self.stretches.retain(|one| one.doubt.at != *at);
    }

    /// Whether a message is not held any more from now on: it may be a second copy.
    pub(super) fn ends(&mut self, sequence: i64, now: i64) -> bool {
        let ended = self.held.get(&sequence).is_some_and(|doubt| doubt.until <= now);
        if ended {
            self.held.remove(&sequence);
        }
        ended
    }

    /// When something is not held any more of which only the places are known.
    pub(super) fn next_end(&self) -> Option<i64> {
        self.stretches.iter().map(|one| one.doubt.until).min()
    }

    /// The same by now: where that begins and ends, and which of it are not in doubt.
    pub(super) fn take_ended(&mut self, now: i64) -> Option<(i64, i64, BTreeSet<i64>)> {
        let at = self.stretches.iter().position(|one| one.doubt.until <= now)?;
        let Stretch { first, last, denied, .. } = self.stretches.swap_remove(at);
        Some((first, last, denied))
    }

    /// How many messages may be at this broker, or at any: those that `waiting` counts from one place
    /// to another.
    pub(super) fn count(
        &self,
        at: Option<&BrokerId>,
        waiting: impl Fn(i64, i64) -> usize,
    ) -> usize {
        let of = |doubt: &Doubt| at.is_none_or(|at| doubt.at == *at);
        let stretches = self.stretches.iter().filter(|one| of(&one.doubt));
        let in_stretches =
            stretches.map(|one| waiting(one.first, one.last).saturating_sub(one.denied.len()));
        self.held.values().filter(|doubt| of(doubt)).count() + in_stretches.sum::<usize>()
    }
}
