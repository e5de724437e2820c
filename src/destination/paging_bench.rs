//! A queue, a store that takes its time, and who reads there, driven by hand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};
use ferrymq_openwire::properties::{Properties, Value};

use super::*;
use crate::selector::Selectors;

/// The broker's memory.
pub(super) const ROOM: usize = 1 << 30;
/// What a message counts as.
pub(super) const SIZE: u64 = 1024 + 100;

pub(super) fn producer() -> ProducerId {
    ProducerId::new(&SessionId::new(&ConnectionId::new("c"), 1), 1)
}

pub(super) fn id(place: i64) -> MessageId {
    MessageId::new(producer(), place)
}

pub(super) fn message(place: i64, expiration: i64, persistent: bool, forwarded: bool) -> Message {
    let mut properties = Properties::default();
    properties.insert("odd", Value::Int(i32::from(place % 2 != 0)));
    properties.insert("rare", Value::Int(i32::from(place % 97 == 0)));
    let properties = properties.encode();
    let mut message = Message::from_fields(&MessageFields {
        kind: MessageKind::Text,
        producer_id: Some(producer()),
        destination: Some(Destination::queue("q")),
        message_id: Some(id(place)),
        content: Some(vec![0; 100 - properties.len()].into()),
        marshalled_properties: Some(properties),
        persistent,
        expiration,
        broker_path: forwarded.then(|| vec![Some(BrokerId::new("a"))]),
        ..MessageFields::default()
    })
    .expect("a valid message");
    message.set_broker_sequence_id(place);
    message
}

pub(super) fn admission(selector: Option<&str>) -> Admission {
    let info = ConsumerInfo { selector: selector.map(Into::into), ..ConsumerInfo::default() };
    let own = BrokerId::new("own");
    Admission::of(&info, &own, &Selectors::default()).expect("a valid selector")
}

pub(super) fn asking(prefetch: usize, selector: Option<&str>, browser: bool) -> QueueSubscription {
    QueueSubscription {
        priority: 0,
        prefetch,
        admission: admission(selector),
        network: false,
        route: Vec::new(),
        distance: 0,
        settling: 0,
        browser,
        exclusive: false,
        shared: None,
    }
}

/// A bridge to the broker `a`.
pub(super) fn bridge(prefetch: usize) -> QueueSubscription {
    let filter = NetworkBridgeFilter {
        network_broker_id: Some(BrokerId::new("a")),
        message_ttl: -1,
        consumer_ttl: -1,
        ..NetworkBridgeFilter::default()
    };
    let info = ConsumerInfo { additional_predicate: Some(filter), ..ConsumerInfo::default() };
    let admission = Admission::of(&info, &BrokerId::new("own"), &Selectors::default());
    QueueSubscription {
        priority: -6,
        admission: admission.expect("no selector"),
        network: true,
        distance: 1,
        ..asking(prefetch, None, false)
    }
}

/// The places of what the broker beyond a bridge may have; none: nothing.
type Mark = Option<(i64, i64)>;

/// What the store is told.
pub(super) enum Change {
    /// A message, and in the same batch the mark that it brings along.
    Keep(i64, Message, Option<Mark>),
    Forget(i64),
    Mark(Mark),
    Nothing,
}

/// A queue, its store, and who reads there.
pub(super) struct Bench {
    pub(super) queue: Queue,
    pub(super) account: Arc<MemoryAccount>,
    pub(super) broker: Arc<MemoryAccount>,
    pub(super) others: Option<Charge>,
    pub(super) effects: Effects,
    pub(super) now: i64,
    pub(super) last: i64,
    /// What the store gives.
    pub(super) kept: BTreeMap<i64, Message>,
    pub(super) changes: VecDeque<Change>,
    pub(super) mark: Mark,
    pub(super) submitted: u64,
    pub(super) settled: u64,
    /// What the temporary store gives, and is told.
    pub(super) spooled: BTreeMap<i64, Message>,
    pub(super) spool_changes: VecDeque<Change>,
    pub(super) spool_settled: u64,
    /// Whether messages go there that are not persistent.
    pub(super) spools: bool,
    pub(super) asked: bool,
    pub(super) reading: Option<Page>,
    /// What was dispatched and not settled, by subscription, in order.
    pub(super) held: BTreeMap<SubscriptionKey, VecDeque<i64>>,
    pub(super) shown: BTreeMap<SubscriptionKey, Vec<i64>>,
    pub(super) ended: BTreeSet<SubscriptionKey>,
    /// What nobody has consumed.
    pub(super) alive: BTreeSet<i64>,
    pub(super) pages: usize,
    /// Whether messages come by way of another broker, `a`.
    pub(super) forwarded: bool,
}

