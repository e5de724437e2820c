//! A queue: each message goes to one subscription.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::acknowledgement::{AckError, Acknowledgement};
use super::admission::Admission;
use super::backlog::Backlog;
use super::browse::BrowseCursor;
use super::effects::{DeadLetter, Dispatch, Effects, SubscriptionKey};
use super::entry::{Entry, Held};
use super::exclusive::Exclusives;
use super::memory::{MemoryAccount, SharedCharge};
use super::ready::ReadyRing;
use super::shared_window::{MemberNumber, SharedWindow};
use super::window::{Outcome, Window};

/// What a consumer asks of a queue.
#[derive(Clone)]
pub struct QueueSubscription {
    /// Consumers of a higher priority are served first while they have room.
    pub priority: i8,
    /// How many messages may be outstanding (ActiveMQ's `prefetchSize`); 0: it gets one for each
    /// [`pull`](Queue::pull).
    pub prefetch: usize,
    /// Which messages it may get.
    pub admission: Admission,
    /// A bridge's: what it did not settle was never delivered to anyone.
    pub network: bool,
    /// It only looks: it gets what there is now, in order, and takes none of it.
    pub browser: bool,
    /// It wants the queue for itself, and gets it unless another one has it.
    pub exclusive: bool,
    /// Its window and its number there, where it has others than this queue: `prefetch` is not
    /// asked then.
    pub shared: Option<(Arc<SharedWindow>, MemberNumber)>,
}

impl QueueSubscription {
    pub(super) fn admits(&self, entry: &Entry) -> bool {
        self.admission.admits(&entry.message, entry.redeliveries)
    }

    /// Takes room for a message; only of a window that it shares there may be none.
    fn reserves(&self) -> bool {
        self.shared.as_ref().is_none_or(|(window, member)| window.reserve(*member))
    }
}

pub(super) struct Subscription {
    pub(super) asked: QueueSubscription,
    pub(super) window: Window,
    /// Whether it stands in the ring of those with room.
    pub(super) ready: bool,
    /// While not ready: every pending message before this sequence was refused by its admission.
    tested_to: i64,
    /// A browser's: its window stays empty and has no room.
    pub(super) browse: Option<BrowseCursor>,
}

/// What a consumer has seen of the messages that it did not settle, when it goes
/// (`lastDeliveredSequenceId` of OpenWire's `RemoveInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// None.
    Nothing,
    /// Unknown: the connection was lost; counts as all.
    Unknown,
    /// Those up to the one with this sequence number of the broker.
    UpTo(i64),
}

impl Delivered {
    /// Reads the wire's number: -1 nothing, -2 unknown, else a sequence number.
    pub fn of(last_delivered_sequence_id: i64) -> Self {
        match last_delivered_sequence_id {
            -1 => Self::Nothing,
            -2 => Self::Unknown,
            sequence => Self::UpTo(sequence),
        }
    }
}

/// Messages in order, and the subscriptions that share them.
///
/// At rest, every subscription with room has refused every pending message: a new message is
/// offered to those with room and else becomes pending, and a subscription that gets room goes
/// through the pending ones that it has not tested yet. So neither a full consumer nor one that
/// admits little holds up the others.
///
/// `now` is wall-clock time in milliseconds, as in a message's `expiration`.
pub struct Queue {
    account: Arc<MemoryAccount>,
    pub(super) pending: Backlog,
    /// Those of `pending` that can expire: when, and which.
    expiring: BTreeSet<(i64, i64)>,
    /// The highest sequence that was ever pending.
    last_kept: i64,
    /// The highest sequence that ever came.
    last_come: i64,
    pub(super) slots: Vec<Option<Subscription>>,
    /// Which of `slots` are empty.
    free: BTreeSet<usize>,
    ready: ReadyRing,
    pub(super) exclusives: Exclusives,
    /// Reused between acknowledgements.
    pub(super) taken: Vec<Entry>,
    /// Those of `ready` that turn out to have no room in the window that they share; reused between
    /// messages.
    full: Vec<usize>,
    subscriptions: usize,
}

impl Queue {
    /// An empty queue whose messages count on `account`.
    pub fn new(account: Arc<MemoryAccount>) -> Self {
        Self {
            account,
            pending: Backlog::default(),
            expiring: BTreeSet::new(),
            last_kept: i64::MIN,
            last_come: i64::MIN,
            slots: Vec::new(),
            free: BTreeSet::new(),
            ready: ReadyRing::default(),
            exclusives: Exclusives::default(),
            taken: Vec::new(),
            full: Vec::new(),
            subscriptions: 0,
        }
    }

