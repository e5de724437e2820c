//! What a consumer holds and owes: a machine without I/O.
//!
//! Dispatches go in, messages come out in order, and every step appends the acknowledgements that
//! the broker must see because of it. The rules are those of JMS clients, so that a broker cannot
//! tell the difference. It does not know the connection; whoever holds it sends what it appends,
//! before letting anyone else at it, so that acknowledgements leave in the order of the steps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConsumerId, TransactionId};
use ferrymq_openwire::message::Message;
use tokio::time::Instant;

use super::audit::{Audit, Settled};
use super::held::{self, AckKind, Held, Run};
use super::redelivery::RedeliveryPolicy;
use crate::error::ConnectionLost;
use crate::received::ReceivedMessage;

/// How many messages of lost links an application may still settle; the oldest go first.
const MOST_STALE: usize = 4096;

/// When messages are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settling {
    /// As they are handed out.
    Each,
    /// As they are handed out, but told to the broker in ranges of half the prefetch.
    Ranges,
    /// When the application says so, for all that were handed out before.
    OnDemand,
    /// When the application says so, one by one.
    OneByOne,
}

/// What never changes about a consumer, as far as its messages are concerned.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Its identifier; every ack names it.
    pub(crate) id: ConsumerId,
    /// When its messages are settled.
    pub(crate) settling: Settling,
    /// What becomes of messages that are given back.
    pub(crate) redelivery: RedeliveryPolicy,
    /// Whether messages that expired on the way are dropped.
    pub(crate) drop_expired: bool,
    /// How many windows the broker may keep for it: one, or, for a pattern or a list of addresses,
    /// one at each.
    pub(crate) windows: usize,
    /// Under which name the audit knows what comes, where that is not the destination: two durable
    /// subscriptions to one topic each get their copy.
    pub(crate) audited_as: Option<Destination>,
    /// Recognises what comes once more after a link was lost; only where that may happen.
    pub(crate) audit: Option<Arc<Audit>>,
}

impl Terms {
    /// Where a message counts as settled, for the audit.
    fn place<'a>(&'a self, held: &'a Held) -> &'a Destination {
        self.audited_as.as_ref().unwrap_or(&held.destination)
    }
}

/// Why a consumer hands out nothing any more.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// Its owner closed it.
    ByOwner,
    /// The broker closed it.
    ByBroker,
    /// The connection is gone.
    Lost(ConnectionLost),
}

/// A message as it leaves the consumer.
#[derive(Debug)]
pub(crate) struct Handed {
    /// The number by which it is settled alone.
    pub(crate) serial: u64,
    pub(crate) received: ReceivedMessage,
}

/// What asking for messages came to.
#[derive(Debug)]
pub(crate) enum Taken {
    /// At least one; `more`: others are left.
    Some { more: bool },
    /// None now.
    None,
    /// None until then: given back messages rest.
    RestingUntil(Instant),
    /// None ever again.
    Never(Ended),
}

/// The two clocks, read once per step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For delays.
    pub(crate) instant: Instant,
    /// For expiry: milliseconds of the epoch.
    pub(crate) epoch_millis: i64,
}

/// The broker sent more than the window allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun {
    /// How many unreceived messages the window allows at most.
    pub(crate) allowed: usize,
}

/// The messages of one consumer: waiting, handed out, and owed an acknowledgement.
#[derive(Debug)]
pub(crate) struct ConsumerState {
    terms: Terms,
    /// How many messages the broker may have out. It may change this.
    prefetch: usize,
    /// The same, as asked for.
    asked_prefetch: usize,
    /// Handed out and unsettled when a link was lost, and not handed out again since.
    stale: BTreeMap<u64, Held>,
    /// Dispatched and not handed out yet, in dispatch order.
    inbox: VecDeque<Held>,
    /// Handed out and given back; they go before the inbox.
    again: VecDeque<Held>,
    /// Handed out and unsettled, in that order (only where the application settles).
    delivered: VecDeque<Held>,
    /// How many of `delivered`, at its end, no `Delivered` ack has covered.
    unreported: usize,
    /// Settled and not told yet (only with [`Settling::Ranges`]).
    owed: Option<Run>,
    /// By how much `Delivered` acks have widened the window, ever.
    widened: usize,
    /// The broker's number of the last message handed out; -1 before the first.
    last_delivered: i64,
    /// When given back messages may be handed out again.
    rests_until: Option<Instant>,
    next_serial: u64,
    ended: Option<Ended>,
}

