//! What a queue does about messages that wait on disk only.
//!
//! Messages go out when more wait than memory is for, the latest first, and come in by pages, in
//! order: where somebody has room and has come to them, ahead of consumers that will, and where one
//! has expired. What a page brings that nobody takes goes out again, so that a consumer whose
//! selector matches little goes through a backlog of any length.

use std::cmp::Reverse;
use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::effects::Effects;
use super::entry::{Entry, Held};
use super::paging::{Keeping, Paging};
use super::queue::{Queue, entry};
use super::spooled::Spooled;

/// The most messages of a page.
const MOST_OF_PAGE: usize = 1024;
/// Bytes of a page: a quarter of what may wait in memory, within this range.
const PAGE_BYTES: (u64, u64) = (4 * 1024, 1024 * 1024);
/// What consumers may hold in any case, in bytes, however full memory is.
const LEAST_HELD: u64 = 1024 * 1024;

/// How large a page may be. It holds one message in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Messages.
    pub messages: usize,
    /// Bytes of them.
    pub bytes: usize,
}

/// Messages of a queue that a store gave, from where a page begins, without a gap.
#[derive(Debug, Default)]
pub struct Page {
    /// By their places. One that is missing is not for the queue's consumers, and passed over.
    pub messages: Vec<(i64, Option<Message>)>,
    /// Those of them that are missing because they are damaged, in their order, and in what way.
    pub damaged: Vec<(i64, String)>,
    /// Whether more could not be read.
    pub failed: bool,
}

impl Queue {
    /// The same queue, whose persistent messages a store keeps: of those that wait, it holds about
    /// this many bytes in memory.
    pub fn paging(mut self, window: u64) -> Self {
        self.paging = Some(Box::new(Paging::new(window)));
        self.returns.handed = Some(Box::default());
        self
    }

    /// The store has so many messages from `first` to `last`, from before the queue came to life.
    pub fn take_up(&mut self, count: usize, first: i64, last: i64) {
        if let Some(paging) = &mut self.paging {
            paging.take_up(count, first, last);
            self.last_kept = self.last_kept.max(last);
            self.last_come = self.last_come.max(last);
        }
    }

    /// Wants the first page although nobody asks for it.
    pub fn look_at_front(&mut self) {
        if let Some(paging) = &mut self.paging {
            paging.look_at_front = true;
        }
    }

    /// Messages that wait on disk only.
    pub fn paged(&self) -> usize {
        self.paging.as_ref().map_or(0, |paging| paging.count())
    }

    /// Whether a message waits on disk only.
    pub fn is_paged(&self, place: i64) -> bool {
        self.paging.as_ref().is_some_and(|paging| paging.contains(place))
    }

    /// Where the next message after a place may be that waits on disk only.
    pub fn paged_from(&self, place: i64) -> Option<i64> {
        self.paging.as_ref().and_then(|paging| paging.next_before(place, None))
    }

    /// Whether there may be something to do about messages on disk.
    pub fn is_paging(&self) -> bool {
        self.paging.as_ref().is_some_and(|paging| !paging.is_idle())
    }

    /// Bytes of persistent messages that may wait in memory.
    pub fn window(&self) -> Option<u64> {
        self.paging.as_ref().map(|paging| paging.window())
    }

    /// Keeps less in memory while the broker's is short, and as much as it may when it is not.
    pub fn heed_pressure(&mut self) {
        if let Some(paging) = &mut self.paging {
            paging.heed(&self.account);
        }
    }

    /// Lets go out what need not be in memory, now that all batches of a store up to `settled` can be
    /// read.
    pub fn page_out(&mut self, settled: u64, of: Keeping) {
        self.heed_pressure();
        if let Some(paging) = &mut self.paging {
            paging.heard(settled, of);
        }
        self.let_out();
    }

    /// Whether it would help to know when all can be read that was handed to a store until now.
    pub fn wants_fence(&self, of: Keeping) -> bool {
        self.paging.as_ref().is_some_and(|paging| paging.wants_fence(of))
    }

