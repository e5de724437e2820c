//! Reading what is kept, beside the thread that writes.

use bytes::Bytes;

use super::format::{BODY_PREFIX, Cursor, body_checksum};
use super::index::Place;
use super::segment::SegmentFile;
use super::shared::{Kept, Shared};
use crate::contract::{Entry, Failure, QueueId, ReadError, ReadLimits, Stored, Table};
use crate::volume::Volume;

/// The most that is read at once, unless one body is larger.
const RUN: u64 = 1024 * 1024;

/// What stands between two bodies is read with them, up to this many bytes.
const GAP: u64 = 4096;

/// Something to read.
pub(super) struct Wanted {
    sequence: u64,
    place: Place,
    /// Held, so that it is not used again meanwhile.
    file: SegmentFile,
}

impl Kept {
    fn wanted(&self, sequence: u64, place: Place) -> Option<Wanted> {
        // Whatever is kept has its segment.
        let file = self.segments.get(&place.segment)?.clone();
        Some(Wanted { sequence, place, file })
    }

    pub(super) fn wanted_entry(&self, table: Table, key: &[u8]) -> Option<Wanted> {
        self.index.entry(table, key).and_then(|place| self.wanted(0, place))
    }
}

impl Wanted {
    fn start(&self) -> u64 {
        u64::from(self.place.offset)
    }

    fn end(&self) -> u64 {
        self.start() + BODY_PREFIX as u64 + u64::from(self.place.length)
    }

    /// Whether `next` is better read together with what starts at `start` and ends with this.
    fn leads_to(&self, next: &Self, start: u64) -> bool {
        self.place.segment == next.place.segment
            && (self.end()..=self.end() + GAP).contains(&next.start())
            && next.end() - start <= RUN
    }
}

pub(super) fn messages(
    shared: &Shared,
    queue: QueueId,
    from: u64,
    limits: ReadLimits,
    into: &mut Vec<Stored>,
) -> Result<(), ReadError> {
    let mut wanted: Vec<Wanted> = Vec::new();
    {
        let kept = shared.kept.lock();
        let Some(places) = kept.index.queue(queue) else { return Ok(()) };
        let mut bytes = 0;
        for (count, (sequence, place)) in places.iterate_from(from).enumerate() {
            bytes += place.length as usize;
            if count > 0 && (count >= limits.messages || bytes > limits.bytes) {
                break;
            }
            wanted.extend(kept.wanted(sequence, place));
        }
    }
    let mut rest = wanted.as_slice();
    let mut buffer = Vec::new();
    while let Some(first) = rest.first() {
        let together = rest
            .windows(2)
            .take_while(|pair| matches!(pair, [one, next] if one.leads_to(next, first.start())));
        let (run, later) = rest.split_at_checked(together.count() + 1).unwrap_or((rest, &[]));
        read_run(&*shared.volume, run, &mut buffer, |sequence, body| {
            into.push(Stored { sequence, body: Bytes::copy_from_slice(body) });
        })?;
        rest = later;
    }
    Ok(())
}

pub(super) fn entry(shared: &Shared, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
    let wanted = shared.kept.lock().wanted_entry(table, key);
    wanted.map(|wanted| value(&*shared.volume, &wanted)).transpose()
}

pub(super) fn entries(
    shared: &Shared,
    table: Table,
    after: Option<&[u8]>,
    most: usize,
) -> Result<Vec<Entry>, ReadError> {
    let wanted: Vec<(Bytes, Wanted)> = {
        let kept = shared.kept.lock();
        let entries = kept.index.entries(table, after).take(most);
        entries
            .filter_map(|(key, place)| kept.wanted(0, place).map(|wanted| (key.clone(), wanted)))
            .collect()
    };
    let read = |(key, wanted)| value(&*shared.volume, &wanted).map(|value| Entry { key, value });
    wanted.into_iter().map(read).collect()
}

pub(super) fn value(volume: &dyn Volume, wanted: &Wanted) -> Result<Bytes, ReadError> {
    let mut value = Bytes::new();
    read_run(volume, std::slice::from_ref(wanted), &mut Vec::new(), |_, body| {
        value = Bytes::copy_from_slice(body);
    })?;
    Ok(value)
}

/// Reads what stands together, and hands on each body once it has been checked.
fn read_run(
    volume: &dyn Volume,
    run: &[Wanted],
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(u64, &[u8]),
) -> Result<(), ReadError> {
    let [first, ..] = run else { return Ok(()) };
    let start = first.start();
    let end = run.last().map_or(start, Wanted::end);
    let shown = || volume.show(&first.file.name);
    buffer.resize((end - start) as usize, 0);
    let read = first.file.file.read_at(buffer, start);
    let filled = read.map_err(|e| ReadError::Device(Failure::new("read", &shown(), e)))?;
    let filled = buffer.get(..filled).unwrap_or_default();
    for wanted in run {
        let from = (wanted.start() - start) as usize;
        let mut cursor = Cursor(filled.get(from..).unwrap_or_default());
        let checksum = cursor.u32();
        let body = cursor.take(wanted.place.length as usize);
        match body {
            Some(body) if checksum == Some(body_checksum(wanted.sequence, body)) => {
                take(wanted.sequence, body);
            }
            _ => {
                let what = "the checksum of a body";
                // Entries have no number.
                let sequence = Some(wanted.sequence).filter(|number| *number > 0);
                let offset = wanted.start();
                return Err(ReadError::Damaged { file: shown(), offset, what, sequence });
            }
        }
    }
    Ok(())
}