impl ConsumerState {
    /// A consumer that holds nothing.
    pub(crate) fn new(terms: Terms, prefetch: usize) -> Self {
        Self {
            terms,
            prefetch,
            asked_prefetch: prefetch,
            stale: BTreeMap::new(),
            inbox: VecDeque::new(),
            again: VecDeque::new(),
            delivered: VecDeque::new(),
            unreported: 0,
            owed: None,
            widened: 0,
            last_delivered: -1,
            rests_until: None,
            next_serial: 0,
            ended: None,
        }
    }

    /// Takes in dispatches. The window bounds what may wait here; a broker that overruns it is
    /// broken, and holding what it sends would take memory without bound.
    pub(crate) fn accept(
        &mut self,
        dispatches: &mut Vec<Held>,
        acks: &mut Vec<Command>,
    ) -> Result<(), Overrun> {
        if self.ended.is_some() {
            // The broker learns of the end by itself and gives these to others.
            dispatches.clear();
            return Ok(());
        }
        self.drop_duplicates(dispatches, acks);
        let allowed = self.prefetch.saturating_add(self.widened).saturating_mul(self.terms.windows);
        if self.inbox.len() + dispatches.len() > allowed {
            return Err(Overrun { allowed });
        }
        self.inbox.extend(dispatches.drain(..));
        Ok(())
    }

    /// What is settled already comes again when its acknowledgement was lost with a link; it is
    /// settled once more.
    fn drop_duplicates(&mut self, dispatches: &mut Vec<Held>, acks: &mut Vec<Command>) {
        let Some(audit) = self.terms.audit.as_ref().filter(|audit| audit.is_suspicious()) else {
            return;
        };
        let settled = audit.lock();
        dispatches.retain(|held| {
            let known = settled.knows(&held.message, self.terms.place(held));
            if known {
                acks.push(held::individual(&self.terms.id, held));
            }
            !known
        });
    }

    /// The link is gone, and another one may come. What the broker had out, it delivers again.
    pub(crate) fn interrupt(&mut self) {
        if self.ended.is_some() {
            return;
        }
        self.stale.extend(self.delivered.drain(..).map(|held| (held.serial, held)));
        while self.stale.len() > MOST_STALE {
            self.stale.pop_first();
        }
        self.inbox.clear();
        self.again.clear();
        self.owed = None;
        self.unreported = 0;
        self.widened = 0;
        self.prefetch = self.asked_prefetch;
        self.last_delivered = -1;
        self.rests_until = None;
    }

    /// The broker changed the prefetch. A smaller one holds for what it sends from now on, so what
    /// waits already is not held against it.
    pub(crate) fn set_prefetch(&mut self, prefetch: usize) {
        self.widened = self.widened.saturating_add(self.prefetch.saturating_sub(prefetch));
        self.prefetch = prefetch;
    }

    /// Hands out up to `max` messages.
    pub(crate) fn take(
        &mut self,
        max: usize,
        now: Now,
        handed: &mut Vec<Handed>,
        acks: &mut Vec<Command>,
    ) -> Taken {
        if let Some(ended) = &self.ended {
            return Taken::Never(ended.clone());
        }
        if let Some(until) = self.rests_until {
            if now.instant < until {
                return Taken::RestingUntil(until);
            }
            self.rests_until = None;
        }
        let before = handed.len();
        let mut each = None;
        let audit = self.terms.audit.clone();
        let mut settled = audit.as_ref().map(|audit| audit.lock());
        while handed.len() - before < max {
            let Some(mut held) = self.again.pop_front().or_else(|| self.inbox.pop_front()) else {
                break;
            };
            if self.terms.drop_expired && expired(&held.message, now.epoch_millis) {
                held::ranges(AckKind::Expired, &self.terms.id, [&held], acks);
                continue;
            }
            if !self.stale.is_empty() {
                self.stale.retain(|_, stale| !is_same(stale, &held));
            }
            held.serial = self.next_serial;
            self.next_serial += 1;
            self.last_delivered = held.message.broker_sequence_id();
            handed.push(Handed {
                serial: held.serial,
                received: ReceivedMessage {
                    message: Arc::clone(&held.message),
                    destination: held.destination.clone(),
                    redeliveries: held.redeliveries,
                },
            });
            self.settle_or_keep(held, &mut each, settled.as_deref_mut(), acks);
        }
        drop(settled);
        if let Some(run) = each {
            acks.push(run.close(AckKind::Standard, &self.terms.id));
        }
        if handed.len() == before {
            return Taken::None;
        }
        Taken::Some { more: !(self.again.is_empty() && self.inbox.is_empty()) }
    }

