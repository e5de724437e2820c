//! Where a broker's persistent messages are kept.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::error::EncodeError;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;
use ferrymq_store::contract::{
    Batch, Entry, Holders, Listener, MOST_HOLDERS, MOST_KEY, Observer, QueueId, QueueState,
    ReadLimits, Refusal, Store, Stored, Table, Ticket,
};
use parking_lot::Mutex;

use super::kept_error::{KeptError, unknown};
use super::kept_subscription::{self, Described};
use super::pager::Pager;
use crate::destination::{AuditRecord, MarkRecord};

/// Room that must be left beside what is asked for: others may ask at the same moment.
const SLACK: usize = 1024 * 1024;
/// How many entries of a table.
const ENTRIES: usize = 1024;

/// A batch that waits for room.
struct PutOff {
    batch: Batch,
    listener: Option<Arc<dyn Listener>>,
}

impl std::fmt::Debug for PutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PutOff").field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// The broker's side of its store: names of queues, and images of messages.
#[derive(Debug)]
pub(super) struct Persistence {
    store: Arc<dyn Store>,
    /// The number of the next queue that keeps something.
    next: AtomicU32,
    /// The queues that were found at the start and have not come to life yet.
    found: Mutex<HashMap<Destination, QueueId>>,
    /// What the store had no room for: it goes there before anything else.
    put_off: Mutex<VecDeque<PutOff>>,
    /// Bytes of what is about to be kept.
    pub(super) set_aside: AtomicUsize,
    /// Set when the store has refused something for good.
    torn: AtomicBool,
    /// The queues that something is to be read for.
    pager: Arc<Pager>,
}

/// What is kept for one queue, or one durable subscription; its owner holds the lock of that.
#[derive(Debug)]
pub(super) struct QueueStore {
    persistence: Arc<Persistence>,
    /// Where the store knows it.
    table: Table,
    /// Given with the first message that is kept.
    id: Option<QueueId>,
    /// Whether the store knows what queue that is.
    named: bool,
    /// What is to be written next.
    batch: Batch,
    /// Bytes of all messages that it was handed, and of those which are known to be written.
    handed: u64,
    seen: u64,
    /// With which batch more of them are.
    marked: Option<(Ticket, u64)>,
}

/// A message that is still kept under a queue's number, though it has left the queue: whoever has
/// found it a new place forgets it there in the same batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub(super) queue: QueueId,
    pub(super) sequence: u64,
}

/// The identifier of the broker whose store this is: `fresh` for a new one.
///
/// A broker that comes back is the same one to all others: what has been here before says so in its
/// path, and must not be taken for what has not.
pub fn identify(store: &dyn Store, fresh: String) -> Result<String, KeptError> {
    const KEY: &[u8] = b"id";
    if let Some(id) = store.get(Table::Broker, KEY)? {
        let id = std::str::from_utf8(&id).map_err(|error| unknown("the broker's id", error))?;
        return Ok(id.to_owned());
    }
    let mut batch = Batch::new();
    batch.put(Table::Broker, KEY, fresh.clone().into_bytes());
    store
        .submit(&mut batch, None)
        .map_err(|error| unknown("no room for the broker's id", error))?;
    Ok(fresh)
}

