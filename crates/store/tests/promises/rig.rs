//! Stores to try, and someone who listens to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use ferrymq_store::contract::{
    Batch, Entry, Failure, Listener, Observer, QueueId, QueueState, ReadError, ReadLimits, Refusal,
    Store, Stored, Table, Ticket,
};
use ferrymq_store::journal::{Drive, Journal, Options, Sync};
use ferrymq_store::memory::MemoryStore;
use ferrymq_store::volume::{Directory, SimulatedDisk};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Without limits.
pub const ALL: ReadLimits = ReadLimits { messages: usize::MAX, bytes: usize::MAX };

/// Runs a promise on every kind of store.
pub fn on_each_store(promise: impl Fn(&dyn Store)) {
    promise(&MemoryStore::default());
    // All of a promise finds room at once.
    let roomy = Options { segment_bytes: 1024 * 1024, drive: Drive::Threads, ..small() };
    for sync in [Sync::Always, Sync::Never, Sync::Interval(Duration::from_millis(1))] {
        let options = Options { sync, ..roomy.clone() };
        let disk = SimulatedDisk::new(1, 64 * 1024 * 1024);
        promise(&Journal::open(Arc::new(disk), &options).expect("a new journal").0);
    }
    promise(&open(&SimulatedDisk::new(1, 64 * 1024 * 1024)));
    let folder = Folder::new("contract");
    let directory = Directory::take(folder.path()).expect("a directory");
    promise(&Journal::open(Arc::new(directory), &roomy).expect("a new journal").0);
}

/// A journal of small segments, so that little fills many.
pub fn small() -> Options {
    Options { segment_bytes: 16 * 1024, drive: Drive::Steps, ..Options::new(7) }
}

/// Opens a journal that is driven by [`settle`].
pub fn open(disk: &SimulatedDisk) -> Stepped {
    Stepped(Journal::open(Arc::new(disk.clone()), &small()).expect("a sound journal").0)
}

/// A directory that goes when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (pid, nth) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let unique = format!("ferrymq-store-{name}-{pid}-{nth}");
        let path = std::env::temp_dir().join(unique);
        // What an earlier run of the same number left.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A journal without threads that works off whatever it is given at once.
#[derive(Debug)]
pub struct Stepped(pub Journal);

impl Store for Stepped {
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        let ticket = self.0.submit(batch, listener);
        self.0.step();
        ticket
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.0.has_room(bytes)
    }

    fn settled(&self) -> Ticket {
        self.0.settled()
    }

    fn read(
        &self,
        queue: QueueId,
        from: u64,
        limits: ReadLimits,
        into: &mut Vec<Stored>,
    ) -> Result<(), ReadError> {
        self.0.read(queue, from, limits, into)
    }

    fn queue(&self, queue: QueueId) -> QueueState {
        self.0.queue(queue)
    }

    fn queues(&self) -> Vec<QueueState> {
        self.0.queues()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.0.get(table, key)
    }

    fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.0.entries(table, after, most)
    }

    fn last_sequence(&self) -> u64 {
        self.0.last_sequence()
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        self.0.watch(observer);
    }

    fn close(&self) -> Result<(), Failure> {
        self.0.close()
    }
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
