//! What was submitted and is not written yet, and the room that was promised to it.

use std::sync::Arc;

use super::cost;
use super::segment::SegmentFile;
use crate::contract::{Batch, Failure, Listener, Observer, Operation, Refusal, Space, Ticket};

/// How many spare segments there are at most: those in reserve, and one that batches may count on.
pub(super) const SPARES: usize = 3;

/// How many spares batches that keep something leave alone.
pub(super) const RESERVE: usize = 2;
/// Segments that a journal may have, however little is to be kept.
const LEAST: u64 = SPARES as u64 + 2;

/// A journal is full when it has no room for so many bytes, or for what it has refused.
const SMALL: u64 = 2 * 1024 * 1024;

/// What nobody waits to hear of is written at once when it takes more than this, in bytes.
const MUCH: u64 = 1024 * 1024;

/// What asks for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A batch that keeps something.
    Keep,
    /// A batch that only forgets: it makes room in the end.
    Forget,
    /// What is moved so that a segment becomes free. Nobody may take the last spare from it.
    Move,
}

/// Batches that wait, in order.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) operations: Vec<Operation>,
    pub(super) batches: Vec<Waiting>,
    /// The ticket of the first.
    pub(super) first: u64,
    /// What all of them may take.
    pub(super) cost: u64,
    /// Whether somebody waits to hear of one of them.
    awaited: bool,
}

/// A batch that waits.
pub(super) struct Waiting {
    /// How many of the operations are its.
    pub(super) operations: usize,
    pub(super) cost: u64,
    pub(super) listener: Option<Arc<dyn Listener>>,
}

/// What callers and the writer share, behind one lock.
pub(super) struct Intake {
    pub(super) pending: Pending,
    pub(super) room: Room,
    next_ticket: u64,
    pub(super) observer: Option<Arc<dyn Observer>>,
    /// What a batch that was refused would have taken; until somebody is told of room.
    refused: Option<u64>,
    pub(super) closing: bool,
    /// Whether the interval between two syncs has passed.
    pub(super) sync_due: bool,
    /// Whether the thread that writes has had nothing to do for a while, and waits to be woken.
    pub(super) resting: bool,
    pub(super) failed: Option<Failure>,
}

/// Room on the device that is there already: what is promised never depends on the device having
/// more.
#[derive(Default)]
pub(super) struct Room {
    /// Bytes left in the current segment.
    pub(super) remaining: u64,
    /// What an empty segment takes.
    pub(super) usable: u64,
    /// Bytes of a segment.
    pub(super) capacity: u32,
    /// Empty segments of this capacity.
    pub(super) spares: Vec<SegmentFile>,
    /// A larger one, for a batch that does not fit in one of those.
    pub(super) large: Option<SegmentFile>,
    /// What such a batch takes that was refused for want of it.
    pub(super) large_wanted: Option<u64>,
    /// Whether one was promised its segment.
    large_promised: bool,
    /// Files that turned out to be of no use; whoever writes removes them.
    pub(super) useless: Vec<SegmentFile>,
    /// Bytes promised to batches that are not written yet.
    promised: u64,
    /// Bytes of the segments that are in use.
    pub(super) used: u64,
    pub(super) limit: u64,
    /// Whether the current segment is the journal's first since it was opened, and less than half
    /// full: then the reserve is enough. Many brokers do little.
    pub(super) calm: bool,
    /// Whether the device had no room when it was last asked.
    pub(super) exhausted: bool,
}

impl Room {
    /// That of a journal with segments of `capacity` bytes, `used` in all, that counts as full at
    /// `limit`, and has a few segments in any case: one that is begun while another one is still
    /// needed, and those that must be ready then.
    pub(super) fn new(capacity: u32, used: u64, limit: u64) -> Self {
        let limit = limit.max(LEAST * u64::from(capacity));
        Self { capacity, used, limit, calm: true, ..Self::default() }
    }

    /// Whether what takes `cost` can be promised room.
    ///
    /// Why it is enough: what is promised is written in order, into the rest of the current segment
    /// or, from the first batch on that does not fit there, into a spare, which takes it all.
    fn fits(&self, cost: u64, purpose: Purpose) -> bool {
        let spares = self.spares.len();
        let (here, there) = match purpose {
            Purpose::Keep => (spares >= RESERVE, spares > RESERVE),
            Purpose::Forget => (true, spares > 1),
            Purpose::Move => (true, spares > 0),
        };
        if cost > self.usable {
            let large = self.large.as_ref().is_some_and(|file| cost::usable(file.capacity) >= cost);
            return large && !self.large_promised && there;
        }
        let total = self.promised.saturating_add(cost);
        (here && total <= self.remaining) || (there && total <= self.usable)
    }

    fn promise(&mut self, cost: u64) {
        if cost > self.usable {
            self.large_promised = true;
        } else {
            self.promised += cost;
        }
    }

    /// A batch has been written.
    pub(super) fn keep_promise(&mut self, cost: u64) {
        if cost > self.usable {
            self.large_promised = false;
        } else {
            self.promised = self.promised.saturating_sub(cost);
        }
    }

    /// Whether this much may be moved now, given what the current segment really has left, without
    /// touching what is promised.
    pub(super) fn may_move(&self, cost: u64, remaining: u64) -> bool {
        self.fits(cost, Purpose::Move) || self.promised.saturating_add(cost) <= remaining
    }

