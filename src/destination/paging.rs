//! What a queue knows of its messages that wait on disk only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::deadlines::Deadlines;
use super::entry::Entry;
use super::memory::{MemoryAccount, PRESSED};
use super::paged_places::PagedPlaces;
use super::spooled::Gone;

/// A queue whose messages a store keeps: how many bytes of those that wait stay in memory, and what
/// is known of the others. That is next to nothing for each: the store finds them by their places.
///
/// A message that waits is in memory or in [`places`](Self::places), never in both. It goes out only
/// once the store can give it back, and comes in with a page that was read without the queue's lock;
/// of such a page counts only what is in `places` when it comes.
#[derive(Debug)]
pub(super) struct Paging {
    /// Bytes of persistent messages that may wait in memory.
    window: u64,
    /// The same while the broker has enough memory.
    wide: u64,
    /// Accounts with limits of their own that messages here count on, beside the queue's: those of
    /// topics.
    beside: Vec<Arc<MemoryAccount>>,
    /// Bytes that do, of those and of others that a store has.
    held: u64,
    /// Bytes of messages that wait in memory and that no store has.
    plain: u64,
    places: PagedPlaces,
    /// How many messages those are.
    count: usize,
    /// Those of them that have been delivered before: how often.
    redeliveries: BTreeMap<i64, i32>,
    pub(super) deadlines: Deadlines,
    /// The place of the last message that was handed to a store.
    last_kept: i64,
    /// How far the store can be read.
    kept: Readable,
    /// The same of a temporary store, and what it is told.
    pub(super) spool: Spool,
    /// Whether more may go out than when that was last tried.
    loose: bool,
    /// Slots of subscriptions that have room and have come to what is on disk.
    pub(super) starving: BTreeSet<usize>,
    /// Slots among them that wait no longer than for what is on disk.
    pub(super) ending: BTreeSet<usize>,
    /// For which of them a page was read last.
    pub(super) served: usize,
    /// The page that is to come.
    reading: Option<Reading>,
    /// When messages that expired by this time are to be looked for.
    pub(super) sweep: Option<i64>,
    /// Whether to look for such as nobody knows of, once.
    pub(super) look_at_unknown: bool,
    /// Whether the first page is wanted although nobody asks for it: the broker has just started.
    pub(super) look_at_front: bool,
    /// Places of messages that are damaged on disk.
    pub(super) set_aside: Vec<i64>,
    /// Set when the store could not be read, until that is tried again.
    pub(super) unreadable: bool,
}

/// How far a store can be read.
#[derive(Debug, Default)]
struct Readable {
    /// The place of the last message that was handed to it.
    last: i64,
    /// All messages up to this place can be read.
    to: i64,
    /// The batch with which they can up to a later place, and that place.
    fence: Option<(u64, i64)>,
}

/// Non-persistent messages that a temporary store takes while memory is short.
#[derive(Debug, Default)]
pub(super) struct Spool {
    readable: Readable,
    /// Whether the next message that comes goes there if it has to wait.
    pub(super) next: bool,
    /// Those that go there now.
    pub(super) fresh: Vec<Arc<Message>>,
    /// Those that it is to forget.
    pub(super) gone: Arc<Gone>,
}

/// One of the two stores that a queue may have messages in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// What must outlive the broker.
    Store,
    /// What is there for want of memory only.
    Spool,
}

/// A page that is to be read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    from: i64,
    /// The last place of all that was on disk then.
    last: i64,
    /// Whether somebody reads it.
    begun: bool,
    /// Up to where it has no gap for certain. Beyond, one store may give what comes after something
    /// that the other one does not give yet.
    whole_to: i64,
}

/// From which percentage of the broker's limit on nothing waits in memory that need not.
const VERY_SHORT: u64 = 85;
/// How many accounts beside its own a queue heeds: those of the latest messages.
const MOST_BESIDE: usize = 16;
/// Bytes that may wait in memory while that is short.
const NARROW: u64 = 128 * 1024;

impl Paging {
    /// Keeps up to `window` bytes in memory; the store keeps nothing yet.
    pub(super) fn new(window: u64) -> Self {
        Self {
            window,
            wide: window,
            beside: Vec::new(),
            held: 0,
            plain: 0,
            places: PagedPlaces::default(),
            count: 0,
            redeliveries: BTreeMap::new(),
            deadlines: Deadlines::default(),
            last_kept: 0,
            kept: Readable::default(),
            spool: Spool::default(),
            loose: false,
            starving: BTreeSet::new(),
            ending: BTreeSet::new(),
            served: 0,
            reading: None,
            sweep: None,
            look_at_unknown: false,
            look_at_front: false,
            set_aside: Vec::new(),
            unreadable: false,
        }
    }