    /// That is so when this batch is settled.
    pub fn set_fence(&mut self, batch: u64, of: Keeping) {
        if let Some(paging) = &mut self.paging {
            paging.set_fence(batch, of);
        }
    }

    /// Asks for a page if one is wanted and none is to come; says whether it did.
    pub fn ask_for_page(&mut self) -> bool {
        let idle = |paging: &Paging| paging.is_reading() || paging.unreadable;
        if self.paging.as_ref().is_none_or(|paging| idle(paging)) {
            return false;
        }
        let Some(from) = self.next_page() else { return false };
        if let Some(paging) = &mut self.paging {
            paging.ask(from);
        }
        true
    }

    /// Where the page begins that was asked for, and how large it may be. Whoever asks this reads
    /// it: nobody is told a second time.
    pub fn begin_page(&mut self) -> Option<(i64, PageSize)> {
        let paging = self.paging.as_mut()?;
        let from = paging.begin_page()?;
        let bytes = (paging.window() / 4).clamp(PAGE_BYTES.0, PAGE_BYTES.1);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Some((from, PageSize { messages: MOST_OF_PAGE, bytes }))
    }

    /// The page has been read. Returns what of it is set aside from now on, because it is damaged.
    pub fn take_page(
        &mut self,
        mut page: Page,
        now: i64,
        effects: &mut Effects,
    ) -> Vec<(i64, String)> {
        let begun = self.paging.as_mut().and_then(|paging| paging.end_page());
        let Some((from, last, whole_to)) = begun else { return Vec::new() };
        page.damaged.retain(|(place, _)| self.is_paged(*place));
        let mut follows = from.saturating_sub(1);
        let nothing = page.messages.is_empty();
        for (place, message) in page.messages {
            if place > whole_to {
                follows = place.saturating_sub(1);
            }
            if let Some(entry) = self.bring_in(place, follows, message) {
                if entry.has_expired(now, &self.offset) {
                    effects.expired.push(entry.message);
                } else {
                    self.lay_in(entry);
                }
            }
            follows = place;
        }
        let Some(paging) = &mut self.paging else { return page.damaged };
        paging.set_aside.extend(page.damaged.iter().map(|(place, _)| *place));
        // What is not certain is asked again later, as what cannot be read is.
        paging.unreadable = nothing && (page.failed || whole_to < last);
        if nothing && !page.failed {
            follows = last.min(whole_to);
            paging.nothing_between(from, follows);
        }
        paging.deadlines.cut(from, follows);
        let missing = paging.rest();
        if missing > 0 {
            tracing::error!(missing, "the store does not have messages that it was given");
        }
        self.serve_starving(now, effects);
        self.let_out();
        page.damaged
    }

    /// Messages that are damaged on disk: nobody gets them, and the store has them until they are
    /// released.
    pub fn set_aside(&self) -> usize {
        self.paging.as_ref().map_or(0, |paging| paging.set_aside.len())
    }

    /// Takes the places of those, for the store to forget them.
    pub fn release_set_aside(&mut self) -> Vec<i64> {
        let paging = self.paging.as_mut();
        paging.map(|paging| std::mem::take(&mut paging.set_aside)).unwrap_or_default()
    }

    /// Whether a message may not be taken while memory is full, although it could wait on disk:
    /// somebody would get it at once, and consumers hold enough.
    pub fn would_hold(&self) -> bool {
        self.ready.has(|_| true) && self.holds_enough()
    }

    /// The entry of a message that the store gave, if it waited on disk only.
    fn bring_in(&mut self, place: i64, follows: i64, message: Option<Message>) -> Option<Entry> {
        let own_count = message.as_ref().map_or(0, Message::redelivery_counter);
        let redeliveries = self.paging.as_mut()?.take(place, follows, own_count)?;
        let message = message?;
        let charge = Held::Alone(self.account.charge(message.size()));
        let gone = self.paging.as_ref().map(|paging| &paging.spool.gone);
        let spooled = gone.filter(|_| !message.persistent()).map(|gone| Spooled::new(place, gone));
        let entry = entry(Arc::new(message), charge);
        Some(Entry { sequence: place, redeliveries, follows, spooled, ..entry })
    }