impl Persistence {
    pub(super) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Self::with_pager(store, Arc::default())
    }

    /// The same for a store beside another one, whose pager it shares.
    pub(super) fn with_pager(store: Arc<dyn Store>, pager: Arc<Pager>) -> Arc<Self> {
        Arc::new(Self {
            store,
            next: AtomicU32::new(1),
            found: Mutex::default(),
            put_off: Mutex::default(),
            set_aside: AtomicUsize::new(0),
            torn: AtomicBool::new(false),
            pager,
        })
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(super) fn pager(&self) -> &Arc<Pager> {
        &self.pager
    }

    /// How a queue stands in the store.
    pub(super) fn state(&self, queue: QueueId) -> QueueState {
        self.store.queue(queue)
    }

    /// Who hears of room in the store, and of its failure.
    pub(super) fn watch(&self, observer: Arc<dyn Observer>) {
        self.store.watch(observer);
    }

    /// Whether so many bytes more would be kept now. Asking makes the store tell of room later.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        if self.torn.load(Ordering::Acquire) {
            return false;
        }
        let others = self.set_aside.load(Ordering::SeqCst);
        self.store.has_room(bytes.saturating_add(others).saturating_add(SLACK))
    }

    /// Tells `listener` when all that was handed over until now is durable.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`] means later, when the store has told of room; anything else, never.
    pub(super) fn barrier(&self, listener: Arc<dyn Listener>) -> Result<Ticket, Refusal> {
        if self.torn.load(Ordering::Acquire) {
            return Err(Refusal::Closed);
        }
        let mut put_off = self.put_off.lock();
        self.catch_up(&mut put_off)?;
        self.store.submit(&mut Batch::new(), Some(listener))
    }

    /// Hands over what was put off, as far as there is room now.
    fn catch_up(&self, put_off: &mut VecDeque<PutOff>) -> Result<(), Refusal> {
        while let Some(PutOff { batch, listener }) = put_off.front_mut() {
            match self.store.submit(batch, listener.clone()) {
                Ok(_) => {
                    put_off.pop_front();
                }
                Err(refusal) => {
                    self.note(&refusal);
                    return Err(refusal);
                }
            }
        }
        Ok(())
    }

    fn note(&self, refusal: &Refusal) {
        // Full is not for long: consumers go on, and what they settle makes room.
        if *refusal != Refusal::Full && !self.torn.swap(true, Ordering::AcqRel) {
            tracing::error!(%refusal, "the store does not take what the broker must not forget");
        }
    }

    /// Tries again to hand over what was put off.
    pub(super) fn retry(&self) {
        let _ = self.catch_up(&mut self.put_off.lock());
    }

    /// Forgets what has left its queue for good.
    pub(super) fn forget(&self, origin: Origin) {
        let mut batch = Batch::new();
        batch.acknowledge(origin.queue, origin.sequence);
        self.submit(&mut batch);
    }

    /// Hands a batch over, now or when there is room for it; all after it waits then. One that is
    /// refused for good is never confirmed, nor is anything after it.
    pub(super) fn submit(&self, batch: &mut Batch) {
        self.submit_and_tell(batch, None);
    }

    /// The same; `listener` hears when it is settled.
    pub(super) fn submit_and_tell(&self, batch: &mut Batch, listener: Option<Arc<dyn Listener>>) {
        let mut put_off = self.put_off.lock();
        let caught_up = self.catch_up(&mut put_off);
        match caught_up.and_then(|()| self.store.submit(batch, listener.clone())) {
            Ok(_) => {}
            Err(Refusal::Full) => {
                put_off.push_back(PutOff { batch: std::mem::take(batch), listener });
            }
            Err(refusal) => {
                self.note(&refusal);
                batch.discard();
            }
        }
    }

    /// The highest place that a message of the store ever had.
    pub(super) fn last_sequence(&self) -> i64 {
        i64::try_from(self.store.last_sequence()).unwrap_or(i64::MAX)
    }

    /// The store's part of a queue that comes to life: what was found of it, or a new one. It is kept
    /// from now on that there is such a queue.
    pub(super) fn queue_store(self: &Arc<Self>, queue: &Destination) -> QueueStore {
        if let Some(id) = self.found.lock().remove(queue) {
            return self.store_of(Table::Queue, Some(id));
        }
        let mut store = self.store_of(Table::Queue, None);
        store.name(queue);
        store.submit();
        store
    }

    /// That of a durable subscription which the store has under a number already.
    pub(super) fn subscription_store(self: &Arc<Self>, id: QueueId) -> QueueStore {
        self.store_of(Table::Subscription, Some(id))
    }

    /// That of a new durable subscription, which is kept from now on.
    pub(super) fn keep_subscription(
        self: &Arc<Self>,
        info: &ConsumerInfo,
        permits: Option<&Permits>,
    ) -> Result<QueueStore, EncodeError> {
        let mut store = self.store_of(Table::Subscription, Some(self.next_queue()));
        store.describe(info, permits)?;
        Ok(store)
    }

    fn store_of(self: &Arc<Self>, table: Table, id: Option<QueueId>) -> QueueStore {
        let (persistence, named) = (Arc::clone(self), id.is_some());
        let (batch, marked) = (Batch::new(), None);
        QueueStore { persistence, table, id, named, batch, handed: 0, seen: 0, marked }
    }

    pub(super) fn next_queue(&self) -> QueueId {
        QueueId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The queues that are kept, by number. Each takes its number up when it comes to life.
    pub(super) fn queues(&self) -> Result<Vec<(QueueId, Destination)>, KeptError> {
        let queues = self.numbered(Table::Queue, |value| named(DestinationKind::Queue, value))?;
        self.found.lock().extend(queues.iter().map(|(id, queue)| (queue.clone(), *id)));
        Ok(queues)
    }

    /// The topics of which something is kept, by number.
    pub(super) fn topics(&self) -> Result<Vec<(QueueId, Destination)>, KeptError> {
        self.numbered(Table::Topic, |value| named(DestinationKind::Topic, value))
    }

    /// The durable subscriptions that are kept, by number, as their first consumers.
    pub(super) fn subscriptions(&self) -> Result<Vec<(QueueId, Described)>, KeptError> {
        self.numbered(Table::Subscription, kept_subscription::decode)
    }

    fn numbered<T>(
        &self,
        table: Table,
        read: impl Fn(&[u8]) -> Result<T, KeptError>,
    ) -> Result<Vec<(QueueId, T)>, KeptError> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let entries = self.store.entries(table, after.as_deref(), ENTRIES)?;
            for entry in &entries {
                let number = <[u8; 4]>::try_from(&entry.key[..])
                    .map_err(|_| unknown("the number of a queue", "it is not of four bytes"))?;
                let id = QueueId(u32::from_be_bytes(number));
                self.next.fetch_max(id.0.saturating_add(1), Ordering::Relaxed);
                found.push((id, read(&entry.value)?));
            }
            match entries.last() {
                Some(last) if entries.len() == ENTRIES => after = Some(last.key.to_vec()),
                _ => return Ok(found),
            }
        }
    }

    /// Calls `each` with the entries of a table, of which so many are read at once.
    pub(super) fn each_entry(
        &self,
        table: Table,
        at_once: usize,
        mut each: impl FnMut(&Entry) -> Result<(), KeptError>,
    ) -> Result<(), KeptError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let entries = self.store.entries(table, after.as_deref(), at_once)?;
            entries.iter().try_for_each(&mut each)?;
            match entries.last() {
                Some(last) if entries.len() == at_once => after = Some(last.key.to_vec()),
                _ => return Ok(()),
            }
        }
    }

    /// Calls `each` with what the audits of queues remember. What is said of queues that are gone is
    /// forgotten.
    pub(super) fn receipts(
        &self,
        mut each: impl FnMut(QueueId, &AuditRecord) -> bool,
    ) -> Result<(), KeptError> {
        let bad = || unknown("a receipt", "it has another length");
        let mut after: Option<Vec<u8>> = None;
        loop {
            let entries = self.store.entries(Table::Receipt, after.as_deref(), ENTRIES)?;
            let mut stale = Batch::new();
            for entry in &entries {
                let (id, key) = entry.key.split_first_chunk().ok_or_else(bad)?;
                let word = <[u8; 8]>::try_from(&entry.value[..]).map_err(|_| bad())?;
                let record = AuditRecord { key: key.into(), word: u64::from_be_bytes(word) };
                if !each(QueueId(u32::from_be_bytes(*id)), &record) {
                    stale.remove(Table::Receipt, entry.key.clone());
                }
            }
            if !stale.is_empty() {
                self.submit(&mut stale);
            }
            match entries.last() {
                Some(last) if entries.len() == ENTRIES => after = Some(last.key.to_vec()),
                _ => return Ok(()),
            }
        }
    }

    /// Calls `each` with what other brokers may have of queues. What is said of queues that are gone is
    /// forgotten.
    pub(super) fn marks(
        &self,
        mut each: impl FnMut(QueueId, MarkRecord) -> bool,
    ) -> Result<(), KeptError> {
        let bad = || unknown("what a broker may have", "it has another form");
        let mut stale = Batch::new();
        self.each_entry(Table::Handed, ENTRIES, |entry| {
            let (id, broker) = entry.key.split_first_chunk().ok_or_else(bad)?;
            let broker = Text::from_wire(broker).map_err(|_| bad())?;
            let (first, last) = entry.value.split_first_chunk().ok_or_else(bad)?;
            let last = <[u8; 8]>::try_from(last).map_err(|_| bad())?;
            let places = Some((i64::from_be_bytes(*first), i64::from_be_bytes(last)));
            let mark = MarkRecord { broker: BrokerId { value: Some(broker) }, places };
            if !each(QueueId(u32::from_be_bytes(*id)), mark) {
                stale.remove(Table::Handed, entry.key.clone());
            }
            Ok(())
        })?;
        if !stale.is_empty() {
            self.submit(&mut stale);
        }
        Ok(())
    }

    /// The message of a queue at a place.
    pub(super) fn message(&self, queue: QueueId, place: i64) -> Result<Option<Message>, KeptError> {
        let Ok(sequence) = u64::try_from(place) else { return Ok(None) };
        let mut read = Vec::new();
        self.store.read(queue, sequence, ReadLimits { messages: 1, bytes: 0 }, &mut read)?;
        let found = read.iter().find(|stored| stored.sequence == sequence);
        found.map(message_of).transpose()
    }
}