    /// The store has so many messages from `first` to `last`.
    pub(super) fn take_up(&mut self, count: usize, first: i64, last: i64) {
        self.places.add_run(first, last);
        self.count = count;
        self.deadlines.note_unknown(first, last);
        self.last_kept = last;
        (self.kept.last, self.kept.to) = (last, last);
    }

    /// A message was handed to a store. Returns the place of the one before it.
    pub(super) fn kept(&mut self, place: i64, by: Keeping) -> i64 {
        let before = self.last_kept;
        self.last_kept = before.max(place);
        let readable = self.readable(by);
        readable.last = readable.last.max(place);
        before
    }

    /// Whether a message is the latest of all, so that it can be handed to a store after them.
    pub(super) fn is_latest(&self, place: i64) -> bool {
        place > self.last_kept
    }

    fn readable(&mut self, by: Keeping) -> &mut Readable {
        match by {
            Keeping::Store => &mut self.kept,
            Keeping::Spool => &mut self.spool.readable,
        }
    }

    /// One begins to wait in memory.
    pub(super) fn came(&mut self, entry: &Entry) {
        if entry.is_kept() {
            self.held += entry.bytes();
            self.loose |= self.is_readable(entry);
        } else {
            self.plain += entry.bytes();
            self.loose |= self.held > 0;
        }
    }

    /// One that waits in memory goes.
    pub(super) fn went(&mut self, entry: &Entry) {
        let bytes = if entry.is_kept() { &mut self.held } else { &mut self.plain };
        *bytes = bytes.saturating_sub(entry.bytes());
    }

    /// A message counts on an account that others share.
    pub(super) fn note_account(&mut self, account: &Arc<MemoryAccount>) {
        let known = |other: &Arc<MemoryAccount>| Arc::ptr_eq(other, account);
        if account.limit() == u64::MAX || self.beside.iter().any(known) {
            return;
        }
        if self.beside.len() >= MOST_BESIDE {
            self.beside.remove(0);
        }
        self.beside.push(Arc::clone(account));
    }

    fn beside_takes(&self, percent: u64) -> bool {
        self.beside.iter().any(|account| account.takes(percent))
    }

    /// How many wait on disk only.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of persistent messages that wait in memory.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Bytes of all messages that wait in memory.
    pub(super) fn in_memory(&self) -> u64 {
        self.held + self.plain
    }

    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// What is left of the window beside messages that cannot go out.
    pub(super) fn room(&self) -> u64 {
        self.window.saturating_sub(self.plain)
    }

    /// Keeps less in memory while that is short on an account, and nothing when it is very short.
    pub(super) fn heed(&mut self, account: &MemoryAccount) {
        let window = if !account.is_pressed() && !self.beside_takes(PRESSED) {
            self.wide
        } else if account.is_filled_to(VERY_SHORT) || self.beside_takes(VERY_SHORT) {
            0
        } else {
            self.wide.min(NARROW)
        };
        self.loose |= window < self.window;
        self.window = window;
    }

    /// Whether there is nothing to do: all that waits is in memory, where it has room.
    pub(super) fn is_idle(&self) -> bool {
        let waits = |readable: &Readable| readable.fence.is_some();
        self.held <= self.room()
            && self.places.is_empty()
            && !waits(&self.kept)
            && !waits(&self.spool.readable)
            && !self.beside_takes(PRESSED)
            && self.spool.fresh.is_empty()
    }

    /// Where the next message after a place may be that waits on disk only, if it may come before
    /// the next one in memory.
    pub(super) fn next_before(&self, place: i64, in_memory: Option<i64>) -> Option<i64> {
        if self.places.is_empty() {
            return None;
        }
        let next = self.places.next_from(place)?;
        in_memory.is_none_or(|in_memory| next < in_memory).then_some(next)
    }

    /// How many messages may wait on disk only from one place to another.
    pub(super) fn most_between(&self, first: i64, last: i64) -> usize {
        self.places.most_between(first, last).min(self.count)
    }

    pub(super) fn contains(&self, place: i64) -> bool {
        self.places.contains(place)
    }

    /// How many bytes are to go out now.
    pub(super) fn excess(&self) -> u64 {
        if self.loose { self.held.saturating_sub(self.room()) } else { 0 }
    }

    /// Whether a message may go out: a store gives it back.
    pub(super) fn is_readable(&self, entry: &Entry) -> bool {
        let to = match &entry.spooled {
            Some(_) => self.spool.readable.to,
            None if entry.persistent => self.kept.to,
            None => return false,
        };
        entry.sequence > 0 && entry.sequence <= to
    }

