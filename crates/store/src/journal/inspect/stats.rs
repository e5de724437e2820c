//! What a journal keeps, and what keeps its files from going.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::contract::{QueueId, QueueState, ReadError, Table};
use crate::journal::load::{OpenError, TornTail, load};
use crate::journal::reading;
use crate::journal::shared::Kept;
use crate::volume::Volume;

/// What a journal keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Segments that are needed.
    pub segments: usize,
    /// Bytes of their files.
    pub segment_bytes: u64,
    /// Files beside them, which are used for what comes.
    pub spares: usize,
    /// Bytes of all that is kept; what several queues hold counts for each.
    pub kept_bytes: u64,
    /// The highest number of a message.
    pub last_sequence: u64,
    /// Queues that hold something, those first whose oldest message is in the oldest segment: they
    /// are what keeps it.
    pub queues: Vec<QueueStats>,
    /// Tables that hold something.
    pub tables: Vec<TableStats>,
    /// What was left unfinished at the end, and will be forgotten when the journal is opened.
    pub torn: Option<TornTail>,
}

/// What a queue keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStats {
    /// How it stands.
    pub state: QueueState,
    /// Its name, if [`Table::Queue`] has one.
    pub name: Option<String>,
    /// The oldest segment that holds something of it.
    pub oldest_segment: u32,
    /// How many segments hold something of it.
    pub segments: usize,
}

/// What a table keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableStats {
    /// Which.
    pub table: Table,
    /// Its entries.
    pub entries: usize,
    /// Bytes of their values.
    pub bytes: u64,
}

/// Reads what a journal keeps. Nothing is changed.
///
/// # Errors
///
/// See [`OpenError`].
pub fn stats(volume: &dyn Volume) -> Result<Stats, OpenError> {
    let loaded = load(volume)?;
    let kept = Kept { index: loaded.index, segments: loaded.segments };
    let mut queues = Vec::new();
    for state in kept.index.states() {
        queues.push(queue_stats(volume, &kept, state)?);
    }
    queues.sort_by_key(|queue| (queue.oldest_segment, queue.state.queue));
    let tables = Table::ALL.into_iter().filter_map(|table| {
        let places: Vec<_> = kept.index.entries(table, None).map(|(_, place)| place).collect();
        let bytes = places.iter().map(|place| u64::from(place.length)).sum();
        (!places.is_empty()).then_some(TableStats { table, entries: places.len(), bytes })
    });
    Ok(Stats {
        segments: kept.segments.len(),
        segment_bytes: kept.segments.values().map(|file| u64::from(file.capacity)).sum(),
        spares: loaded.unused.len(),
        kept_bytes: kept.index.live_bytes(),
        last_sequence: kept.index.last_sequence,
        queues,
        tables: tables.collect(),
        torn: loaded.last.and_then(|tail| tail.torn),
    })
}

fn queue_stats(
    volume: &dyn Volume,
    kept: &Kept,
    state: QueueState,
) -> Result<QueueStats, OpenError> {
    let places = kept.index.queue(state.queue);
    let segments: BTreeSet<u32> = places
        .into_iter()
        .flat_map(|places| places.iterate_from(0))
        .map(|(_, p)| p.segment)
        .collect();
    Ok(QueueStats {
        state,
        name: name_of(volume, kept, state.queue)?,
        oldest_segment: segments.first().copied().unwrap_or(0),
        segments: segments.len(),
    })
}

fn name_of(volume: &dyn Volume, kept: &Kept, queue: QueueId) -> Result<Option<String>, OpenError> {
    let wanted = kept.wanted_entry(Table::Queue, &Table::queue_key(queue));
    let value = wanted.map(|wanted| reading::value(volume, &wanted)).transpose();
    let value: Option<Bytes> = value.map_err(|error| match error {
        ReadError::Damaged { file, offset, what, .. } => OpenError::Damaged { file, offset, what },
        ReadError::Device(failure) => OpenError::Device(failure),
    })?;
    Ok(value.map(|value| {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }))
}