    /// Messages that wait for a consumer.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Messages dispatched and not settled.
    pub fn in_flight(&self) -> usize {
        self.slots.iter().flatten().map(|subscription| subscription.window.len()).sum()
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

    /// Takes in a message that others hold, too, and that counts once for all of them.
    pub fn enqueue_shared(
        &mut self,
        message: Arc<Message>,
        charge: SharedCharge,
        now: i64,
        effects: &mut Effects,
    ) {
        self.take_in(entry(message, Held::Shared(charge)), now, effects);
    }

    /// Forgets those of the waiting messages that `which` picks.
    pub fn discard(&mut self, which: impl Fn(&Message) -> bool) {
        let mut from = i64::MIN;
        while let Some(entry) = self.pending.first_from(from) {
            let sequence = entry.sequence;
            if which(&entry.message) {
                self.take_pending(sequence);
            }
            from = sequence.saturating_add(1);
        }
    }

    /// Adds a subscription and dispatches what it may have.
    pub fn subscribe(
        &mut self,
        asked: QueueSubscription,
        now: i64,
        effects: &mut Effects,
    ) -> SubscriptionKey {
        let browse = asked.browser.then(|| BrowseCursor::new(asked.prefetch, self.last_come));
        let window = Window::new(if asked.browser { 0 } else { asked.prefetch });
        self.subscriptions += usize::from(!asked.browser);
        let subscription =
            Subscription { window, asked, ready: false, tested_to: i64::MIN, browse };
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
                self.slots.push(Some(subscription));
                self.slots.len() - 1
            }
        };
        self.claim(slot, now, effects);
        self.fill(slot, now, effects);
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
        self.free.insert(key.0);
        if subscription.ready {
            self.ready.remove(subscription.asked.priority, key.0);
        }
        let held = self.withdraw_claim(key.0);
        let network = subscription.asked.network;
        let mut returned: Vec<Entry> = subscription.window.into_entries().into();
        let seen = match delivered {
            _ if network => 0,
            Delivered::Nothing => 0,
            Delivered::Unknown => returned.len(),
            Delivered::UpTo(last) => returned
                .iter()
                .position(|entry| entry.sequence == last)
                .map_or(0, |position| position + 1),
        };
        for entry in returned.iter_mut().take(seen) {
            entry.redeliveries = entry.redeliveries.saturating_add(1);
        }
        returned.sort_by_key(|entry| entry.sequence);
        for entry in returned {
            self.offer(entry, now, effects);
        }
        if held {
            self.hand_on(now, effects);
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
        if settled > 0 {
            subscription.window.note_settled(now);
        }
        if let Ok(outcome) = outcome {
            dispose(&mut taken, outcome, ack.cause.as_ref(), effects);
        }
        taken.clear();
        self.taken = taken;
        outcome?;
        self.fill(key.0, now, effects);
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

    /// Drops what has expired while it waited.
    pub fn expire(&mut self, now: i64, effects: &mut Effects) {
        while let Some(&(expiration, sequence)) = self.expiring.first()
            && expiration < now
        {
            self.expiring.pop_first();
            effects.expired.extend(self.take_pending(sequence).map(|entry| entry.message));
        }
    }

    fn take_in(&mut self, entry: Entry, now: i64, effects: &mut Effects) {
        self.last_come = self.last_come.max(entry.sequence);
        self.offer(entry, now, effects);
    }

    /// Gives an entry to a subscription with room, or keeps it.
    fn offer(&mut self, entry: Entry, now: i64, effects: &mut Effects) {
        if entry.has_expired(now) {
            effects.expired.push(entry.message);
            return;
        }
        let (slots, full) = (&self.slots, &mut self.full);
        let chosen = self.ready.take_first(|slot| {
            slots.get(slot).and_then(Option::as_ref).is_some_and(|subscription| {
                subscription.asked.admits(&entry)
                    && (subscription.asked.reserves() || {
                        full.push(slot);
                        false
                    })
            })
        });
        while let Some(slot) = self.full.pop() {
            self.stand_back(slot);
        }
        match chosen {
            Some(slot) => self.dispatch(slot, entry, effects),
            None => self.keep(entry),
        }
    }

    /// Hands an entry to a subscription that was taken out of the ring, and puts it back there
    /// while it has room.
    fn dispatch(&mut self, slot: usize, entry: Entry, effects: &mut Effects) {
        let tested = self.last_kept.saturating_add(1);
        let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return self.keep(entry);
        };
        subscription.hand_over(SubscriptionKey(slot), entry, effects);
        subscription.ready = subscription.has_room();
        if subscription.ready {
            self.ready.push(subscription.asked.priority, slot);
        } else {
            // It stood in the ring, so it has refused all that is pending.
            subscription.tested_to = tested;
        }
    }

