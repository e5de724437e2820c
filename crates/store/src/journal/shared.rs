//! What the handle of a journal, its threads and its readers share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::index::Index;
use super::intake::{Intake, Pending};
use super::segment::{Filling, SegmentFile, name_of};
use crate::contract::{Failure, Ticket};
use crate::volume::Volume;

/// The two locks of a journal are never held at once, and neither while the device works.
pub(super) struct Shared {
    pub(super) volume: Arc<dyn Volume>,
    pub(super) intake: Mutex<Intake>,
    /// Wakes the thread that writes.
    pub(super) work: Condvar,
    /// Wakes the thread that makes files ahead.
    pub(super) making: Condvar,
    /// Wakes the thread that asks for syncs.
    pub(super) ticking: Condvar,
    pub(super) kept: Mutex<Kept>,
    /// The last ticket that is settled.
    pub(super) settled: AtomicU64,
    /// The number of the next file.
    pub(super) next_name: AtomicU64,
}

/// What is kept, and in which files.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) index: Index,
    /// By number. A reader clones one to keep its file from being used again.
    pub(super) segments: BTreeMap<u32, SegmentFile>,
}

impl Shared {
    /// Makes a file of this length.
    pub(super) fn make(&self, capacity: u32, filling: Filling) -> Result<SegmentFile, Failure> {
        let name = name_of(self.next_name.fetch_add(1, Ordering::Relaxed));
        let shown = self.volume.show(&name);
        SegmentFile::make(&*self.volume, name, capacity, filling)
            .map_err(|error| Failure::new("make", &shown, error))
    }

    /// Removes a file that is not needed. If that does not succeed it is still there when the
    /// journal is opened the next time, and not needed either.
    pub(super) fn remove(&self, file: &SegmentFile) {
        if let Err(error) = self.volume.remove(&file.name) {
            let name = self.volume.show(&file.name);
            tracing::warn!(%error, file = %name, "cannot remove a file that is not needed");
        }
    }

    /// Makes a file ahead, if one is wanted; says whether one was.
    pub(super) fn make_ahead(&self, filling: Filling) -> bool {
        let (wanted, was_exhausted) = {
            let mut intake = self.intake.lock();
            if intake.failed.is_some() || intake.closing {
                return false;
            }
            let refusing = intake.is_refusing();
            let wanted = intake.room.wanted(refusing);
            (wanted, std::mem::take(&mut intake.room.exhausted))
        };
        let Some(capacity) = wanted else { return false };
        let made = self.make(capacity, filling);
        let mut intake = self.intake.lock();
        match made {
            Ok(file) => intake.room.add(file),
            Err(error) => {
                intake.room.exhausted = true;
                if !was_exhausted {
                    tracing::warn!(%error, "the journal gets no more room on the disk");
                }
                return false;
            }
        }
        drop(intake);
        self.tell_of_room();
        true
    }

    /// Tells whoever waits for room, if there is some.
    pub(super) fn tell_of_room(&self) {
        let observer = self.intake.lock().take_good_news();
        if let Some(observer) = observer {
            observer.room();
        }
    }

    /// These batches are written as durably as the journal is asked to.
    pub(super) fn settle(&self, pending: &mut Pending) {
        let last = pending.first + pending.batches.len() as u64;
        self.settled.store(last.saturating_sub(1), Ordering::SeqCst);
        self.answer(pending, Ok(()));
    }

    /// Nothing is durable from here on.
    pub(super) fn fail(&self, failure: &Failure, pending: &mut Pending) {
        tracing::error!(%failure, "the journal has failed; nothing more is stored");
        let mut waiting = Pending::default();
        let observer = {
            let mut intake = self.intake.lock();
            intake.failed.get_or_insert_with(|| failure.clone());
            intake.take(&mut waiting);
            intake.observer.clone()
        };
        self.answer(pending, Err(failure));
        self.answer(&mut waiting, Err(failure));
        if let Some(observer) = observer {
            observer.failed(failure);
        }
    }

    fn answer(&self, pending: &mut Pending, outcome: Result<(), &Failure>) {
        for (ticket, waiting) in (pending.first..).zip(pending.batches.drain(..)) {
            if let Some(listener) = waiting.listener {
                listener.settled(Ticket(ticket), outcome);
            }
        }
        pending.operations.clear();
    }
}
