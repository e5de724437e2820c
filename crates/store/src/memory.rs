//! A store without a device: for brokers that need not remember, and for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::contract::{
    Batch, Entry, Failure, Listener, Observer, Operation, QueueId, QueueState, ReadError,
    ReadLimits, Refusal, Space, Store, Stored, Table, Ticket,
};

/// Keeps everything in memory: a batch is settled before [`submit`](Store::submit) returns, and
/// nothing survives the store. Everything happens on the caller's thread, so that a simulation
/// follows from its seed.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    /// The last ticket; beside the lock because a listener may ask.
    settled: AtomicU64,
    /// Bytes of bodies and values.
    limit: u64,
}

#[derive(Default)]
struct State {
    /// None of them is empty.
    queues: BTreeMap<QueueId, Queue>,
    tables: BTreeMap<(Table, Bytes), Bytes>,
    /// Bytes of bodies, each once, and of keys and values.
    used: u64,
    last_sequence: u64,
    observer: Option<Arc<dyn Observer>>,
    /// Whether somebody was refused and not told of room since.
    refused: bool,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("queues", &self.queues.len())
            .field("entries", &self.tables.len())
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    /// Bodies are shared between the queues that hold a message.
    messages: BTreeMap<u64, Arc<Bytes>>,
    bytes: u64,
}

impl MemoryStore {
    /// An empty store that takes up to `limit` bytes of bodies, keys and values.
    pub fn new(limit: u64) -> Self {
        Self { state: Mutex::default(), settled: AtomicU64::new(0), limit }
    }
}

impl Default for MemoryStore {
    /// An empty store without a limit.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Store for MemoryStore {
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        batch.check()?;
        let mut state = self.state.lock();
        if state.closed {
            return Err(Refusal::Closed);
        }
        if batch.keeps && !state.has_room(batch.payload, self.limit) {
            return Err(Refusal::Full);
        }
        for operation in batch.operations.drain(..) {
            state.apply(operation);
        }
        batch.restart();
        let ticket = Ticket(self.settled.fetch_add(1, Ordering::SeqCst) + 1);
        // Under the lock, so that listeners hear of batches in their order.
        if let Some(listener) = listener {
            listener.settled(ticket, Ok(()));
        }
        if state.refused && state.used < self.limit {
            state.refused = false;
            if let Some(observer) = &state.observer {
                observer.room();
            }
        }
        Ok(ticket)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.state.lock().has_room(bytes, self.limit)
    }

    fn space(&self) -> Space {
        let (used, limit) = (self.state.lock().used, self.limit);
        // As much as callers ask for at least.
        let full = used.saturating_add(1024 * 1024) > limit;
        Space { used, limit, full }
    }

    fn settled(&self) -> Ticket {
        Ticket(self.settled.load(Ordering::SeqCst))
    }

    fn read(
        &self,
        queue: QueueId,
        from: u64,
        limits: ReadLimits,
        into: &mut Vec<Stored>,
    ) -> Result<(), ReadError> {
        let state = self.state.lock();
        let Some(queue) = state.queues.get(&queue) else { return Ok(()) };
        let mut bytes = 0;
        for (count, (&sequence, body)) in queue.messages.range(from..).enumerate() {
            bytes += body.len();
            if count > 0 && (count >= limits.messages || bytes > limits.bytes) {
                break;
            }
            into.push(Stored { sequence, body: Bytes::clone(body) });
        }
        Ok(())
    }

    fn reading_waits(&self) -> bool {
        false
    }

    fn queue(&self, queue: QueueId) -> QueueState {
        let state = self.state.lock();
        state
            .queues
            .get(&queue)
            .map_or_else(|| QueueState::empty(queue), |held| held.standing(queue))
    }

    fn queues(&self) -> Vec<QueueState> {
        self.state.lock().queues.iter().map(|(&id, queue)| queue.standing(id)).collect()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(self.state.lock().tables.get(&(table, Bytes::copy_from_slice(key))).cloned())
    }

    fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let from = match after {
            Some(key) => Bound::Excluded((table, Bytes::copy_from_slice(key))),
            None => Bound::Included((table, Bytes::new())),
        };
        let state = self.state.lock();
        let entries = state.tables.range((from, Bound::Unbounded));
        Ok(entries
            .take_while(|((of, _), _)| *of == table)
            .take(most)
            .map(|((_, key), value)| Entry { key: key.clone(), value: value.clone() })
            .collect())
    }

    fn last_sequence(&self) -> u64 {
        self.state.lock().last_sequence
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        self.state.lock().observer = Some(observer);
    }

    fn close(&self) -> Result<(), Failure> {
        self.state.lock().closed = true;
        Ok(())
    }
}

impl State {
    fn has_room(&mut self, bytes: usize, limit: u64) -> bool {
        let fits = self.used.saturating_add(bytes as u64) <= limit;
        self.refused |= !fits;
        fits
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append { holders, sequence, body } => self.append(&holders, sequence, body),
            Operation::Acknowledge { queue, sequence } => self.acknowledge(queue, sequence),
            Operation::Clear { queue } => {
                for body in self.queues.remove(&queue).into_iter().flat_map(|q| q.messages) {
                    self.release(body.1);
                }
            }
            Operation::Put { table, key, value } => {
                self.used += (key.len() + value.len()) as u64;
                if let Some(former) = self.tables.insert((table, key.clone()), value) {
                    self.used -= (key.len() + former.len()) as u64;
                }
            }
            Operation::Remove { table, key } => {
                let length = key.len();
                if let Some(former) = self.tables.remove(&(table, key)) {
                    self.used -= (length + former.len()) as u64;
                }
            }
        }
    }

    fn append(&mut self, holders: &crate::contract::Holders, sequence: u64, body: Bytes) {
        self.last_sequence = self.last_sequence.max(sequence);
        self.used += body.len() as u64;
        let body = Arc::new(body);
        for &holder in holders.as_slice() {
            let queue = self.queues.entry(holder).or_default();
            queue.bytes += body.len() as u64;
            if let Some(former) = queue.messages.insert(sequence, Arc::clone(&body)) {
                queue.bytes -= former.len() as u64;
                self.release(former);
            }
        }
        // Nobody holds what has no holders.
        self.release(body);
    }

    fn acknowledge(&mut self, id: QueueId, sequence: u64) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let Some(body) = queue.messages.remove(&sequence) else { return };
        queue.bytes -= body.len() as u64;
        if queue.messages.is_empty() {
            self.queues.remove(&id);
        }
        self.release(body);
    }

    /// Gives back a queue's share of a body; with the last share goes the body.
    fn release(&mut self, body: Arc<Bytes>) {
        if let Some(body) = Arc::into_inner(body) {
            self.used -= body.len() as u64;
        }
    }
}

impl Queue {
    fn standing(&self, queue: QueueId) -> QueueState {
        QueueState {
            queue,
            messages: self.messages.len() as u64,
            bytes: self.bytes,
            first: self.messages.first_key_value().map(|(&sequence, _)| sequence),
            last: self.messages.last_key_value().map(|(&sequence, _)| sequence),
        }
    }
}
