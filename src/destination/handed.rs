//! How far a queue was handed to bridges, as far as a store knows: what comes back after a crash may be
//! beyond them.

use std::collections::BTreeSet;

use ferrymq_openwire::ids::BrokerId;

/// How many places a mark reaches ahead. The more, the less often one is written, and the more messages
/// are asked about after a crash.
const AHEAD: i64 = 4096;

/// Marks of a queue whose messages a store keeps, one for each broker beyond a bridge: the first and the
/// last place of what that may have been handed, rounded up.
///
/// A crash must not leave a message that was handed on without a mark over it. A message that comes and
/// is handed on at once has its mark in the batch that keeps it. One that waited may be kept already: it
/// is handed on only once its mark is durable. As marks reach ahead, that is so for nearly all.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// Their order does not change; those that are not in force cover nothing.
    marks: Vec<Mark>,
    /// The message that is coming now: what is written for it is in its own batch.
    coming: Option<i64>,
    /// Slots of bridges' subscriptions that wait until a mark is durable.
    waiting: BTreeSet<usize>,
}

/// A mark is to be written, or to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRecord {
    /// The broker beyond the bridge.
    pub broker: BrokerId,
    /// The first and the last place of what it may have; none: nothing.
    pub places: Option<(i64, i64)>,
}

#[derive(Debug)]
struct Mark {
    broker: BrokerId,
    /// As it was written last.
    written: Option<(i64, i64)>,
    /// What came after this place comes back only with that.
    after: i64,
    /// What any mark covers that a crash may leave.
    sure: (i64, i64),
    /// With which batch all of that is what was written then.
    fence: Option<(u64, (i64, i64))>,
    /// Whether something was written since.
    loose: bool,
}

/// Covers nothing.
const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);

fn covers((first, last): (i64, i64), place: i64) -> bool {
    (first..=last).contains(&place)
}

impl Handed {
    /// The number of a broker's mark.
    pub(super) fn number(&mut self, broker: &BrokerId) -> usize {
        let known = self.marks.iter().position(|mark| mark.broker == *broker);
        known.unwrap_or_else(|| {
            self.marks.push(Mark {
                broker: broker.clone(),
                written: None,
                after: i64::MAX,
                sure: NOTHING,
                fence: None,
                loose: false,
            });
            self.marks.len() - 1
        })
    }

    /// A store gave a mark back.
    pub(super) fn restore(&mut self, broker: &BrokerId, places: (i64, i64)) {
        let number = self.number(broker);
        if let Some(mark) = self.marks.get_mut(number) {
            (mark.written, mark.sure) = (Some(places), places);
        }
    }

    /// A message comes, or has come.
    pub(super) fn comes(&mut self, place: Option<i64>) {
        self.coming = place;
    }

    /// Whether a message may be handed on now.
    pub(super) fn allows(&self, number: usize, place: i64) -> bool {
        let Some(mark) = self.marks.get(number) else { return true };
        covers(mark.sure, place)
            || self.coming == Some(place)
            || place > mark.after && mark.written.is_some_and(|written| covers(written, place))
    }

    /// Whether a mark should reach further, now that a message is handed on.
    pub(super) fn is_near_end(&self, number: usize, place: i64) -> bool {
        let written = self.marks.get(number).and_then(|mark| mark.written);
        written.is_none_or(|(first, last)| place < first || place > last.saturating_sub(AHEAD / 2))
    }

    /// Whether a mark that is written, durable or not, covers a message.
    pub(super) fn is_written(&self, number: usize, place: i64) -> bool {
        let written = self.marks.get(number).and_then(|mark| mark.written);
        written.is_some_and(|written| covers(written, place))
    }

    /// Lets a mark cover a message and what follows. `lowest`: what the broker may have begins here;
    /// `last_come`: the last message that came; `few`: all that waits may be covered.
    pub(super) fn extend(
        &mut self,
        number: usize,
        place: i64,
        (lowest, last_come, few): (i64, i64, bool),
    ) -> Option<MarkRecord> {
        let coming = self.coming;
        let mark = self.marks.get_mut(number)?;
        let ahead = place.saturating_add(AHEAD);
        let last = mark.written.map_or(ahead, |(_, last)| last.max(ahead));
        let last = if few { last.max(last_come) } else { last };
        let places = (lowest.min(place), last);
        // Either of the two may be what a crash leaves.
        mark.sure = (mark.sure.0.max(places.0), mark.sure.1.min(places.1));
        mark.written = Some(places);
        mark.after = if coming.is_some() { last_come.saturating_sub(1) } else { last_come };
        mark.loose = true;
        Some(MarkRecord { broker: mark.broker.clone(), places: Some(places) })
    }

    /// A subscription waits until its mark is durable.
    pub(super) fn wait(&mut self, slot: usize) {
        self.waiting.insert(slot);
    }