impl Bench {
    pub(super) fn new(window: u64) -> Self {
        let broker = MemoryAccount::root(ROOM as u64);
        let account = MemoryAccount::below(&broker, None);
        Self {
            queue: Queue::new(Arc::clone(&account)).paging(window),
            account,
            broker,
            others: None,
            effects: Effects::default(),
            now: 1_000,
            last: 0,
            kept: BTreeMap::new(),
            changes: VecDeque::new(),
            mark: None,
            submitted: 0,
            settled: 0,
            spooled: BTreeMap::new(),
            spool_changes: VecDeque::new(),
            spool_settled: 0,
            spools: false,
            asked: false,
            reading: None,
            held: BTreeMap::new(),
            shown: BTreeMap::new(),
            ended: BTreeSet::new(),
            alive: BTreeSet::new(),
            pages: 0,
            forwarded: false,
        }
    }

    /// The same with a queue whose messages go back as `policy` says.
    pub(super) fn replaying(window: u64, policy: ReplayPolicy) -> Self {
        let mut bench = Self::new(window);
        bench.queue = Queue::shared(Arc::clone(&bench.account), policy).paging(window);
        bench.forwarded = true;
        bench
    }

    /// A broker that starts with what the store of another one holds.
    pub(super) fn restarted(mut self, window: u64) -> Self {
        self.settle(usize::MAX);
        let mut bench = Self::new(window);
        (bench.kept, bench.alive, bench.last) = (self.kept, self.alive, self.last);
        if let (Some((first, _)), Some((last, _))) =
            (bench.kept.first_key_value(), bench.kept.last_key_value())
        {
            bench.queue.take_up(bench.kept.len(), *first, *last);
            bench.queue.look_at_front();
        }
        bench.carry_out();
        bench
    }

    pub(super) fn submit(&mut self, change: Change) -> u64 {
        self.changes.push_back(change);
        self.submitted += 1;
        self.submitted
    }

    pub(super) fn send(&mut self, expiration: i64, persistent: bool) {
        self.last += 1;
        let mut message = message(self.last, expiration, persistent, self.forwarded);
        message.set_broker_in_time(self.now);
        self.alive.insert(self.last);
        if !persistent && self.spools {
            self.queue.spool_next();
        }
        self.queue.enqueue(Arc::new(message.clone()), self.now, &mut self.effects);
        if persistent {
            let mark = self.effects.marks.pop().map(|mark| mark.places);
            self.submit(Change::Keep(self.last, message, mark));
        }
        self.carry_out();
    }

    pub(super) fn subscribe(&mut self, asked: QueueSubscription) -> SubscriptionKey {
        let key = self.queue.subscribe(asked, self.now, &mut self.effects);
        self.held.insert(key, VecDeque::new());
        self.shown.insert(key, Vec::new());
        self.ended.remove(&key);
        self.carry_out();
        key
    }

    pub(super) fn unsubscribe(&mut self, key: SubscriptionKey) {
        self.held.remove(&key);
        self.queue.unsubscribe(key, Delivered::Unknown, self.now, &mut self.effects);
        self.carry_out();
    }

    /// Settles the first message of a subscription.
    pub(super) fn consume(&mut self, key: SubscriptionKey, kind: AckKind) -> Option<i64> {
        let place = self.held.get_mut(&key)?.pop_front()?;
        let id = id(place);
        let ack = Acknowledgement {
            kind,
            first: Some(&id),
            last: Some(&id),
            destination: None,
            count: 1,
            cause: (kind == AckKind::Poison).then(|| "bad".into()),
        };
        let settled = self.queue.acknowledge(key, &ack, self.now, &mut self.effects);
        assert_eq!(settled, Ok(1));
        if kind != AckKind::Poison {
            assert!(self.alive.remove(&place), "{place} is consumed once");
        }
        self.carry_out();
        Some(place)
    }

    /// Wherever the broker ends now, what a bridge is handed has a mark over it if it comes back.
    fn check_mark(&self, place: i64) {
        let (mut kept, mut mark) = (self.kept.contains_key(&place), self.mark);
        let covered = |mark: Mark| mark.is_some_and(|(from, to)| (from..=to).contains(&place));
        assert!(!kept || covered(mark), "no mark over {place}: {mark:?}");
        for change in &self.changes {
            match change {
                Change::Keep(other, _, along) => {
                    kept |= *other == place;
                    mark = along.unwrap_or(mark);
                }
                Change::Mark(next) => mark = *next,
                Change::Forget(_) | Change::Nothing => {}
            }
            assert!(!kept || covered(mark), "no mark over {place}: {mark:?}");
        }
    }

