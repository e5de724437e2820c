//! What was submitted to a store, and what must be in it afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_store::contract::{Batch, Holders, Operation, QueueId, Store, Table};

use crate::rig::ALL;

/// All that a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub messages: BTreeMap<(QueueId, u64), Bytes>,
    pub entries: BTreeMap<(Table, Bytes), Bytes>,
}

impl State {
    pub fn of(store: &dyn Store) -> Self {
        let mut state = Self::default();
        for standing in store.queues() {
            let mut messages = Vec::new();
            store.read(standing.queue, 0, ALL, &mut messages).expect("a readable queue");
            assert_eq!(standing.messages, messages.len() as u64);
            let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
            assert_eq!(standing.bytes, bytes as u64);
            for message in messages {
                state.messages.insert((standing.queue, message.sequence), message.body);
            }
        }
        for table in Table::ALL {
            for entry in store.entries(table, None, usize::MAX).expect("readable entries") {
                state.entries.insert((table, entry.key), entry.value);
            }
        }
        state
    }

    pub fn apply(&mut self, operations: &[Operation]) {
        for operation in operations.iter().cloned() {
            match operation {
                Operation::Append { holders, sequence, body } => {
                    for &queue in holders.as_slice() {
                        self.messages.insert((queue, sequence), body.clone());
                    }
                }
                Operation::Acknowledge { queue, sequence } => {
                    self.messages.remove(&(queue, sequence));
                }
                Operation::Clear { queue } => self.messages.retain(|(of, _), _| *of != queue),
                Operation::Put { table, key, value } => {
                    self.entries.insert((table, key), value);
                }
                Operation::Remove { table, key } => {
                    self.entries.remove(&(table, key));
                }
            }
        }
    }
}

/// Makes batches that do everything a broker does, from a seed.
pub struct Producer {
    pub random: fastrand::Rng,
    next: u64,
    /// What could be acknowledged.
    open: Vec<(QueueId, u64)>,
}

impl Producer {
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), next: 1, open: Vec::new() }
    }

    /// Goes on after a restart.
    pub fn resume(&mut self, state: &State, last_sequence: u64) {
        self.next = last_sequence + 1;
        self.open = state.messages.keys().copied().collect();
    }

    pub fn batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..self.random.u8(0..6) {
            match self.random.u8(0..100) {
                0..45 => self.append(&mut batch),
                45..85 => self.acknowledge(&mut batch),
                85..86 => batch.clear(QueueId(self.random.u32(0..4))),
                86..94 => {
                    let value = self.body(300);
                    batch.put(self.table(), self.key(), value);
                }
                _ => batch.remove(self.table(), self.key()),
            }
        }
        batch
    }

    fn append(&mut self, batch: &mut Batch) {
        let largest = if self.random.u8(0..200) == 0 { 30_000 } else { 1500 };
        let body = self.body(largest);
        let sequence = match self.random.u8(0..20) {
            // One that was used before.
            0 => self.random.u64(1..=self.next),
            _ => self.next,
        };
        self.next = self.next.max(sequence) + self.random.u64(1..4);
        let queues: Vec<QueueId> = match self.random.u8(0..10) {
            0 => [1, 2, 3].map(QueueId).to_vec(),
            _ => vec![QueueId(self.random.u32(0..4))],
        };
        self.open.extend(queues.iter().map(|queue| (*queue, sequence)));
        match queues.as_slice() {
            [one] => batch.append(*one, sequence, body),
            _ => batch.append(Holders::Several(Arc::from(queues)), sequence, body),
        }
    }

    fn acknowledge(&mut self, batch: &mut Batch) {
        if self.open.is_empty() {
            return;
        }
        // Mostly in order, as queues are consumed; some stay for long.
        let near = self.open.len().min(if self.random.u8(0..10) == 0 { usize::MAX } else { 12 });
        let (queue, sequence) = self.open.remove(self.random.usize(0..near));
        batch.acknowledge(queue, sequence);
    }

    fn body(&mut self, largest: usize) -> Bytes {
        let length = self.random.usize(0..largest);
        let mut body = vec![0; length];
        self.random.fill(&mut body);
        body.into()
    }

    fn table(&mut self) -> Table {
        Table::ALL[self.random.usize(0..Table::ALL.len())]
    }

    fn key(&mut self) -> Bytes {
        Bytes::from(vec![b'k'; self.random.usize(1..8)])
    }
}
