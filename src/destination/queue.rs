//! A queue: each message goes to one subscription.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;
use ferrymq_transport::clock::WallOffset;

use super::acknowledgement::{AckError, Acknowledgement};
use super::backlog::Backlog;
use super::browse::BrowseCursor;
use super::delivered::Delivered;
use super::effects::{DeadLetter, Effects, SubscriptionKey};
use super::entry::{Entry, Held};
use super::exclusive::Exclusives;
use super::former_ways::FormerWays;
use super::frames::Frames;
use super::memory::{MemoryAccount, SharedCharge};
use super::paging::{Keeping, Paging};
use super::rate::Rate;
use super::ready::ReadyRing;
use super::redelivery::{RedeliveryPolicy, Resting};
use super::returns::Returns;
use super::sharing::Sharing;
use super::subscription::{QueueSubscription, Subscription};
use super::transacted::Transacted;
use super::ways::Way;
use super::window::{Outcome, Window};

/// Messages in order, and the subscriptions that share them.
///
/// At rest, every subscription with room has refused every pending message: a new message is
/// offered to those with room and else becomes pending, and a subscription that gets room goes
/// through the pending ones that it has not tested yet. So neither a full consumer nor one that
/// admits little holds up the others.
///
/// `now` is time in milliseconds that never jumps; the [offset](Self::telling) says how far the wall
/// clock is ahead, by which messages expire.
pub struct Queue {
    pub(super) account: Arc<MemoryAccount>,
    pub(super) pending: Backlog,
    /// What waits on disk only, where a store keeps the persistent messages.
    pub(super) paging: Option<Box<Paging>>,
    /// Those of `pending` that can expire: when, and which.
    pub(super) expiring: BTreeSet<(i64, i64)>,
    /// The highest sequence that was ever pending.
    pub(super) last_kept: i64,
    /// The highest sequence that ever came.
    pub(super) last_come: i64,
    pub(super) slots: Vec<Option<Subscription>>,
    /// Which of `slots` are empty.
    free: BTreeSet<usize>,
    pub(super) ready: ReadyRing,
    pub(super) sharing: Sharing,
    pub(super) exclusives: Exclusives,
    /// What may go back to brokers that it has visited, and when.
    pub(super) returns: Returns,
    /// Slots of bridges, and the first of the pending messages that each might have if others went.
    pub(super) refused_from: BTreeMap<usize, i64>,
    /// Whether some of them may have what was refused although nobody else has gone.
    pub(super) opened: bool,
    /// Ways that others wait for to run empty.
    pub(super) former_ways: FormerWays,
    /// Reused between acknowledgements.
    pub(super) taken: Vec<Entry>,
    /// Those of `ready` that turn out to have no room in the window that they share; reused between
    /// messages.
    pub(super) full: Vec<usize>,
    subscriptions: usize,
    /// How many of them wait for their end only.
    pub(super) retired: usize,
    /// How many of them ask about what their brokers may have.
    pub(super) settling: usize,
    /// How many messages have been tested for subscriptions that got room.
    pub(super) scanned: usize,
    /// What open transactions hold.
    pub(super) transacted: Transacted,
    /// What was refused and is tried again later.
    pub(super) resting: Resting,
    /// Of the clock by which messages expire.
    pub(super) offset: WallOffset,
    /// What its one consumer takes, if the rest is not to wait for others.
    pub(super) sole_frames: Option<Frames>,
}

impl Queue {
    /// An empty queue whose messages count on `account` and never go back over a bridge to a broker
    /// that they have visited. A consumer gets all that its window holds at once.
    pub fn new(account: Arc<MemoryAccount>) -> Self {
        let policy = ReplayPolicy { replay_when_no_consumers: false, ..ReplayPolicy::default() };
        Self { sharing: Sharing::default(), ..Self::shared(account, policy) }
    }

    /// An empty queue whose messages go back as `policy` says, and whose consumers share it by what
    /// they get done.
    pub fn shared(account: Arc<MemoryAccount>, policy: ReplayPolicy) -> Self {
        Self {
            returns: Returns::new(policy),
            sharing: Sharing::bounded(),
            account,
            pending: Backlog::default(),
            paging: None,
            expiring: BTreeSet::new(),
            last_kept: i64::MIN,
            last_come: i64::MIN,
            slots: Vec::new(),
            free: BTreeSet::new(),
            ready: ReadyRing::default(),
            exclusives: Exclusives::default(),
            refused_from: BTreeMap::new(),
            opened: false,
            former_ways: FormerWays::default(),
            taken: Vec::new(),
            full: Vec::new(),
            subscriptions: 0,
            retired: 0,
            settling: 0,
            scanned: 0,
            transacted: Transacted::default(),
            resting: Resting::default(),
            offset: WallOffset::default(),
            sole_frames: None,
        }
    }