    fn settle_or_keep(
        &mut self,
        held: Held,
        each: &mut Option<Run>,
        settled: Option<&mut Settled>,
        acks: &mut Vec<Command>,
    ) {
        let id = &self.terms.id;
        if let Some(settled) = settled
            && matches!(self.terms.settling, Settling::Each | Settling::Ranges)
        {
            settled.note(&held.message, self.terms.place(&held));
        }
        match self.terms.settling {
            Settling::Each => Run::extend(each, &held, AckKind::Standard, id, acks),
            Settling::Ranges => {
                Run::extend(&mut self.owed, &held, AckKind::Standard, id, acks);
                if self.owed.as_ref().is_some_and(|run| is_half(run.count(), self.prefetch)) {
                    self.settle_owed(acks);
                }
            }
            Settling::OnDemand | Settling::OneByOne => {
                self.unreported += usize::from(!held.reported);
                self.delivered.push_back(held);
                if is_half(self.unreported, self.prefetch) {
                    self.report(acks);
                }
            }
        }
    }

    /// Tells the broker of what was handed out since the last such report, so that it sends on
    /// although nothing is settled.
    fn report(&mut self, acks: &mut Vec<Command>) {
        let start = self.delivered.len() - self.unreported.min(self.delivered.len());
        held::ranges(AckKind::Delivered, &self.terms.id, self.delivered.range(start..), acks);
        for held in self.delivered.range_mut(start..) {
            held.reported = true;
        }
        self.widened = self.widened.saturating_add(self.unreported);
        self.unreported = 0;
    }

    fn settle_owed(&mut self, acks: &mut Vec<Command>) {
        if let Some(run) = self.owed.take() {
            acks.push(run.close(AckKind::Standard, &self.terms.id));
        }
    }

    /// Whether something was handed out that is not settled.
    pub(crate) fn holds_delivered(&self) -> bool {
        !self.delivered.is_empty()
    }

    /// Settles everything that was handed out.
    pub(crate) fn acknowledge_all(&mut self, acks: &mut Vec<Command>) {
        self.settle_owed(acks);
        if let Some(audit) = &self.terms.audit {
            let mut settled = audit.lock();
            for held in &self.delivered {
                settled.note(&held.message, self.terms.place(held));
            }
        }
        held::ranges(AckKind::Standard, &self.terms.id, &self.delivered, acks);
        self.delivered.clear();
        self.unreported = 0;
        for held in std::mem::take(&mut self.stale).into_values() {
            self.settle_late(&held, acks);
        }
    }

    /// The application is done with a message whose link was lost before it said so. When it is
    /// delivered again, here, it is settled; it may be here already.
    fn settle_late(&mut self, late: &Held, acks: &mut Vec<Command>) {
        let Some(audit) = &self.terms.audit else { return };
        audit.lock().note(&late.message, self.terms.place(late));
        if let Some(place) = self.inbox.iter().position(|held| is_same(held, late))
            && let Some(held) = self.inbox.remove(place)
        {
            acks.push(held::individual(&self.terms.id, &held));
        }
    }

    /// The acknowledgement of everything that was handed out, as part of a transaction. It is
    /// settled when that is committed ([`settle_through`](Self::settle_through)); returns the number
    /// under which the last of it was handed out.
    pub(crate) fn acknowledge_within(
        &mut self,
        transaction: &TransactionId,
        acks: &mut Vec<Command>,
    ) -> Option<u64> {
        let before = acks.len();
        held::ranges(AckKind::Standard, &self.terms.id, &self.delivered, acks);
        for command in acks.iter_mut().skip(before) {
            if let Command::MessageAck(ack) = command {
                ack.transaction_id = Some(transaction.clone());
            }
        }
        self.delivered.back().map(|last| last.serial)
    }

