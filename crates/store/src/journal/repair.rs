//! Going on where a journal ended.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Condvar, Mutex};

use super::engine::{Current, Engine, Head};
use super::format::{HEADER, SegmentHeader, TRAILER, Trailer};
use super::index::Index;
use super::intake::{Intake, Room, SPARES};
use super::load::{Loaded, OpenError, Tail, TornTail, load};
use super::options::Options;
use super::segment::{Filling, SegmentFile};
use super::shared::{Kept, Shared};
use crate::contract::Failure;
use crate::volume::Volume;

/// How much is read and written again at once.
const PART: u64 = 1024 * 1024;

/// What was found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Messages that are kept; one that several queues hold counts for each of them.
    pub messages: u64,
    /// Segments in use.
    pub segments: usize,
    /// What a loss of power, or the end of the process, had left unfinished. It was never settled.
    pub torn: Option<TornTail>,
}

/// Reads a journal, or makes one, and makes durable all that is believed of it.
pub(super) fn open(
    volume: Arc<dyn Volume>,
    options: &Options,
) -> Result<(Engine, Opened), OpenError> {
    let loaded = load(&*volume)?;
    let Loaded { index, segments, last, unused, last_name } = loaded;
    let opened = Opened {
        messages: index.states().iter().map(|state| state.messages).sum(),
        segments: segments.len(),
        torn: last.as_ref().and_then(|tail| tail.torn.clone()),
    };
    let last_sequence = index.last_sequence;
    let shared = share(volume, options, index, segments, last_name);
    let mut engine = match last {
        Some(tail) => go_on(shared, options, tail, unused)?,
        None => {
            reuse(&shared, unused);
            start(shared, options)?
        }
    };
    engine.last_sequence = last_sequence;
    engine.shared.kept.lock().index.last_sequence = last_sequence;
    engine.head.known = engine.reachable();
    engine.publish_room(&[]);
    // So that it takes batches at once; the others are made ahead.
    while engine.shared.make_ahead(Filling::None) {}
    Ok((engine, opened))
}

fn share(
    volume: Arc<dyn Volume>,
    options: &Options,
    index: Index,
    segments: std::collections::BTreeMap<u32, SegmentFile>,
    last_name: u64,
) -> Arc<Shared> {
    let used = segments.values().map(|file| u64::from(file.capacity)).sum();
    let room = Room::new(options.capacity(), used, options.disk_limit);
    Arc::new(Shared {
        volume,
        intake: Mutex::new(Intake::new(room)),
        work: Condvar::new(),
        making: Condvar::new(),
        ticking: Condvar::new(),
        kept: Mutex::new(Kept { index, segments }),
        settled: AtomicU64::new(0),
        next_name: AtomicU64::new(last_name + 1),
    })
}

/// Files that are of no use any more become spares, as far as they fit.
fn reuse(shared: &Shared, unused: Vec<SegmentFile>) {
    for file in unused {
        let mut intake = shared.intake.lock();
        let room = &mut intake.room;
        let fits = file.capacity == room.capacity && room.spares.len() < SPARES;
        // One that was never finished may lack blocks.
        if fits && file.file.allocate(u64::from(file.capacity)).is_ok() {
            room.spares.push(file);
        } else {
            drop(intake);
            shared.remove(&file);
        }
    }
}

/// Begins a journal.
fn start(shared: Arc<Shared>, options: &Options) -> Result<Engine, Failure> {
    let file = next_file(&shared)?;
    let head = Head { known: 1, written: 1, durable: 1 };
    let current = Current { segment: 0, file: file.clone(), end: 0, summary: Vec::new() };
    let mut engine = Engine::new(shared, options, options.identity, current, head);
    engine.begin(file)?;
    Ok(engine)
}

fn next_file(shared: &Shared) -> Result<SegmentFile, Failure> {
    let spare = shared.intake.lock().room.spares.pop();
    match spare {
        Some(spare) => Ok(spare),
        None => {
            let capacity = shared.intake.lock().room.capacity;
            shared.make(capacity, Filling::None)
        }
    }
}

/// Goes on in the last segment, or after it.
fn go_on(
    shared: Arc<Shared>,
    options: &Options,
    tail: Tail,
    unused: Vec<SegmentFile>,
) -> Result<Engine, OpenError> {
    let segment = tail.header.segment;
    let file = shared.kept.lock().segments.get(&segment).cloned();
    let Some(file) = file else {
        return Err(OpenError::Missing { segment, place: shared.volume.show("") });
    };
    make_sure(&shared, &file, &tail)?;
    // Only now is it sure that they are not needed.
    reuse(&shared, unused);
    let head = Head { known: tail.head, written: tail.head, durable: tail.head };
    let current = Current { segment, file, end: tail.end, summary: tail.summary };
    let mut engine = Engine::new(shared, options, tail.header.journal, current, head);
    engine.number = tail.number;
    engine.synced = tail.number;
    engine.last_sequence = tail.header.last_sequence;
    if tail.sealed.is_some() || tail.dirty {
        // What stands behind the end must never be taken for something that follows it.
        if tail.sealed.is_none() {
            engine.seal()?;
        }
        let file = next_file(&engine.shared)?;
        engine.begin(file)?;
    }
    Ok(engine)
}

/// Writes again, and syncs, what nobody said had been synced. It may be on its way to the device, or
/// stand in memory only, after a sync that failed.
fn make_sure(shared: &Shared, file: &SegmentFile, tail: &Tail) -> Result<(), Failure> {
    let write = || {
        file.file.allocate(u64::from(file.capacity))?;
        let mut parts = Vec::from([(0, HEADER as u64)]);
        let mut at = tail.unattested.start;
        while at < tail.unattested.end {
            let end = (at + PART).min(tail.unattested.end);
            parts.push((at, end));
            at = end;
        }
        for (start, end) in parts {
            let mut bytes = vec![0; (end - start) as usize];
            let filled = file.file.read_at(&mut bytes, start)?;
            file.file.write_at(bytes.get(..filled).unwrap_or_default(), start)?;
        }
        if let Some(summary) = tail.sealed {
            // It was written after the summary, and may not be there.
            let SegmentHeader { journal, segment, .. } = tail.header;
            let trailer = Trailer { journal, segment, summary: summary as u32 };
            let end = u64::from(file.capacity) - TRAILER as u64;
            file.file.write_at(&trailer.encode(), end)?;
        }
        file.file.sync()?;
        shared.volume.sync_names()
    };
    write().map_err(file.failure(&*shared.volume, "make sure of"))
}