    /// Messages that wait for a consumer.
    pub fn pending(&self) -> usize {
        self.pending.len() + self.resting.len() + self.paged()
    }

    /// The same queue, which tries again as `policy` says what a consumer refuses.
    pub fn redelivering(mut self, policy: RedeliveryPolicy) -> Self {
        self.resting = Resting::new(policy);
        self
    }

    /// Messages dispatched and not settled.
    pub fn in_flight(&self) -> usize {
        let windows = self.slots.iter().flatten().map(|subscription| subscription.window.len());
        windows.sum::<usize>() + self.transacted.left_behind.len()
    }

    /// Subscriptions, without browsers.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// Takes a message in. Its `broker_sequence_id` is its place: higher than all before.
    pub fn enqueue(&mut self, message: Arc<Message>, now: i64, effects: &mut Effects) {
        let charge = Held::Alone(self.account.charge(message.size()));
        self.take_in(entry(message, charge), now, effects);
    }

    /// The same for one that a bridge brought.
    pub fn enqueue_forwarded(&mut self, message: Arc<Message>, now: i64, effects: &mut Effects) {
        let charge = Held::Alone(self.account.charge_forwarded(message.size()));
        self.take_in(entry(message, charge), now, effects);
    }

    /// Takes in a message that others hold, too, and that counts once for all of them.
    pub fn enqueue_shared(
        &mut self,
        message: Arc<Message>,
        charge: SharedCharge,
        now: i64,
        effects: &mut Effects,
    ) {
        if let Some(paging) = &mut self.paging {
            paging.note_account(charge.account());
        }
        self.take_in(entry(message, Held::Shared(charge)), now, effects);
    }

    /// Adds a subscription and dispatches what it may have.
    pub fn subscribe(
        &mut self,
        asked: QueueSubscription,
        now: i64,
        effects: &mut Effects,
    ) -> SubscriptionKey {
        let browse = asked.looks().then(|| BrowseCursor::new(asked.prefetch, self.last_come));
        let window = Window::new(if asked.looks() { 0 } else { asked.prefetch });
        self.subscriptions += usize::from(!asked.browser);
        self.settling += usize::from(asked.settles());
        let handed = self.returns.handed.as_mut();
        let mark = handed.and_then(|handed| asked.recognises().map(|at| handed.number(at)));
        let network = asked.network;
        let subscription = Subscription {
            window,
            allowance: self.sharing.allowance(&asked, now),
            asked,
            ready: false,
            retired: false,
            tested_to: i64::MIN,
            browse,
            way: if network { Way::new(now) } else { Way::default() },
            passes_on: false,
            rate: Rate::default(),
            mark,
            told: false,
        };
        let slot = match self
            .free
            .pop_first()
            .and_then(|at| self.slots.get_mut(at).map(|slot| (at, slot)))
        {
            Some((at, slot)) => {
                *slot = Some(subscription);
                at
            }
            None => {
                if self.slots.is_empty() {
                    // Most queues have one consumer, and there are many of them.
                    self.slots.reserve_exact(1);
                }
                self.slots.push(Some(subscription));
                self.slots.len() - 1
            }
        };
        self.claim(slot, now, effects);
        if network {
            self.rank_ways(now);
        }
        self.fill(slot, now, effects);
        if self.opened {
            self.reconsider(now, effects);
        }
        self.end_settling(effects);
        SubscriptionKey(slot)
    }

