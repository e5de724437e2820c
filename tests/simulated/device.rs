//! A journal on a simulated disk that takes its time, until its power is taken away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use ferrymq_store::contract::{
    Batch, Entry, Failure, Listener, Observer, QueueId, QueueState, ReadError, ReadLimits, Refusal,
    Store, Stored, Table, Ticket,
};
use ferrymq_store::journal::Journal;
use ferrymq_store::volume::SimulatedDisk;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How long the device takes, in milliseconds: up to so many.
const SLOWEST: u64 = 4;

/// One life's journal. It has no threads: a task does its work a moment after it was asked for, so
/// that what happens follows from the seed.
#[derive(Debug)]
pub struct Device {
    disk: SimulatedDisk,
    /// Gone with the power, or with the process.
    journal: Mutex<Option<Journal>>,
    asked: Notify,
    /// Told when power went while the device worked.
    dark: Notify,
}

impl Device {
    /// Starts the task.
    pub fn start(journal: Journal, disk: &SimulatedDisk, random: Rng) -> Arc<Self> {
        let journal = Mutex::new(Some(journal));
        let (asked, dark) = (Notify::new(), Notify::new());
        let device = Arc::new(Self { disk: disk.clone(), journal, asked, dark });
        tokio::spawn(Arc::clone(&device).work(random));
        device
    }

    async fn work(self: Arc<Self>, mut random: Rng) {
        loop {
            self.asked.notified().await;
            sleep(Duration::from_millis(random.u64(0..SLOWEST))).await;
            match &*self.journal.lock() {
                Some(journal) => journal.step(),
                None => return,
            }
            if self.disk.is_down() {
                self.dark.notify_one();
                return;
            }
        }
    }

    /// Completes when power went while the device worked.
    pub async fn dark(&self) {
        self.dark.notified().await;
    }

    /// The end of it; what it has not done is never done.
    pub fn end(&self) {
        drop(self.journal.lock().take());
        self.asked.notify_one();
    }

    fn ask<T>(&self, gone: T, ask: impl FnOnce(&Journal) -> T) -> T {
        let answer = match &*self.journal.lock() {
            Some(journal) => ask(journal),
            None => return gone,
        };
        self.asked.notify_one();
        answer
    }
}

impl Store for Device {
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        self.ask(Err(Refusal::Closed), |journal| journal.submit(batch, listener))
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.ask(false, |journal| journal.has_room(bytes))
    }

    fn settled(&self) -> Ticket {
        self.ask(Ticket(0), Store::settled)
    }

    fn read(
        &self,
        queue: QueueId,
        from: u64,
        limits: ReadLimits,
        into: &mut Vec<Stored>,
    ) -> Result<(), ReadError> {
        self.ask(gone(), |journal| journal.read(queue, from, limits, into))
    }

    fn reading_waits(&self) -> bool {
        false
    }

    fn queue(&self, queue: QueueId) -> QueueState {
        self.ask(QueueState::empty(queue), |journal| journal.queue(queue))
    }

    fn queues(&self) -> Vec<QueueState> {
        self.ask(Vec::new(), Store::queues)
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.ask(gone(), |journal| journal.get(table, key))
    }

    fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.ask(gone(), |journal| journal.entries(table, after, most))
    }

    fn last_sequence(&self) -> u64 {
        self.ask(0, Store::last_sequence)
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        self.ask((), |journal| journal.watch(observer));
    }

    fn close(&self) -> Result<(), Failure> {
        self.ask(Ok(()), Store::close)
    }
}

fn gone<T>() -> Result<T, ReadError> {
    Err(ReadError::Device(Failure::new("read", "the disk", "its process has ended")))
}