    /// The length of a file that should be made now.
    pub(super) fn wanted(&self, refused: bool) -> Option<u32> {
        if let (Some(cost), None) = (self.large_wanted, &self.large) {
            // Longer than a spare, which it must not be taken for.
            return Some(cost::segment_for(cost).max(self.capacity.saturating_add(4096)));
        }
        let spares = self.spares.len();
        let ahead = !self.calm || refused;
        let total = self.used + (spares as u64 + 1) * u64::from(self.capacity);
        let wanted = spares < RESERVE || (ahead && spares < SPARES && total <= self.limit);
        wanted.then_some(self.capacity)
    }

    /// How it stands, for who needs so many bytes. It is full when it has no room and may make none.
    fn space(&self, needed: u64) -> Space {
        let spares = self.spares.len() as u64;
        let next = self.used + (spares + 1) * u64::from(self.capacity);
        let at_end = self.exhausted || next > self.limit;
        let full = at_end && !self.fits(needed, Purpose::Keep);
        Space { used: self.used, limit: self.limit, full }
    }

    /// Takes in a file that was made, or has become free.
    pub(super) fn add(&mut self, file: SegmentFile) {
        if file.capacity == self.capacity {
            self.spares.push(file);
        } else {
            self.large_wanted = None;
            self.large = Some(file);
        }
    }
}

impl Intake {
    pub(super) fn new(room: Room) -> Self {
        Self {
            pending: Pending { first: 1, ..Pending::default() },
            room,
            next_ticket: 1,
            observer: None,
            refused: None,
            closing: false,
            sync_due: false,
            resting: false,
            failed: None,
        }
    }

    /// Takes a batch whose operations are within bounds and take `cost`.
    pub(super) fn submit(
        &mut self,
        batch: &mut Batch,
        cost: u64,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        self.check()?;
        let purpose = if batch.keeps { Purpose::Keep } else { Purpose::Forget };
        if !self.has_room(cost, purpose) {
            return Err(Refusal::Full);
        }
        self.room.promise(cost);
        let operations = batch.operations.len();
        self.pending.operations.append(&mut batch.operations);
        self.pending.awaited |= listener.is_some();
        self.pending.batches.push(Waiting { operations, cost, listener });
        self.pending.cost += cost;
        batch.restart();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        Ok(Ticket(ticket))
    }

    fn check(&self) -> Result<(), Refusal> {
        if let Some(failure) = &self.failed {
            return Err(Refusal::Failed(failure.clone()));
        }
        if self.closing { Err(Refusal::Closed) } else { Ok(()) }
    }

    /// Whether there is room; if not, somebody wants to be told when there is.
    pub(super) fn has_room(&mut self, cost: u64, purpose: Purpose) -> bool {
        let fits = self.room.fits(cost, purpose);
        if !fits {
            self.refused = Some(self.refused.unwrap_or(0).max(cost));
            if cost > self.room.usable {
                self.room.large_wanted = Some(self.room.large_wanted.unwrap_or(0).max(cost));
                if self.room.large.as_ref().is_some_and(|file| cost::usable(file.capacity) < cost) {
                    self.room.useless.extend(self.room.large.take());
                }
            }
        }
        fits
    }

    /// How it stands.
    pub(super) fn space(&self) -> Space {
        let least = SMALL.min(self.room.usable);
        self.room.space(self.refused.unwrap_or(0).max(least))
    }

    pub(super) fn is_refusing(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether a file should be made now.
    pub(super) fn wants_file(&self) -> bool {
        self.room.wanted(self.is_refusing()).is_some()
    }

    /// Who is to be told of room, if there is any now.
    pub(super) fn take_good_news(&mut self) -> Option<Arc<dyn Observer>> {
        let cost = self.refused?;
        if !self.room.fits(cost, Purpose::Keep) {
            return None;
        }
        self.refused = None;
        self.observer.clone()
    }

    /// Hands over all that waits; `into` is empty and lends its room.
    pub(super) fn take(&mut self, into: &mut Pending) {
        std::mem::swap(&mut self.pending, into);
        self.pending.first = self.next_ticket;
        self.pending.cost = 0;
        self.pending.awaited = false;
    }

    /// Whether there is something to do that should not wait for more of its kind.
    pub(super) fn is_urgent(&self) -> bool {
        let pending = &self.pending;
        pending.awaited
            || pending.cost > MUCH
            || self.closing
            || self.sync_due
            || (self.is_refusing() && !pending.batches.is_empty())
    }

    /// Whether the thread that writes must be woken for what was just submitted.
    pub(super) fn wants_writer(&self) -> bool {
        self.resting || self.is_urgent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::QueueId;

    struct Nobody;

    impl Listener for Nobody {
        fn settled(&self, _ticket: Ticket, _outcome: Result<(), &Failure>) {}
    }

    #[test]
    fn only_what_somebody_waits_for_wakes_the_writer_and_takes_the_rest_along() {
        let room = Room { remaining: 1 << 20, usable: 1 << 20, ..Room::new(1 << 20, 0, u64::MAX) };
        let mut intake = Intake::new(room);
        let mut batch = Batch::new();
        batch.acknowledge(QueueId(1), 1);
        assert!(intake.submit(&mut batch, 100, None).is_ok());
        assert!(!intake.is_urgent() && !intake.wants_writer());
        intake.resting = true;
        assert!(intake.wants_writer(), "nobody else would wake it");
        intake.resting = false;

        assert!(intake.submit(&mut Batch::new(), 100, Some(Arc::new(Nobody))).is_ok());
        assert!(intake.is_urgent() && intake.wants_writer());
        let mut taken = Pending::default();
        intake.take(&mut taken);
        assert_eq!(taken.batches.len(), 2);
        assert!(!intake.is_urgent());
    }
}