    /// Ends a subscription; what it had not settled goes back to its place in the queue, and counts
    /// as delivered once more as far as `delivered` says.
    pub fn unsubscribe(
        &mut self,
        key: SubscriptionKey,
        delivered: Delivered,
        now: i64,
        effects: &mut Effects,
    ) {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::take) else { return };
        self.subscriptions -= usize::from(!subscription.asked.browser);
        self.retired -= usize::from(subscription.retired);
        self.free.insert(key.0);
        self.refused_from.remove(&key.0);
        self.settling -= usize::from(subscription.asked.settles());
        self.returns.forget(key.0);
        if let Some(handed) = &mut self.returns.handed {
            handed.forget(key.0);
        }
        if let Some(paging) = &mut self.paging {
            paging.forget(key.0);
        }
        if subscription.ready {
            self.ready.remove(subscription.asked.priority, key.0);
        }
        let held = self.withdraw_claim(key.0);
        let network = subscription.asked.network;
        if network {
            self.rank_ways(now);
        }
        let next = subscription.asked.admission.next_broker();
        self.settled(subscription.told && delivered == Delivered::Nothing, next);
        let mut returned: Vec<Entry> = subscription.window.into_entries().into();
        let seen = match delivered {
            _ if network => 0,
            Delivered::Nothing | Delivered::InDoubt => 0,
            Delivered::Unknown => returned.len(),
            Delivered::UpTo(last) => returned
                .iter()
                .position(|entry| entry.sequence == last)
                .map_or(0, |position| position + 1),
        };
        for (at, entry) in returned.iter_mut().enumerate() {
            // What was acknowledged in a transaction that is still open was delivered in any case.
            if at < seen || entry.held_by.is_some() {
                entry.redeliveries = entry.redeliveries.saturating_add(1);
            }
        }
        self.transacted.keep_from(key.0, &mut returned);
        if delivered == Delivered::InDoubt {
            self.doubt(&returned, next, now);
        }
        returned.sort_by_key(|entry| entry.sequence);
        for entry in returned {
            self.offer(entry, now, effects);
        }
        if held {
            self.hand_on(now, effects);
        }
        if !subscription.asked.browser {
            self.reconsider(now, effects);
        }
        if network {
            self.end_marks(effects);
            self.end_settling(effects);
        }
    }

    /// Applies an acknowledgement; returns how many messages it settled.
    pub fn acknowledge(
        &mut self,
        key: SubscriptionKey,
        ack: &Acknowledgement<'_>,
        now: i64,
        effects: &mut Effects,
    ) -> Result<usize, AckError> {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else {
            return Ok(0);
        };
        if let Some(browse) = &mut subscription.browse {
            browse.acknowledge(ack);
            self.fill(key.0, now, effects);
            return Ok(0);
        }
        let mut taken = std::mem::take(&mut self.taken);
        let outcome = subscription.window.settle(ack, &mut taken);
        let settled = taken.len();
        subscription.note_settled(settled, now);
        if let Ok(outcome) = outcome {
            dispose(&mut taken, outcome, ack.cause.as_ref(), &mut self.resting, now, effects);
        }
        taken.clear();
        self.taken = taken;
        outcome?;
        self.fill(key.0, now, effects);
        self.end_settling(effects);
        Ok(settled)
    }

    /// Changes how many messages may be outstanding on a subscription.
    pub fn set_prefetch(
        &mut self,
        key: SubscriptionKey,
        prefetch: usize,
        now: i64,
        effects: &mut Effects,
    ) {
        let Some(subscription) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { return };
        subscription.asked.prefetch = prefetch;
        subscription.allowance = self.sharing.allowance(&subscription.asked, now);
        match &mut subscription.browse {
            Some(browse) => browse.set_prefetch(prefetch),
            None => subscription.window.set_prefetch(prefetch),
        }
        if !self.rest(key.0) {
            self.fill(key.0, now, effects);
        }
    }

    /// Takes a subscription that has no room any more out of the ring; false if it has room.
    pub(super) fn rest(&mut self, slot: usize) -> bool {
        let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else {
            return true;
        };
        if !subscription.ready || subscription.has_room() {
            return false;
        }
        self.stand_back(slot);
        true
    }

    pub(super) fn stand_back(&mut self, slot: usize) {
        if let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            subscription.ready = false;
            // Being ready, it had refused all that is pending now.
            subscription.tested_to = self.last_kept.saturating_add(1);
            self.ready.remove(subscription.asked.priority, slot);
        }
    }

    fn take_in(&mut self, mut entry: Entry, now: i64, effects: &mut Effects) {
        self.last_come = self.last_come.max(entry.sequence);
        if let Some(paging) = &mut self.paging
            && entry.persistent
        {
            entry.follows = paging.kept(entry.sequence, Keeping::Store);
        }
        if let Some(handed) = &mut self.returns.handed {
            handed.comes(Some(entry.sequence));
        }
        self.offer(entry, now, effects);
        if let Some(handed) = &mut self.returns.handed {
            handed.comes(None);
        }
        if let Some(paging) = &mut self.paging {
            paging.spool.next = false;
        }
    }

    /// Gives an entry to a subscription with room, or keeps it.
    pub(super) fn offer(&mut self, entry: Entry, now: i64, effects: &mut Effects) {
        if entry.has_expired(now, &self.offset) {
            effects.expired.push(entry.message);
            return;
        }
        if let Some(cause) = self.unfit(&entry.message) {
            return effects.bury(entry.message, cause);
        }
        let Self { returns, ready, slots, exclusives, full, .. } = self;
        let chosen = returns.choose(ready, slots, exclusives, &entry, full, now);
        self.full_stand_back();
        match chosen {
            Some(slot) => self.dispatch(slot, entry, now, effects),
            None => {
                self.note_refusals(entry.sequence, effects);
                self.sharing.note_waiting(now);
                self.keep(entry);
            }
        }
    }

    /// Takes those out of the ring that turned out to be full.
    pub(super) fn full_stand_back(&mut self) {
        while let Some(slot) = self.full.pop() {
            self.stand_back(slot);
        }
    }

    /// Remembers which bridges might have a message later that stays pending for now.
    pub(super) fn note_refusals(&mut self, sequence: i64, effects: &mut Effects) {
        let refused_from = &mut self.refused_from;
        self.returns.settle_refusals(sequence, |slot| note_first(refused_from, slot, sequence));
        while let Some(slot) = self.returns.next_unmarked() {
            // What follows must not overtake it.
            self.test_from(slot, sequence);
            self.await_mark(slot, sequence, effects);
        }
    }

    /// Hands an entry to a subscription that was taken out of the ring, and puts it back there
    /// while it has room.
    pub(super) fn dispatch(&mut self, slot: usize, entry: Entry, now: i64, effects: &mut Effects) {
        let tested = self.last_kept.saturating_add(1);
        self.returns.doubts.forget(entry.sequence);
        let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return self.keep(entry);
        };
        self.returns.count(subscription, &entry, now);
        let place = entry.persistent.then_some(entry.sequence);
        subscription.hand_over(SubscriptionKey(slot), entry, now, effects);
        subscription.ready = subscription.has_room();
        if subscription.ready {
            self.ready.push(subscription.asked.priority, slot);
        } else {
            // It stood in the ring, so it has refused all that is pending.
            subscription.tested_to = tested;
            self.sharing.note_full(subscription, now);
        }
        if let Some(place) = place {
            self.note_handed(slot, place, effects);
        }
    }

    pub(super) fn keep(&mut self, entry: Entry) {
        if entry.sequence <= self.last_kept {
            // It returns to an old place, which subscriptions without room must test again.
            for subscription in self.slots.iter_mut().flatten().filter(|s| !s.ready) {
                subscription.tested_to = subscription.tested_to.min(entry.sequence);
            }
        }
        self.last_kept = self.last_kept.max(entry.sequence);
        let entry = self.spool(entry);
        self.lay_in(entry);
    }

    /// Lets an entry wait in its place.
    pub(super) fn lay_in(&mut self, entry: Entry) {
        if entry.expiration > 0 {
            self.expiring.insert((entry.expiration, entry.sequence));
        }
        if let Some(paging) = &mut self.paging {
            paging.came(&entry);
        }
        self.pending.insert(entry);
    }
}