impl QueueStore {
    pub(super) fn persistence(&self) -> &Arc<Persistence> {
        &self.persistence
    }

    /// Bytes that the store keeps of it. What it was handed lately may count twice, until the batch
    /// of [`mark`](Self::mark) is settled.
    pub(super) fn bytes(&mut self) -> u64 {
        let settled = self.persistence.store.settled();
        if let Some((_, handed)) = self.marked.take_if(|(ticket, _)| *ticket <= settled) {
            self.seen = handed;
        }
        self.written() + (self.handed - self.seen)
    }

    /// Bytes that the store has of it for sure.
    pub(super) fn written(&self) -> u64 {
        self.id.map_or(0, |id| self.persistence.state(id).bytes)
    }

    /// Whether a mark would make that exact.
    pub(super) fn wants_mark(&self) -> bool {
        self.marked.is_none() && self.handed > self.seen
    }

    /// All that it was handed until now counts once when this batch is settled.
    pub(super) fn mark(&mut self, ticket: Ticket) {
        self.marked = Some((ticket, self.handed));
    }

    /// Its number, once it has one.
    pub(super) fn id(&self) -> Option<QueueId> {
        self.id
    }

    /// Gives the queue its number and, in the store, its name.
    fn name(&mut self, queue: &Destination) -> QueueId {
        let id = *self.id.get_or_insert_with(|| self.persistence.next_queue());
        if !self.named {
            let key = Table::queue_key(id).to_vec();
            self.batch.put(self.table, key, queue.name().as_bytes().to_vec());
            self.named = true;
        }
        id
    }

