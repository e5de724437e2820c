//! A prefetch window: what was dispatched to a consumer and not settled.

use std::collections::VecDeque;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;

use super::acknowledgement::{AckError, AckKind, Acknowledgement};
use super::entry::Entry;
use crate::transaction::Tag;

/// What a window holds.
pub(super) trait Outstanding {
    /// Whether this is the message that an acknowledgement names, which may also say where it was
    /// dispatched from.
    fn is(&self, id: &MessageId, from: Option<&Destination>) -> bool;

    /// The open transaction in which it was acknowledged.
    fn held_by(&self) -> Option<Tag>;

    /// Says which transaction that is.
    fn hold(&mut self, by: Option<Tag>);
}

impl Outstanding for Entry {
    // All are of one queue, whatever it is called.
    fn is(&self, id: &MessageId, _from: Option<&Destination>) -> bool {
        self.message.has_id(id)
    }

    fn held_by(&self) -> Option<Tag> {
        self.held_by
    }

    fn hold(&mut self, by: Option<Tag>) {
        self.held_by = by;
    }
}

/// What a queue subscription holds, in the order in which it was dispatched.
#[derive(Debug)]
pub(super) struct Window<E = Entry> {
    /// How many may be outstanding (ActiveMQ's `prefetchSize`); 0: one for each pull.
    prefetch: usize,
    /// Whether a message was pulled and has not come yet.
    pulling: bool,
    /// How many more, since the consumer said that it has delivered some and not settled them.
    extension: usize,
    dispatched: VecDeque<E>,
    /// When the consumer last settled something, in milliseconds since 1970; 0: never.
    settled_at: i64,
}

/// What becomes of the entries that an acknowledgement takes out of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing left; the window may be wider now.
    Kept,
    /// Consumed.
    Consumed,
    /// Refused for good.
    Refused,
    /// Expired at the client.
    Expired,
}

impl<E: Outstanding> Window<E> {
    pub(super) fn new(prefetch: usize) -> Self {
        Self { prefetch, pulling: false, extension: 0, dispatched: VecDeque::new(), settled_at: 0 }
    }

    pub(super) fn has_room(&self) -> bool {
        self.has_room_beside(0)
    }

    /// Whether there is room when so many more are on their way.
    pub(super) fn has_room_beside(&self, promised: usize) -> bool {
        if self.prefetch == 0 {
            return self.pulling;
        }
        self.dispatched.len() + promised < self.prefetch.saturating_add(self.extension)
    }

    /// Lets one message in, if it has no room for others.
    pub(super) fn pull(&mut self) {
        self.pulling = self.prefetch == 0;
    }

    pub(super) fn is_pulling(&self) -> bool {
        self.pulling
    }

    pub(super) fn withdraw_pull(&mut self) {
        self.pulling = false;
    }

    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &E> {
        self.dispatched.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.dispatched.len()
    }

    /// How many are outstanding of which the consumer has not said that it has delivered them.
    pub(super) fn undelivered(&self) -> usize {
        self.dispatched.len().saturating_sub(self.extension)
    }

    pub(super) fn set_prefetch(&mut self, prefetch: usize) {
        self.prefetch = prefetch;
        self.pulling &= prefetch == 0;
    }

    pub(super) fn prefetch(&self) -> usize {
        self.prefetch
    }

    pub(super) fn settled_at(&self) -> i64 {
        self.settled_at
    }

    pub(super) fn note_settled(&mut self, now: i64) {
        self.settled_at = now;
    }

    pub(super) fn push(&mut self, entry: E) {
        self.dispatched.push_back(entry);
    }

    pub(super) fn into_entries(self) -> VecDeque<E> {
        self.dispatched
    }

    /// Has no room any more, and nothing that was dispatched after this message: returns that.
    pub(super) fn retire(&mut self, last: &MessageId, from: Option<&Destination>) -> VecDeque<E> {
        self.set_prefetch(0);
        self.pulling = false;
        // Two copies may be here: what is beyond the first may have been forwarded.
        let last = self.dispatched.iter().rposition(|entry| entry.is(last, from));
        let Some(kept) = last.map(|last| last + 1) else { return VecDeque::new() };
        self.extension = self.extension.min(kept);
        self.dispatched.split_off(kept)
    }

    /// Takes out the first that `which` picks.
    pub(super) fn take(&mut self, which: impl Fn(&E) -> bool) -> Option<E> {
        let at = self.dispatched.iter().position(which)?;
        self.dispatched.remove(at)
    }

    /// Applies an acknowledgement; what it settles is moved to `taken`. Ranges are positions in the
    /// order of dispatch, not of ids.
    pub(super) fn settle(
        &mut self,
        ack: &Acknowledgement<'_>,
        taken: &mut Vec<E>,
    ) -> Result<Outcome, AckError> {
        if ack.kind == AckKind::Individual {
            // Unknown ones are ignored, as ActiveMQ does: a consumer may settle twice.
            let at = ack.last.and_then(|last| self.position(last, ack.destination, 0));
            if let Some(at) = at {
                taken.extend(self.dispatched.remove(at));
                self.shrink(at, at + 1);
            }
            return Ok(Outcome::Consumed);
        }
        let (start, end) = self.range(ack)?;
        let outcome = match ack.kind {
            AckKind::Delivered => {
                self.extension = self.extension.max(end);
                return Ok(Outcome::Kept);
            }
            AckKind::Redelivered => return Ok(Outcome::Kept),
            AckKind::Standard if end - start != ack.count => {
                return Err(AckError::Count { claimed: ack.count, found: end - start });
            }
            AckKind::Standard | AckKind::Individual => Outcome::Consumed,
            AckKind::Poison => Outcome::Refused,
            AckKind::Expired => Outcome::Expired,
        };
        taken.extend(self.dispatched.drain(start..end));
        self.shrink(start, end);
        Ok(outcome)
    }

