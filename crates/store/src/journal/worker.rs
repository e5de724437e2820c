//! What the thread that writes does, round by round.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::intake::Pending;
use super::options::Sync;
use super::segment::Filling;
use super::shared::Shared;
use super::upkeep::Upkeep;
use crate::contract::Failure;

/// After how long without work the journal notes that all until now is durable.
const REST: Duration = Duration::from_secs(1);

/// How soon the device is asked again for room that somebody waits for.
const RETRY: Duration = Duration::from_secs(1);

/// How long batches linger that nobody waits to hear of, acknowledgements most of all: what comes
/// meanwhile is written, and synced, together with them, so that a message and its acknowledgement
/// need not cost two syncs. The next batch that somebody waits for takes them along at once.
const LINGER: Duration = Duration::from_millis(2);

/// Writes what was submitted.
pub(super) struct Worker {
    engine: Engine,
    upkeep: Upkeep,
    sync: Sync,
    /// Empty between rounds.
    pending: Pending,
}

/// What a round takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// All that was submitted.
    All,
    /// All, if some of it should not linger.
    Urgent,
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// There is more to do.
    More,
    /// Nothing is left to do.
    Idle,
    /// The journal is closed, or has failed.
    Ended,
}

impl Worker {
    pub(super) fn new(engine: Engine, sync: Sync) -> Self {
        Self { engine, upkeep: Upkeep::default(), sync, pending: Pending::default() }
    }

    /// Writes what was submitted since the last round.
    pub(super) fn round(&mut self, take: Take) -> Round {
        let shared = Arc::clone(&self.engine.shared);
        let (closing, sync_due) = {
            let mut intake = shared.intake.lock();
            if intake.failed.is_some() {
                return Round::Ended;
            }
            if take == Take::All || intake.is_urgent() {
                intake.take(&mut self.pending);
            }
            (intake.closing, std::mem::take(&mut intake.sync_due))
        };
        let done = self.work(&shared, closing, sync_due);
        done.unwrap_or_else(|failure| {
            shared.fail(&failure, &mut self.pending);
            Round::Ended
        })
    }

    fn work(&mut self, shared: &Shared, closing: bool, sync_due: bool) -> Result<Round, Failure> {
        let idle = self.pending.batches.is_empty();
        if !idle {
            self.engine.write(&self.pending)?;
            self.engine.publish_room(&self.pending.batches);
            shared.settle(&mut self.pending);
        }
        if sync_due {
            self.engine.sync()?;
        }
        if idle && closing {
            self.engine.mark()?;
            return Ok(Round::Ended);
        }
        let more = self.upkeep.run(&mut self.engine, idle)?;
        Ok(if more || !idle { Round::More } else { Round::Idle })
    }

    /// Moves what is kept out of the first segments until this many bytes of files suffice, or
    /// nothing more is gained.
    pub(super) fn compact(&mut self) -> Result<(), Failure> {
        let last = self.engine.current.segment;
        while self.engine.reachable() < last && self.upkeep.move_some(&mut self.engine)? {
            self.engine.mark()?;
            self.engine.release();
            self.engine.publish_room(&[]);
            self.engine.shared.make_ahead(Filling::None);
        }
        self.engine.mark()?;
        self.engine.release();
        Ok(())
    }

    /// Waits for something to do, and says what to take of it.
    fn wait(&mut self, shared: &Shared) -> Result<Take, Failure> {
        let mut intake = shared.intake.lock();
        if intake.is_urgent() {
            return Ok(Take::Urgent);
        }
        // Nobody wakes this thread for what may linger, so that it sleeps once for many of them.
        let waited = shared.work.wait_for(&mut intake, LINGER);
        if !waited.timed_out() {
            return Ok(Take::Urgent);
        }
        if !intake.pending.batches.is_empty() {
            return Ok(Take::All);
        }
        intake.resting = true;
        let waited = if self.engine.marked || self.sync == Sync::Never {
            shared.work.wait(&mut intake);
            false
        } else {
            shared.work.wait_for(&mut intake, REST).timed_out()
        };
        intake.resting = false;
        drop(intake);
        if waited {
            self.engine.mark()?;
        }
        Ok(Take::Urgent)
    }

    /// Runs until the journal is closed or has failed.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.engine.shared);
        let _last_word = LastWord(Arc::clone(&shared));
        let mut take = Take::All;
        loop {
            match self.round(take) {
                Round::More => take = Take::Urgent,
                Round::Idle => match self.wait(&shared) {
                    Ok(next) => take = next,
                    Err(failure) => shared.fail(&failure, &mut self.pending),
                },
                Round::Ended => break,
            }
        }
        // Whoever makes room need not any more.
        shared.making.notify_all();
        shared.ticking.notify_all();
    }
}

/// Fails the journal when the thread that writes ends by a panic (a listener's, say): nobody would
/// hear of anything any more.
struct LastWord(Arc<Shared>);

impl Drop for LastWord {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let failure = Failure::new("go on with", "the journal", "its thread panicked");
            self.0.fail(&failure, &mut Pending::default());
        }
    }
}

/// Makes files ahead until the journal is closed or has failed.
pub(super) fn make_room(shared: &Shared) {
    loop {
        if shared.make_ahead(Filling::Zeros) {
            // What is to be moved may have waited for it.
            shared.work.notify_one();
            continue;
        }
        let mut intake = shared.intake.lock();
        if intake.closing || intake.failed.is_some() {
            return;
        }
        let refusing = intake.is_refusing();
        if intake.room.exhausted && refusing {
            shared.making.wait_for(&mut intake, RETRY);
        } else if intake.room.exhausted || intake.room.wanted(refusing).is_none() {
            shared.making.wait(&mut intake);
        }
    }
}

/// Asks for a sync once in each interval.
pub(super) fn tick(shared: &Shared, interval: Duration) {
    let mut intake = shared.intake.lock();
    while !intake.closing && intake.failed.is_none() {
        if shared.ticking.wait_for(&mut intake, interval).timed_out() {
            intake.sync_due = true;
            shared.work.notify_one();
        }
    }
}
