//! Stores to try, and someone who listens to them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use ferrymq_store::contract::{
    Batch, Failure, Listener, QueueId, ReadLimits, Refusal, Store, Stored, Ticket,
};
use ferrymq_store::memory::MemoryStore;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Without limits.
pub const ALL: ReadLimits = ReadLimits { messages: usize::MAX, bytes: usize::MAX };

/// Runs a promise on every kind of store.
pub fn on_each_store(promise: impl Fn(&dyn Store)) {
    promise(&MemoryStore::default());
}

/// Hands every outcome to a channel.
pub struct Heard(Sender<(Ticket, Result<(), Failure>)>);

pub type Outcomes = Receiver<(Ticket, Result<(), Failure>)>;

impl Heard {
    pub fn new() -> (Arc<Self>, Outcomes) {
        let (sender, receiver) = channel();
        (Arc::new(Self(sender)), receiver)
    }
}

impl Listener for Heard {
    fn settled(&self, ticket: Ticket, outcome: Result<(), &Failure>) {
        // Whoever has dropped the other end is not interested.
        let _ = self.0.send((ticket, outcome.map_err(Clone::clone)));
    }
}

/// Submits and waits until it is settled.
pub fn settle(store: &dyn Store, fill: impl FnOnce(&mut Batch)) {
    try_settle(store, fill).expect("the batch is taken");
}

pub fn try_settle(store: &dyn Store, fill: impl FnOnce(&mut Batch)) -> Result<(), Refusal> {
    let mut batch = Batch::new();
    fill(&mut batch);
    let (heard, outcomes) = Heard::new();
    let ticket = store.submit(&mut batch, Some(heard))?;
    assert!(batch.is_empty(), "what was taken is gone from the batch");
    let (settled, outcome) = outcomes.recv_timeout(PATIENCE).expect("every batch is settled");
    assert_eq!(settled, ticket);
    outcome.expect("the store works");
    assert!(store.settled() >= ticket);
    Ok(())
}

/// The numbers of a queue's messages.
pub fn held(store: &dyn Store, queue: u32) -> Vec<u64> {
    contents(store, queue).into_iter().map(|message| message.sequence).collect()
}

pub fn contents(store: &dyn Store, queue: u32) -> Vec<Stored> {
    let mut messages = Vec::new();
    store.read(QueueId(queue), 0, ALL, &mut messages).expect("a readable queue");
    messages
}

pub fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