    /// What was handed out under this number and before it is settled, be it over a link that is
    /// lost.
    pub(crate) fn settle_through(&mut self, last: u64) {
        let settled = self.delivered.partition_point(|held| held.serial <= last);
        self.delivered.drain(..settled);
        self.stale.retain(|serial, _| *serial > last);
        self.unreported = self.unreported.min(self.delivered.len());
    }

    /// Settles the message that was handed out under this number; nothing if it is settled already
    /// or was given back.
    pub(crate) fn acknowledge_one(&mut self, serial: u64, acks: &mut Vec<Command>) {
        let Ok(place) = self.delivered.binary_search_by_key(&serial, |held| held.serial) else {
            if let Some(late) = self.stale.remove(&serial) {
                self.settle_late(&late, acks);
            }
            return;
        };
        if let Some(held) = self.delivered.remove(place) {
            if let Some(audit) = &self.terms.audit {
                audit.lock().note(&held.message, self.terms.place(&held));
            }
            self.unreported -= usize::from(!held.reported).min(self.unreported);
            acks.push(held::individual(&self.terms.id, &held));
        }
    }

    /// Takes back everything that is unsettled, to hand it out again, before anything else. What
    /// was handed out too often is given up instead.
    pub(crate) fn recover(&mut self, now: Instant, acks: &mut Vec<Command>) {
        // These come again by themselves.
        self.stale.clear();
        if self.delivered.is_empty() {
            return;
        }
        self.unreported = 0;
        let maximum = self.terms.redelivery.maximum.unwrap_or(u32::MAX);
        let (spent, kept): (VecDeque<Held>, VecDeque<Held>) =
            self.delivered.drain(..).partition(|held| held.redeliveries >= maximum);
        for held in &spent {
            let cause = format!(
                "delivery {} exceeds the limit of {maximum} redeliveries",
                held.redeliveries.saturating_add(1)
            );
            acks.push(held::poison(&self.terms.id, held, cause));
        }
        if kept.is_empty() {
            return;
        }
        held::ranges(AckKind::Redelivered, &self.terms.id, &kept, acks);
        for mut held in kept.into_iter().rev() {
            held.redeliveries = held.redeliveries.saturating_add(1);
            self.again.push_front(held);
        }
        if !self.terms.redelivery.delay.is_zero() {
            self.rests_until = Some(now + self.terms.redelivery.delay);
        }
    }

    /// Ends the consumer in order: what is settled is told. Returns the broker's number of the last
    /// message handed out (-1: none), by which the broker tells which of those that come back were
    /// delivered. `None`: it had ended before.
    pub(crate) fn close(&mut self, acks: &mut Vec<Command>) -> Option<i64> {
        if self.ended.is_some() {
            return None;
        }
        self.settle_owed(acks);
        self.end(Ended::ByOwner);
        Some(self.last_delivered)
    }

    /// The consumer is over; the first reason stays.
    pub(crate) fn end(&mut self, why: Ended) {
        if self.ended.is_none() {
            self.ended = Some(why);
            self.inbox = VecDeque::new();
            self.again = VecDeque::new();
            self.delivered = VecDeque::new();
            self.stale = BTreeMap::new();
            self.owed = None;
        }
    }

    /// How many messages wait to be handed out.
    pub(crate) fn waiting(&self) -> usize {
        self.again.len() + self.inbox.len()
    }
}

/// Whether both are the same message of the same queue.
fn is_same(one: &Held, other: &Held) -> bool {
    one.destination == other.destination
        && one.message.origin().is_some_and(|origin| other.message.origin() == Some(origin))
}

/// Whether `count` has reached half the prefetch.
fn is_half(count: usize, prefetch: usize) -> bool {
    count > 0 && count.saturating_mul(2) >= prefetch
}

fn expired(message: &Message, epoch_millis: i64) -> bool {
    let expiration = message.expiration();
    expiration > 0 && epoch_millis > expiration
}