    /// What a message of this queue is kept as.
    pub(super) fn origin(&self, place: i64) -> Option<Origin> {
        let (queue, sequence) = (self.id?, u64::try_from(place).ok()?);
        Some(Origin { queue, sequence })
    }

    /// Keeps a message in its place.
    pub(super) fn keep(&mut self, queue: &Destination, message: &Message) {
        let Ok(sequence) = u64::try_from(message.broker_sequence_id()) else { return };
        let (id, image) = (self.name(queue), message.image());
        self.handed += image.len() as u64;
        self.batch.append(id, sequence, image);
    }

    /// Keeps what a durable subscription is.
    pub(super) fn describe(
        &mut self,
        info: &ConsumerInfo,
        permits: Option<&Permits>,
    ) -> Result<(), EncodeError> {
        if let Some(id) = self.id {
            let value = kept_subscription::encode(info, permits)?;
            self.batch.put(self.table, Table::queue_key(id).to_vec(), value);
            self.submit();
        }
        Ok(())
    }

    /// Keeps a message once for this subscription and others.
    pub(super) fn keep_for_all(&mut self, holders: Vec<QueueId>, message: &Message) {
        keep_for_all(&holders, message, &mut self.batch);
    }

    /// The same, with what else is in `batch`.
    pub(super) fn keep_with(&mut self, mut batch: Batch, holders: Vec<QueueId>, message: &Message) {
        // Nothing waits to be written while somebody else is given a message.
        self.swap(&mut batch);
        self.keep_for_all(holders, message);
        self.submit();
        self.swap(&mut batch);
    }