    /// It is gone.
    pub(super) fn forget(&mut self, slot: usize) {
        self.waiting.remove(&slot);
    }

    /// Whether it would help to know when marks are durable.
    pub(super) fn wants_fence(&self) -> bool {
        self.marks.iter().any(|mark| mark.loose && mark.fence.is_none())
    }

    /// All that was written until now is durable with this batch.
    pub(super) fn set_fence(&mut self, batch: u64) {
        for mark in self.marks.iter_mut().filter(|mark| mark.loose && mark.fence.is_none()) {
            mark.loose = false;
            mark.fence = mark.written.map(|written| (batch, written));
        }
    }

    /// All batches up to this one are durable. Returns the subscriptions that may go on.
    pub(super) fn heard(&mut self, settled: u64) -> BTreeSet<usize> {
        let mut news = false;
        for mark in &mut self.marks {
            if let Some((_, places)) = mark.fence.take_if(|(batch, _)| *batch <= settled) {
                // What was written since may be all that a crash leaves.
                let (first, last) = mark.written.unwrap_or(NOTHING);
                mark.sure = (places.0.max(first), places.1.min(last));
                news = true;
            }
        }
        if news { std::mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }

    /// Ends the marks that are in force and not wanted.
    pub(super) fn retain(
        &mut self,
        wanted: impl Fn(usize, &BrokerId) -> bool,
        ended: &mut Vec<MarkRecord>,
    ) {
        for (number, mark) in self.marks.iter_mut().enumerate() {
            if mark.written.is_some() && !wanted(number, &mark.broker) {
                (mark.written, mark.fence, mark.loose) = (None, None, false);
                (mark.after, mark.sure) = (i64::MAX, NOTHING);
                ended.push(MarkRecord { broker: mark.broker.clone(), places: None });
            }
        }
    }

    pub(super) fn broker(&self, number: usize) -> Option<&BrokerId> {
        self.marks.get(number).map(|mark| &mark.broker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(handed: &mut Handed, place: i64, last_come: i64) -> MarkRecord {
        handed.extend(0, place, (place, last_come, false)).unwrap()
    }

    #[test]
    fn what_waited_goes_on_when_its_mark_is_durable() {
        let mut handed = Handed::default();
        assert_eq!(handed.number(&BrokerId::new("far")), 0);
        assert!(!handed.allows(0, 10));
        assert_eq!(near(&mut handed, 10, 20).places, Some((10, 10 + AHEAD)));
        handed.wait(3);
        assert!(!handed.allows(0, 10), "it may be kept, and its mark not");
        assert!(handed.allows(0, 21), "what comes later is kept later");
        handed.set_fence(7);
        assert_eq!(handed.heard(6), BTreeSet::new());
        assert_eq!(handed.heard(7), BTreeSet::from([3]));
        assert!(handed.allows(0, 10) && handed.allows(0, 10 + AHEAD));
        assert!(!handed.allows(0, 9) && !handed.allows(0, 11 + AHEAD));
    }

    #[test]
    fn what_comes_brings_its_mark_along() {
        let mut handed = Handed::default();
        handed.number(&BrokerId::new("far"));
        handed.comes(Some(5));
        assert!(handed.allows(0, 5) && !handed.allows(0, 4));
        near(&mut handed, 5, 5);
        handed.comes(None);
        assert!(handed.allows(0, 5), "it is in the same batch");
        assert!(handed.allows(0, 6) && !handed.allows(0, 4));
    }

    #[test]
    fn of_two_marks_either_may_be_left() {
        let mut handed = Handed::default();
        handed.number(&BrokerId::new("far"));
        near(&mut handed, 10, 10);
        handed.set_fence(1);
        handed.heard(1);
        near(&mut handed, 3000, 4000);
        assert!(!handed.allows(0, 10) && handed.allows(0, 3000));
        assert!(!handed.allows(0, 10 + AHEAD + 1) || 10 + AHEAD + 1 > 4000);
        handed.set_fence(2);
        near(&mut handed, 6000, 6000);
        assert!(handed.wants_fence() || handed.heard(2).is_empty());
        assert!(!handed.allows(0, 3000), "the third one begins later");
    }

    #[test]
    fn a_mark_ends_once() {
        let (mut handed, mut ended) = (Handed::default(), Vec::new());
        handed.restore(&BrokerId::new("far"), (1, 9));
        assert!(handed.allows(0, 5));
        handed.retain(|_, _| true, &mut ended);
        assert_eq!(ended, []);
        handed.retain(|_, _| false, &mut ended);
        handed.retain(|_, _| false, &mut ended);
        assert_eq!(ended, [MarkRecord { broker: BrokerId::new("far"), places: None }]);
        assert!(!handed.allows(0, 5));
    }
}