    /// Gives a subscription that may have got room what it has not tested yet, and lets it stand
    /// in the ring if room is left.
    pub(super) fn fill(&mut self, slot: usize, now: i64, effects: &mut Effects) {
        if self.show(slot, now, effects) || !self.exclusives.let_in(slot) {
            return;
        }
        loop {
            let Some(subscription) = self.slots.get(slot).and_then(Option::as_ref) else { return };
            if subscription.ready || !subscription.has_room() {
                return;
            }
            let Some(entry) = self.pending.first_from(subscription.tested_to) else { break };
            let (sequence, expired) = (entry.sequence, entry.has_expired(now));
            let taken = if expired {
                self.take_pending(sequence)
            } else if subscription.asked.admits(entry) {
                if !subscription.asked.reserves() {
                    return;
                }
                self.take_pending(sequence)
            } else {
                None
            };
            let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
                return;
            };
            subscription.tested_to = sequence.saturating_add(1);
            match taken {
                Some(entry) if expired => effects.expired.push(entry.message),
                Some(entry) => subscription.hand_over(SubscriptionKey(slot), entry, effects),
                None => {}
            }
        }
        if let Some(subscription) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            subscription.ready = true;
            self.ready.push(subscription.asked.priority, slot);
        }
    }

    fn keep(&mut self, entry: Entry) {
        if entry.sequence <= self.last_kept {
            // It returns to an old place, which subscriptions without room must test again.
            for subscription in self.slots.iter_mut().flatten().filter(|s| !s.ready) {
                subscription.tested_to = subscription.tested_to.min(entry.sequence);
            }
        }
        self.last_kept = self.last_kept.max(entry.sequence);
        if entry.expiration > 0 {
            self.expiring.insert((entry.expiration, entry.sequence));
        }
        self.pending.insert(entry);
    }

    fn take_pending(&mut self, sequence: i64) -> Option<Entry> {
        let entry = self.pending.remove(sequence)?;
        if entry.expiration > 0 {
            self.expiring.remove(&(entry.expiration, sequence));
        }
        Some(entry)
    }
}

fn entry(message: Arc<Message>, charge: Held) -> Entry {
    Entry {
        sequence: message.broker_sequence_id(),
        redeliveries: message.redelivery_counter(),
        expiration: message.expiration(),
        _charge: charge,
        message,
    }
}

impl Subscription {
    fn hand_over(&mut self, to: SubscriptionKey, entry: Entry, effects: &mut Effects) {
        effects.dispatches.push(Dispatch {
            to,
            message: Arc::clone(&entry.message),
            redeliveries: entry.redeliveries,
        });
        self.window.withdraw_pull();
        self.window.push(entry);
    }

    /// Whether it may get more, as far as is known here: a shared window is asked for each message.
    fn has_room(&self) -> bool {
        self.asked.shared.is_some() || self.window.has_room()
    }
}

/// Does with settled messages what becomes of them.
pub(super) fn dispose(
    taken: &mut Vec<Entry>,
    outcome: Outcome,
    cause: Option<&Text>,
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
                    .map(|entry| DeadLetter { message: entry.message, cause: cause.clone() }),
            );
        }
        Outcome::Kept | Outcome::Consumed => taken.clear(),
    }
}

/// For whoever explains; nothing here changes anything.
impl Queue {
    /// The subscriptions and their windows.
    pub(super) fn standing(
        &self,
    ) -> impl Iterator<Item = (SubscriptionKey, &QueueSubscription, &Window)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(at, slot)| {
            slot.as_ref().map(|one| (SubscriptionKey(at), &one.asked, &one.window))
        })
    }

    /// The first message at or after a place that waits.
    pub(super) fn waiting_from(&self, sequence: i64) -> Option<&Entry> {
        self.pending.first_from(sequence)
    }
}