pub(super) fn entry(message: Arc<Message>, charge: Held) -> Entry {
    Entry {
        sequence: message.broker_sequence_id(),
        redeliveries: message.redelivery_counter(),
        held_by: None,
        expiration: message.expiration(),
        persistent: message.persistent(),
        follows: i64::MIN,
        spooled: None,
        charge,
        message,
    }
}

/// Does with settled messages what becomes of them.
pub(super) fn dispose(
    taken: &mut Vec<Entry>,
    outcome: Outcome,
    cause: Option<&Text>,
    resting: &mut Resting,
    now: i64,
    effects: &mut Effects,
) {
    match outcome {
        Outcome::Expired => {
            effects.expired.extend(taken.drain(..).map(|entry| entry.message));
        }
        Outcome::Refused => {
            let cause = cause.cloned().unwrap_or_else(|| Text::from("refused by a consumer"));
            effects.dead_letters.extend(
                taken
                    .drain(..)
                    .filter_map(|entry| resting.lay(entry, now))
                    .map(|entry| DeadLetter { message: entry.message, cause: cause.clone() }),
            );
        }
        Outcome::Consumed => {
            let persistent = taken.iter().filter(|entry| entry.persistent);
            effects.consumed.extend(persistent.map(|entry| entry.sequence));
            taken.clear();
        }
        Outcome::Kept => taken.clear(),
    }
}

pub(super) fn note_first(firsts: &mut BTreeMap<usize, i64>, slot: usize, sequence: i64) {
    let first = firsts.entry(slot).or_insert(sequence);
    *first = sequence.min(*first);
}
