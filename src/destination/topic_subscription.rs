//! A subscription to topics: each gets its own copy of every message.

use std::collections::VecDeque;
use std::sync::Arc;

use ferrymq_openwire::message::Message;
use ferrymq_transport::clock::WallOffset;

use super::acknowledgement::{AckKind, Acknowledgement};
use super::admission::{Admission, NotAdmitted};
use super::memory::SharedCharge;

/// A message that one or more topic subscriptions hold.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The message.
    pub message: Arc<Message>,
    /// Shared by all who hold it: it counts once. Absent for what counts nowhere (advisories).
    pub charge: Option<SharedCharge>,
}

/// A subscription to one or more topics, without a memory beyond its connection.
///
/// Acknowledgements are counted, not matched to ids, as ActiveMQ does: a topic's messages are never
/// delivered again, so the count of what is outstanding is all there is to keep.
pub struct TopicSubscription {
    /// How many may be outstanding (ActiveMQ's `prefetchSize`); 0: one for each pull.
    prefetch: usize,
    /// Whether a message was pulled and has not come yet.
    pulling: bool,
    extension: usize,
    admission: Admission,
    /// What is left of each message that was dispatched: what it counts as until it is settled.
    outstanding: VecDeque<Option<SharedCharge>>,
    waiting: VecDeque<Pending>,
    /// How many of both count on no account.
    uncharged: usize,
    /// Of the clock by which messages expire.
    offset: WallOffset,
}

impl TopicSubscription {
    /// A subscription of this window.
    pub fn new(prefetch: usize, admission: Admission) -> Self {
        Self {
            prefetch,
            pulling: false,
            extension: 0,
            admission,
            outstanding: VecDeque::new(),
            waiting: VecDeque::new(),
            uncharged: 0,
            offset: WallOffset::default(),
        }
    }

    /// The same subscription, which is told how far the wall clock is ahead.
    pub fn telling(mut self, offset: WallOffset) -> Self {
        self.offset = offset;
        self
    }

    /// Messages not settled, waiting ones included, that count on no account.
    pub fn uncharged(&self) -> usize {
        self.uncharged
    }

    /// Messages dispatched and not settled.
    pub fn in_flight(&self) -> usize {
        self.outstanding.len()
    }

    /// Takes a message that was published; it is pushed to `dispatches` now or when there is room.
    /// False if it is lost to the consumer, which would have it and whose frames are too small.
    pub fn offer(
        &mut self,
        pending: Pending,
        now: i64,
        dispatches: &mut Vec<Arc<Message>>,
    ) -> bool {
        let message = &*pending.message;
        match self.admission.check(message, message.redelivery_counter()) {
            Ok(()) if has_expired(message, self.offset.wall(now)) => return true,
            Ok(()) => {}
            Err(NotAdmitted::TooLarge(_)) => return false,
            Err(_) => return true,
        }
        self.uncharged += usize::from(pending.charge.is_none());
        if self.waiting.is_empty() && self.has_room() {
            self.hand_over(pending, dispatches);
        } else {
            self.waiting.push_back(pending);
        }
        true
    }

    /// Applies an acknowledgement; returns how many messages it settled.
    pub fn acknowledge(
        &mut self,
        ack: &Acknowledgement<'_>,
        now: i64,
        dispatches: &mut Vec<Arc<Message>>,
    ) -> usize {
        let settled = match ack.kind {
            AckKind::Delivered => {
                self.extension =
                    self.extension.saturating_add(ack.count).min(self.outstanding.len());
                0
            }
            AckKind::Redelivered => 0,
            AckKind::Individual => 1,
            AckKind::Standard | AckKind::Poison | AckKind::Expired => ack.count,
        };
        let settled = settled.min(self.outstanding.len());
        let uncharged = self.outstanding.drain(..settled).filter(Option::is_none).count();
        self.uncharged -= uncharged;
        self.extension = self.extension.saturating_sub(settled);
        self.fill(now, dispatches);
        settled
    }

    /// Changes how many messages may be outstanding.
    pub fn set_prefetch(&mut self, prefetch: usize, now: i64, dispatches: &mut Vec<Arc<Message>>) {
        self.prefetch = prefetch;
        self.pulling &= prefetch == 0;
        self.fill(now, dispatches);
    }

    /// Lets it have one message now or, while it has not got it, later; only one without a window
    /// needs that. True if it has still to get it.
    pub fn pull(&mut self, now: i64, dispatches: &mut Vec<Arc<Message>>) -> bool {
        self.pulling = self.prefetch == 0;
        self.fill(now, dispatches);
        self.pulling
    }

    /// Ends the wait for a message that was pulled; true if it has not come.
    pub fn end_pull(&mut self) -> bool {
        std::mem::take(&mut self.pulling)
    }

    fn fill(&mut self, now: i64, dispatches: &mut Vec<Arc<Message>>) {
        while self.has_room() {
            let Some(next) = self.waiting.pop_front() else { return };
            if has_expired(&next.message, self.offset.wall(now)) {
                self.uncharged -= usize::from(next.charge.is_none());
            } else {
                self.hand_over(next, dispatches);
            }
        }
    }

    fn has_room(&self) -> bool {
        if self.prefetch == 0 {
            return self.pulling;
        }
        self.outstanding.len() < self.prefetch.saturating_add(self.extension)
    }

    fn hand_over(&mut self, pending: Pending, dispatches: &mut Vec<Arc<Message>>) {
        self.pulling = false;
        dispatches.push(pending.message);
        self.outstanding.push_back(pending.charge);
    }
}

fn has_expired(message: &Message, wall: i64) -> bool {
    let expiration = message.expiration();
    expiration > 0 && expiration < wall
}