    pub(super) fn carry_out(&mut self) {
        for mark in std::mem::take(&mut self.effects.marks) {
            self.submit(Change::Mark(mark.places));
        }
        for dispatch in std::mem::take(&mut self.effects.dispatches) {
            let place = dispatch.message.broker_sequence_id();
            assert!(self.alive.contains(&place), "{place} is gone");
            let held = self.held.values().flatten().any(|other| *other == place);
            assert!(!held, "{place} is with two consumers");
            if dispatch.onward && dispatch.message.persistent() {
                self.check_mark(place);
            }
            self.held.get_mut(&dispatch.to).expect("a subscription").push_back(place);
        }
        for dispatch in std::mem::take(&mut self.effects.shown) {
            let place = dispatch.message.broker_sequence_id();
            self.shown.get_mut(&dispatch.to).expect("a browser").push(place);
        }
        self.ended.extend(std::mem::take(&mut self.effects.ended));
        for place in std::mem::take(&mut self.effects.consumed) {
            self.submit(Change::Forget(place));
        }
        let dead = std::mem::take(&mut self.effects.dead_letters);
        let expired = std::mem::take(&mut self.effects.expired);
        for message in dead.into_iter().map(|letter| letter.message).chain(expired) {
            let place = message.broker_sequence_id();
            assert!(self.alive.remove(&place), "{place} leaves once");
            self.submit(Change::Forget(place));
        }
        if self.queue.wants_mark_fence() {
            let fence = self.submit(Change::Nothing);
            self.queue.set_mark_fence(fence);
        }
        for message in self.queue.take_spooled() {
            let place = message.broker_sequence_id();
            self.spool_changes.push_back(Change::Keep(place, Message::clone(&message), None));
        }
        let forgotten = self.queue.take_unspooled().into_iter().map(Change::Forget);
        self.spool_changes.extend(forgotten);
        if !self.queue.is_paging() {
            return;
        }
        self.queue.page_out(self.spool_settled, Keeping::Spool);
        if self.queue.wants_fence(Keeping::Spool) {
            self.spool_changes.push_back(Change::Nothing);
            let fence = self.spool_settled + self.spool_changes.len() as u64;
            self.queue.set_fence(fence, Keeping::Spool);
        }
        self.queue.page_out(self.settled, Keeping::Store);
        if self.queue.wants_fence(Keeping::Store) {
            let fence = self.submit(Change::Nothing);
            self.queue.set_fence(fence, Keeping::Store);
        }
        self.asked |= self.queue.ask_for_page();
    }

    pub(super) fn settle(&mut self, batches: usize) {
        for change in self.changes.drain(..batches.min(self.changes.len())) {
            self.settled += 1;
            match change {
                Change::Keep(place, message, along) => {
                    self.kept.insert(place, message);
                    self.mark = along.unwrap_or(self.mark);
                }
                Change::Mark(mark) => self.mark = mark,
                Change::Forget(place) => drop(self.kept.remove(&place)),
                Change::Nothing => {}
            }
        }
        for change in self.spool_changes.drain(..batches.min(self.spool_changes.len())) {
            self.spool_settled += 1;
            match change {
                Change::Keep(place, message, _) => drop(self.spooled.insert(place, message)),
                Change::Forget(place) => drop(self.spooled.remove(&place)),
                Change::Mark(_) | Change::Nothing => {}
            }
        }
        self.queue.hear_of_marks(self.settled, self.now, &mut self.effects);
        self.carry_out();
    }

    pub(super) fn begin_page(&mut self) {
        if std::mem::take(&mut self.asked)
            && let Some((from, size)) = self.queue.begin_page()
        {
            let most = (size.bytes / 300).clamp(1, size.messages);
            let both =
                self.kept.range(from..).take(most).chain(self.spooled.range(from..).take(most));
            let mut messages: Vec<(i64, Option<Message>)> =
                both.map(|(place, message)| (*place, Some(message.clone()))).collect();
            messages.sort_by_key(|(place, _)| *place);
            messages.truncate(most);
            self.reading = Some(Page { messages, ..Page::default() });
        }
    }

    pub(super) fn end_page(&mut self) {
        if let Some(page) = self.reading.take() {
            self.pages += 1;
            self.queue.take_page(page, self.now, &mut self.effects);
            self.carry_out();
        }
    }

    /// Lets the store and its reader do all that they have to.
    pub(super) fn rest(&mut self) {
        for _ in 0..100_000 {
            self.settle(usize::MAX);
            self.begin_page();
            if self.reading.is_none() && self.changes.is_empty() && self.spool_changes.is_empty() {
                return;
            }
            self.end_page();
        }
        panic!("it does not come to rest");
    }

    pub(super) fn expire(&mut self, now: i64) {
        self.now = now;
        self.queue.expire(now, &mut self.effects);
        self.carry_out();
    }

    pub(super) fn memory(&self) -> u64 {
        self.account.used()
    }

    pub(super) fn waiting(&self) -> usize {
        self.alive.len() - self.held.values().map(VecDeque::len).sum::<usize>()
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: i64) {
        self.now = now;
        self.queue.tick(now, &mut self.effects);
        self.carry_out();
    }

    /// Consumes all, one by one.
    pub(super) fn drain(&mut self, key: SubscriptionKey) -> Vec<i64> {
        let mut all = Vec::new();
        loop {
            self.rest();
            let Some(place) = self.consume(key, AckKind::Standard) else { return all };
            all.push(place);
        }
    }
}