    /// A message goes out.
    pub(super) fn out(&mut self, entry: Entry) {
        self.went(&entry);
        self.places.add(entry.sequence, entry.follows);
        self.count += 1;
        if entry.redeliveries != entry.message.redelivery_counter() {
            self.redeliveries.insert(entry.sequence, entry.redeliveries);
        }
        if entry.expiration > 0 {
            self.deadlines.note(entry.sequence, entry.expiration);
        }
        if let Some(spooled) = entry.spooled {
            spooled.stays();
        }
    }

    /// All went out that could.
    pub(super) fn settle_excess(&mut self) {
        self.loose = false;
    }

    /// A store says up to which batch all can be read.
    pub(super) fn heard(&mut self, settled: u64, of: Keeping) {
        let readable = self.readable(of);
        if let Some((_, place)) = readable.fence.take_if(|(batch, _)| *batch <= settled) {
            let more = place > readable.to;
            readable.to = readable.to.max(place);
            self.loose |= more;
        }
    }

    /// Whether it would help to know when more can be read.
    pub(super) fn wants_fence(&self, of: Keeping) -> bool {
        let readable = match of {
            Keeping::Store => &self.kept,
            Keeping::Spool => &self.spool.readable,
        };
        readable.fence.is_none() && self.held > self.room() && readable.last > readable.to
    }

    /// All that was handed to the store until now can be read when this batch is settled.
    pub(super) fn set_fence(&mut self, batch: u64, of: Keeping) {
        let readable = self.readable(of);
        readable.fence = Some((batch, readable.last));
    }

    /// Whether a page is to come, so that none is asked for.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Asks for the page from a place on.
    pub(super) fn ask(&mut self, from: i64) {
        let last = self.places.last().unwrap_or(from);
        self.reading = Some(Reading { from, last, begun: false, whole_to: i64::MAX });
    }

    /// Where the page begins that was asked for and that nobody reads yet; from now on somebody
    /// does.
    pub(super) fn begin_page(&mut self) -> Option<i64> {
        let whole_to = self.whole_to();
        let reading = self.reading.as_mut().filter(|reading| !reading.begun)?;
        (reading.begun, reading.whole_to) = (true, whole_to);
        Some(reading.from)
    }

    /// Up to where what both stores give now is all that they were handed. One store alone gives all
    /// in its order.
    fn whole_to(&self) -> i64 {
        if self.spool.readable.last == 0 {
            return i64::MAX;
        }
        let all = |readable: &Readable| {
            if readable.last > readable.to { readable.to } else { self.last_kept }
        };
        all(&self.kept).min(all(&self.spool.readable))
    }

    /// The page has come. Returns where it begins, the last place of what was on disk when it was
    /// asked for, and up to where it has no gap.
    pub(super) fn end_page(&mut self) -> Option<(i64, i64, i64)> {
        let reading = self.reading.take_if(|reading| reading.begun)?;
        Some((reading.from, reading.last, reading.whole_to))
    }

    /// The store gave a message, and none between it and `follows`. Returns how often it has been
    /// delivered, by the message's own count or by ours, if it waited on disk only: now it does not
    /// any more.
    pub(super) fn take(&mut self, place: i64, follows: i64, own_count: i32) -> Option<i32> {
        if !self.places.take(place, follows) {
            return None;
        }
        self.count = self.count.saturating_sub(1);
        Some(self.redeliveries.remove(&place).unwrap_or(own_count))
    }

    /// The store has nothing from `first` to `last`.
    pub(super) fn nothing_between(&mut self, first: i64, last: i64) {
        self.places.remove(first, last);
    }

    /// Forgets what is known of messages on disk if there are none. Returns how many there should
    /// have been.
    pub(super) fn rest(&mut self) -> usize {
        if !self.places.is_empty() {
            return 0;
        }
        self.redeliveries.clear();
        self.deadlines.clear();
        std::mem::take(&mut self.count)
    }

    /// The subscription in a slot is gone.
    pub(super) fn forget(&mut self, slot: usize) {
        self.starving.remove(&slot);
        self.ending.remove(&slot);
    }

    /// Where messages are to be read to find some that have expired.
    pub(super) fn next_to_expire(&mut self) -> Option<i64> {
        while let Some(now) = self.sweep {
            let unknown = || self.deadlines.unknown().filter(|_| self.look_at_unknown);
            let due = self.deadlines.due(now);
            let Some(place) = due.or_else(unknown) else {
                self.sweep = None;
                break;
            };
            self.look_at_unknown &= due.is_some();
            let from = self.places.next_from(place);
            // What is in memory looks after itself.
            match from.map_or(Some(i64::MAX), |from| from.checked_sub(1)) {
                Some(before) if before >= place => self.deadlines.cut(place, before),
                _ => return from,
            }
        }
        None
    }

    /// Where the first is that waits on disk only.
    pub(super) fn first(&self) -> Option<i64> {
        self.places.next_from(i64::MIN)
    }
}