    /// Applies an acknowledgement that is part of a transaction: what it covers stays, marked, and
    /// makes room as if it were delivered only. `each` sees what is marked anew.
    pub(super) fn hold(
        &mut self,
        ack: &Acknowledgement<'_>,
        by: Tag,
        mut each: impl FnMut(&E),
    ) -> Result<(), AckError> {
        let (start, end) = match ack.kind {
            AckKind::Individual => {
                let at = ack.last.and_then(|last| self.position(last, ack.destination, 0));
                let Some(at) = at else { return Ok(()) };
                (at, at + 1)
            }
            AckKind::Standard => {
                let (start, end) = self.range(ack)?;
                if end - start != ack.count {
                    return Err(AckError::Count { claimed: ack.count, found: end - start });
                }
                (start, end)
            }
            AckKind::Poison => return Err(AckError::TransactedPoison),
            // The rest changes nothing that a transaction could undo, and is not brought here.
            AckKind::Delivered | AckKind::Redelivered | AckKind::Expired => return Ok(()),
        };
        let others = |entry: &E| entry.held_by().is_some_and(|other| other != by);
        if self.dispatched.range(start..end).any(others) {
            return Err(AckError::OtherTransaction);
        }
        let mut marked = 0;
        for entry in self.dispatched.range_mut(start..end) {
            if entry.held_by().is_none() {
                entry.hold(Some(by));
                marked += 1;
                each(entry);
            }
        }
        let reached = if ack.kind == AckKind::Standard { end } else { self.extension + marked };
        self.extension = self.extension.max(reached.min(self.dispatched.len()));
        Ok(())
    }

    /// Takes out what a transaction holds, of which there are `count`.
    pub(super) fn take_held(&mut self, by: Tag, mut count: usize, taken: &mut Vec<E>) {
        let mut at = 0;
        while count > 0 && at < self.dispatched.len() {
            let mine = |entry: &E| entry.held_by() == Some(by);
            let run = self.dispatched.range(at..).take(count).take_while(|one| mine(one)).count();
            if run == 0 {
                at += 1;
                continue;
            }
            taken.extend(self.dispatched.drain(at..at + run));
            self.shrink(at, at + run);
            count -= run;
        }
    }

    /// Marks what a transaction holds, of which there are `count`, as held no more.
    pub(super) fn let_go(&mut self, by: Tag, count: usize) {
        let held = self.dispatched.iter_mut().filter(|entry| entry.held_by() == Some(by));
        held.take(count).for_each(|entry| entry.hold(None));
    }

    /// Marks the first that `which` picks; false if a transaction holds it already, or there is none.
    pub(super) fn hold_one(&mut self, by: Tag, which: impl Fn(&E) -> bool) -> bool {
        let free = |entry: &&mut E| entry.held_by().is_none() && which(entry);
        let found = self.dispatched.iter_mut().find(free);
        found.map(|entry| entry.hold(Some(by))).is_some()
    }

    /// The positions that an acknowledgement covers: start, and one past its end.
    fn range(&self, ack: &Acknowledgement<'_>) -> Result<(usize, usize), AckError> {
        let unmatched = |id: Option<&MessageId>| {
            AckError::Unmatched(id.map_or_else(|| "(no id)".to_owned(), ToString::to_string))
        };
        let start = match ack.first {
            None => Some(0),
            Some(first) if ack.first == ack.last => self.start_of_same(first, ack),
            Some(first) => self.position(first, None, 0),
        };
        let start = start.ok_or_else(|| unmatched(ack.first))?;
        let last = ack.last.and_then(|last| self.last_position(last, ack, start));
        last.map(|last| (start, last + 1)).ok_or_else(|| unmatched(ack.last))
    }

    /// Where a range starts that ends with the same message: there, or with copies of it before.
    fn start_of_same(&self, id: &MessageId, ack: &Acknowledgement<'_>) -> Option<usize> {
        let last = self.position(id, ack.destination, 0)?;
        let counted = (last + 1).checked_sub(ack.count.max(1));
        let same = |at: &usize| self.dispatched.get(*at).is_some_and(|entry| entry.is(id, None));
        Some(counted.filter(same).unwrap_or(last))
    }

    /// Where a range ends: mostly as far from its start as the consumer counts, which spares a walk
    /// over all its messages.
    fn last_position(
        &self,
        last: &MessageId,
        ack: &Acknowledgement<'_>,
        start: usize,
    ) -> Option<usize> {
        let counted = start.saturating_add(ack.count.saturating_sub(1));
        match self.dispatched.get(counted) {
            Some(entry) if entry.is(last, ack.destination) => Some(counted),
            _ => self.position(last, ack.destination, start),
        }
    }

    fn position(
        &self,
        id: &MessageId,
        destination: Option<&Destination>,
        from: usize,
    ) -> Option<usize> {
        let found =
            |destination| self.dispatched.range(from..).position(|entry| entry.is(id, destination));
        // A consumer may name what it consumes from instead, of which the message's is a part.
        let at = found(destination).or_else(|| destination.and_then(|_| found(None)))?;
        Some(from + at)
    }

    /// The messages from `start` to `end` are settled: those that were known as delivered extend
    /// the window no more.
    fn shrink(&mut self, start: usize, end: usize) {
        self.extension -= end.min(self.extension).saturating_sub(start);
    }
}
