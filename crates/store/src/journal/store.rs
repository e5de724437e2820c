//! The journal as a store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;

use super::cost;
use super::intake::Purpose;
use super::load::OpenError;
use super::options::{Drive, Options, Sync};
use super::reading;
use super::repair::{self, Opened};
use super::segment::Filling;
use super::shared::Shared;
use super::worker::{Round, Take, Worker, make_room, tick};
use crate::contract::{
    Batch, Entry, Failure, Listener, Observer, QueueId, QueueState, ReadError, ReadLimits, Refusal,
    Space, Store, Stored, Table, Ticket,
};
use crate::volume::Volume;

/// A store on a disk: segments that are written one after the other, by one thread, in groups.
pub struct Journal {
    shared: Arc<Shared>,
    /// Who writes, where no thread does.
    worker: Mutex<Option<Worker>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("volume", &self.shared.volume).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal of a volume, or makes one, and says what was there.
    ///
    /// What is believed of it is made durable first, whatever happened to the process or the power.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(volume: Arc<dyn Volume>, options: &Options) -> Result<(Self, Opened), OpenError> {
        let (engine, opened) = repair::open(volume, options)?;
        let shared = Arc::clone(&engine.shared);
        let worker = Worker::new(engine, options.sync);
        let journal =
            Self { shared, worker: Mutex::new(Some(worker)), threads: Mutex::new(Vec::new()) };
        if options.drive == Drive::Threads {
            journal.start(options)?;
        }
        Ok((journal, opened))
    }

    fn start(&self, options: &Options) -> Result<(), Failure> {
        let mut threads = self.threads.lock();
        if let Some(worker) = self.worker.lock().take() {
            threads.push(spawn("journal", move || worker.run())?);
        }
        let shared = Arc::clone(&self.shared);
        threads.push(spawn("journal-room", move || make_room(&shared))?);
        if let Sync::Interval(interval) = options.sync {
            let shared = Arc::clone(&self.shared);
            threads.push(spawn("journal-clock", move || tick(&shared, interval))?);
        }
        Ok(())
    }

    /// Does all that there is to do, where no thread does; see [`Drive::Steps`].
    pub fn step(&self) {
        let mut worker = self.worker.lock();
        let Some(worker) = worker.as_mut() else { return };
        loop {
            let round = worker.round(Take::All);
            let made = self.shared.make_ahead(Filling::None);
            if round == Round::Ended || (round == Round::Idle && !made) {
                return;
            }
        }
    }

    /// Moves all that is kept together, where no thread writes; see [`Drive::Steps`].
    pub(super) fn compact(&self) -> Result<(), Failure> {
        self.step();
        match self.worker.lock().as_mut() {
            Some(worker) => worker.compact(),
            None => Ok(()),
        }
    }

    /// How many bytes its files have.
    pub fn disk_bytes(&self) -> u64 {
        let intake = self.shared.intake.lock();
        let room = &intake.room;
        let spares = room.spares.len() as u64 * u64::from(room.capacity);
        room.used + spares + room.large.as_ref().map_or(0, |file| u64::from(file.capacity))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| Failure::new("start", &format!("the thread {name}"), error))
}

impl Store for Journal {
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        batch.check()?;
        let cost = cost::of_batch(&batch.operations);
        if cost > cost::MOST_BATCH {
            let (size, most) = (cost as usize, cost::MOST_BATCH as usize);
            return Err(Refusal::TooLarge { what: "a batch", size, most });
        }
        let mut intake = self.shared.intake.lock();
        let taken = intake.submit(batch, cost, listener);
        if taken == Err(Refusal::Full) {
            self.shared.making.notify_one();
        } else if intake.wants_writer() {
            self.shared.work.notify_one();
        }
        taken
    }

    fn has_room(&self, bytes: usize) -> bool {
        let mut intake = self.shared.intake.lock();
        let has_room = intake.has_room(cost::of_batch(&[]) + bytes as u64, Purpose::Keep);
        if !has_room {
            self.shared.making.notify_one();
        }
        has_room
    }

    fn space(&self) -> Space {
        self.shared.intake.lock().space()
    }

    fn settled(&self) -> Ticket {
        Ticket(self.shared.settled.load(Ordering::SeqCst))
    }

    fn read(
        &self,
        queue: QueueId,
        from: u64,
        limits: ReadLimits,
        into: &mut Vec<Stored>,
    ) -> Result<(), ReadError> {
        reading::messages(&self.shared, queue, from, limits, into)
    }

    fn reading_waits(&self) -> bool {
        self.worker.lock().is_none()
    }

    fn queue(&self, queue: QueueId) -> QueueState {
        self.shared.kept.lock().index.state(queue)
    }

    fn queues(&self) -> Vec<QueueState> {
        self.shared.kept.lock().index.states()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        reading::entry(&self.shared, table, key)
    }

    fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        reading::entries(&self.shared, table, after, most)
    }

    fn last_sequence(&self) -> u64 {
        self.shared.kept.lock().index.last_sequence
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        self.shared.intake.lock().observer = Some(observer);
    }

    fn close(&self) -> Result<(), Failure> {
        self.shared.intake.lock().closing = true;
        self.shared.work.notify_all();
        self.shared.making.notify_all();
        self.shared.ticking.notify_all();
        for thread in self.threads.lock().drain(..) {
            // One that panicked has settled nothing that it should not have.
            let _ = thread.join();
        }
        if let Some(mut worker) = self.worker.lock().take() {
            while worker.round(Take::All) != Round::Ended {}
        }
        self.shared.intake.lock().failed.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A failure has been told to whoever waited.
        let _ = self.close();
    }
}