    /// Exchanges what is to be written next: what is done between two exchanges goes into `batch`.
    pub(super) fn swap(&mut self, batch: &mut Batch) {
        std::mem::swap(&mut self.batch, batch);
    }

    /// Keeps what the audit remembers of a message that a bridge brought, in the batch that keeps the
    /// message: its bridge, which may not hear that it came, brings it again.
    pub(super) fn note(&mut self, record: &AuditRecord) {
        let Some(id) = self.id else { return };
        let key = [&id.0.to_be_bytes()[..], &record.key].concat();
        if key.len() > MOST_KEY {
            return;
        }
        if record.word == 0 {
            self.batch.remove(Table::Receipt, key);
        } else {
            self.batch.put(Table::Receipt, key, record.word.to_be_bytes().to_vec());
        }
    }

    /// Keeps what another broker may have of this queue, before it is handed that.
    pub(super) fn note_handed(&mut self, mark: &MarkRecord) {
        let (Some(id), Some(broker)) = (self.id, &mark.broker.value) else { return };
        let key = [&id.0.to_be_bytes()[..], broker.as_bytes()].concat();
        if key.len() > MOST_KEY {
            return;
        }
        match mark.places {
            Some((first, last)) => {
                let places = [first.to_be_bytes(), last.to_be_bytes()].concat();
                self.batch.put(Table::Handed, key, places);
            }
            None => self.batch.remove(Table::Handed, key),
        }
    }

    /// Forgets a message of this queue.
    pub(super) fn forget(&mut self, place: i64) {
        if let Some(origin) = self.origin(place) {
            self.forget_at(origin);
        }
    }

    /// Forgets what is kept somewhere.
    pub(super) fn forget_at(&mut self, origin: Origin) {
        self.batch.acknowledge(origin.queue, origin.sequence);
    }

    /// Forgets the queue and all of it, and what its audit remembered.
    pub(super) fn end(&mut self, records: impl Iterator<Item = AuditRecord>) {
        for record in records {
            self.note(&record);
            if self.batch.len() >= ENTRIES {
                self.submit();
            }
        }
        if let Some(id) = self.id.take() {
            self.batch.clear(id);
            self.batch.remove(self.table, Table::queue_key(id).to_vec());
            self.persistence.submit(&mut self.batch);
            self.named = false;
        }
    }

    /// Hands over what is to be written.
    ///
    /// It must come before anybody can get what is kept: otherwise it could be forgotten before it
    /// is kept, and would come back.
    pub(super) fn submit(&mut self) {
        if !self.batch.is_empty() {
            self.persistence.submit(&mut self.batch);
        }
    }
}

/// Keeps a message once for all of `holders`, in its place.
pub(super) fn keep_for_all(holders: &[QueueId], message: &Message, batch: &mut Batch) {
    let Ok(sequence) = u64::try_from(message.broker_sequence_id()) else { return };
    if let [one] = holders {
        return batch.append(*one, sequence, message.image());
    }
    // None at all: there is nothing to keep.
    for some in holders.chunks(MOST_HOLDERS) {
        batch.append(Holders::Several(some.into()), sequence, message.image());
    }
}

fn named(kind: DestinationKind, value: &[u8]) -> Result<Destination, KeptError> {
    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = Text::from_wire(name).map_err(|error| unknown("a destination's name", error))?;
    Ok(Destination::new(kind, name))
}

/// The message that a store gave.
pub(super) fn message_of(stored: &Stored) -> Result<Message, KeptError> {
    Message::from_image(&stored.body)
        .map_err(|error| unknown(format!("message {}", stored.sequence), error))
}
