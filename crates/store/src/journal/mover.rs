//! Moves what is kept out of one segment.

use super::cost;
use super::engine::Engine;
use super::format::{BODY_PREFIX, Cursor, HEADER, SegmentHeader, body_checksum};
use super::index::{Change, Index, Place};
use super::intake::Purpose;
use super::scan::{Window, changes};
use super::segment::SegmentFile;
use super::summary;
use crate::contract::{Failure, Holders, QueueId};

/// Bytes that are moved at once, so that nobody waits long; and pieces.
const SLICE: usize = 1024 * 1024;
const PIECES: usize = 8192;

/// Goes through a sealed segment once.
pub(super) struct Mover {
    segment: u32,
    file: SegmentFile,
    summary: Vec<u8>,
    /// Groups that are done.
    groups: usize,
    /// Changes of the next group that are done.
    changes: usize,
}

/// How a step ended.
pub(super) enum Step {
    Moved,
    /// There is no room that is not promised.
    NoRoom,
    /// Nothing is left in the segment.
    Done,
    Damaged(String),
}

/// Something that is kept in the segment.
struct Piece {
    change: Change,
    place: Place,
    sequence: u64,
}

impl Mover {
    pub(super) fn new(segment: u32, file: SegmentFile) -> Result<Self, String> {
        let read = |window: &mut Window<'_>| {
            let header = SegmentHeader::decode(window.get(0, HEADER)?);
            let Ok(header) = header else { return Ok(Err((0, "a segment's header"))) };
            summary::read(window, &header)
        };
        let summary = match read(&mut Window::new(&file)) {
            Ok(Ok((_, summary))) => summary,
            Ok(Err((offset, what))) => return Err(format!("{what} does not fit, at {offset}")),
            Err(error) => return Err(error.to_string()),
        };
        Ok(Self { segment, file, summary, groups: 0, changes: 0 })
    }

    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    /// Writes the next slice of what is kept as a group at the end of the journal.
    pub(super) fn step(&mut self, engine: &mut Engine) -> Result<Step, Failure> {
        let most = SLICE.min(cost::usable(self.file.capacity) as usize / 8);
        engine.group.begin(engine.last_sequence);
        let mut window = Window::new(&self.file);
        let (mut groups, mut skip) = (self.groups, self.changes);
        let mut done = true;
        'groups: for (bodies, records) in summary::groups(&self.summary).skip(groups) {
            let pieces = {
                let kept = engine.shared.kept.lock();
                pieces(&kept.index, self.segment, bodies, records, skip)
            };
            for (nth, piece) in pieces {
                let length = piece.place.length as usize;
                let full =
                    engine.group.bodies() + length > most || engine.group.changes() >= PIECES;
                if engine.group.changes() > 0 && full {
                    skip = nth;
                    done = false;
                    break 'groups;
                }
                let read = window.get(u64::from(piece.place.offset), BODY_PREFIX + length);
                let read = read.map_err(|error| error.to_string());
                if let Err(problem) = read.and_then(|bytes| piece.write(bytes, engine)) {
                    return Ok(Step::Damaged(problem));
                }
            }
            groups += 1;
            skip = 0;
        }
        if engine.group.changes() > 0 {
            let cost = cost::of_batch(&[])
                + (engine.group.bodies() + 2 * engine.group.records().len()) as u64;
            {
                let mut intake = engine.shared.intake.lock();
                if !intake.room.may_move(cost, engine.remaining()) {
                    // It asks for a larger file, where one is needed.
                    intake.has_room(cost, Purpose::Move);
                    return Ok(Step::NoRoom);
                }
            }
            if cost > engine.remaining() {
                engine.next_segment(cost)?;
            }
            engine.write_group()?;
        }
        (self.groups, self.changes) = (groups, skip);
        Ok(if done { Step::Done } else { Step::Moved })
    }
}

/// What of a group is kept where it was written, with the number of its change, from the change
/// numbered `skip` on.
fn pieces(
    index: &Index,
    segment: u32,
    bodies: u32,
    records: &[u8],
    skip: usize,
) -> Vec<(usize, Piece)> {
    let mut pieces = Vec::new();
    let mut nth = 0;
    changes(segment, bodies, records, |change| {
        if nth >= skip {
            pieces.extend(piece(index, change).map(|piece| (nth, piece)));
        }
        nth += 1;
    });
    pieces
}

fn piece(index: &Index, change: Change) -> Option<Piece> {
    match change {
        Change::Append { holders, sequence, place } => {
            let holds = |queue: &&QueueId| index.place_of(**queue, sequence) == Some(place);
            let left: Vec<QueueId> = holders.as_slice().iter().filter(holds).copied().collect();
            let holders = match left.as_slice() {
                [] => return None,
                [queue] => Holders::One(*queue),
                _ => Holders::Several(left.into()),
            };
            let change = Change::Append { holders, sequence, place };
            Some(Piece { change, place, sequence })
        }
        Change::Put { table, key, place } => {
            let kept = index.entry(table, &key) == Some(place);
            let change = Change::Put { table, key, place };
            kept.then_some(Piece { change, place, sequence: 0 })
        }
        Change::Acknowledge { .. } | Change::Clear { .. } | Change::Remove { .. } => None,
    }
}

impl Piece {
    /// Adds it to the engine's group; its checksum goes with it, so that no damage is covered up.
    fn write(self, bytes: &[u8], engine: &mut Engine) -> Result<(), String> {
        let mut cursor = Cursor(bytes);
        let checksum = cursor.u32();
        let body = cursor.take(self.place.length as usize).unwrap_or_default();
        let Some(checksum) = checksum.filter(|sum| *sum == body_checksum(self.sequence, body))
        else {
            return Err(format!("a body is damaged at offset {}", self.place.offset));
        };
        match self.change {
            Change::Append { holders, sequence, .. } => {
                engine.group.append(holders, sequence, body, checksum);
            }
            Change::Put { table, key, .. } => engine.group.put(table, key, body, checksum),
            Change::Acknowledge { .. } | Change::Clear { .. } | Change::Remove { .. } => {}
        }
        Ok(())
    }
}