    /// Lets go out, the latest first, what is more than memory is for.
    fn let_out(&mut self) {
        let Self { paging: Some(paging), pending, expiring, .. } = self else { return };
        let excess = paging.excess();
        if excess == 0 {
            return;
        }
        let mut out = Vec::new();
        pending.page_out(excess, |entry| paging.is_readable(entry), &mut out);
        for entry in out {
            if entry.expiration > 0 {
                expiring.remove(&(entry.expiration, entry.sequence));
            }
            paging.out(entry);
        }
        paging.settle_excess();
    }

    /// Goes on with the subscriptions that waited for a page, those of a higher priority first, and
    /// in turn.
    fn serve_starving(&mut self, now: i64, effects: &mut Effects) {
        let Some(paging) = &mut self.paging else { return };
        let (starving, served) = (std::mem::take(&mut paging.starving), paging.served);
        let ending = std::mem::take(&mut paging.ending);
        let priority = |slot: &usize| {
            let subscription = self.slots.get(*slot).and_then(Option::as_ref);
            subscription.map_or(i8::MIN, |subscription| subscription.asked.priority)
        };
        let mut slots: Vec<usize> = starving.into_iter().collect();
        slots.sort_by_key(|slot| (Reverse(priority(slot)), *slot < served, *slot));
        for slot in slots {
            self.fill(slot, now, effects);
        }
        for slot in ending {
            self.end_pull(super::effects::SubscriptionKey(slot), effects);
        }
    }

    /// Where the next page begins, if one is wanted.
    fn next_page(&mut self) -> Option<i64> {
        let first = self.paging.as_ref()?.first()?;
        if self.account.is_over() && self.holds_enough() {
            // Asked again when something has been settled.
            return None;
        }
        if let Some((slot, from)) = self.next_starving() {
            self.paging.as_mut()?.served = slot;
            return Some(from);
        }
        let consumed = |one: &super::subscription::Subscription| !one.asked.browser && !one.retired;
        let is_consumed = self.slots.iter().flatten().any(consumed);
        let paging = self.paging.as_mut()?;
        let ahead = is_consumed || std::mem::take(&mut paging.look_at_front);
        if ahead && paging.held() < paging.room() / 2 {
            return Some(first);
        }
        paging.next_to_expire()
    }

    /// The subscription whose turn it is for a page, and where that begins.
    fn next_starving(&self) -> Option<(usize, i64)> {
        let paging = self.paging.as_ref()?;
        let (until, after) = (..=paging.served, paging.served.saturating_add(1)..);
        let in_turn = paging.starving.range(after).chain(paging.starving.range(until));
        let wanted = |slot: &usize| {
            let subscription = self.slots.get(*slot).and_then(Option::as_ref)?;
            let place = match &subscription.browse {
                Some(browse) => browse.look().map(|_| browse.range().0)?,
                None if subscription.ready || !subscription.has_room() => return None,
                None if !self.lets_in(*slot) => return None,
                None => subscription.tested_to,
            };
            Some((*slot, paging.next_before(place, None)?))
        };
        in_turn.filter_map(wanted).next()
    }

    /// Whether consumers hold so much that they can get on without more.
    fn holds_enough(&self) -> bool {
        let waiting = self.paging.as_ref().map_or(0, |paging| paging.in_memory());
        self.account.used().saturating_sub(waiting) >= LEAST_HELD
    }

    /// Looks for what has expired on disk.
    pub(super) fn look_for_expired(&mut self, now: i64) {
        if let Some(paging) = &mut self.paging {
            paging.sweep = Some(now);
            paging.look_at_unknown = true;
            paging.unreadable = false;
        }
    }

    /// Ends the wait of a subscription that pulled, once what is on disk has been looked at; false
    /// if nothing there is wanted.
    pub(super) fn end_after_page(&mut self, slot: usize) -> bool {
        let Some(paging) = &mut self.paging else { return false };
        let waits = paging.starving.contains(&slot) && !paging.unreadable;
        if waits {
            paging.ending.insert(slot);
        }
        waits
    }
}
