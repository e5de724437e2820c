//! What keeps a journal small: segments that are not needed are used again or removed, and what is
//! kept long is moved out of the way of what is not.

use std::sync::Arc;

use super::engine::Engine;
use super::intake::{RESERVE, SPARES, Waiting};
use super::mover::Mover;
use super::segment::SegmentFile;
use super::{cost, mover};
use crate::contract::Failure;

/// Room that is not promised to anybody: for what the journal writes on its own account.
const OWN: u64 = 1024;

/// What a kept body takes beside its bytes, about.
const OVERHEAD: u64 = 64;

/// Keeps a journal small.
#[derive(Default)]
pub(super) struct Upkeep {
    mover: Option<Mover>,
    /// Set when something that is to be moved is damaged: it stays where it is, so that whoever
    /// reads it is told, and so does everything after it.
    stuck: bool,
    /// Segments below this one take their turn to be moved.
    pass_to: u32,
    /// What had been released when that was decided.
    released: u64,
}

impl Upkeep {
    /// Does a little, and says whether there is more to do. `idle` means that nobody waits.
    pub(super) fn run(&mut self, engine: &mut Engine, idle: bool) -> Result<bool, Failure> {
        let mut more = false;
        if self.wants_to_move(engine) {
            more = self.move_some(engine)?;
        }
        if idle && engine.reachable() > engine.head.durable {
            engine.mark()?;
        }
        engine.release();
        engine.publish_room(&[]);
        Ok(more)
    }

    /// Something is worth moving out of the first segment when the files are twice what is kept and
    /// two segments more; or, while somebody waits for room, when as much as two segments has been
    /// forgotten since it was done last. Then all segments take their turn, once.
    fn wants_to_move(&mut self, engine: &Engine) -> bool {
        if self.stuck {
            return false;
        }
        let (used, usable, pressed) = {
            let intake = engine.shared.intake.lock();
            let (room, refusing) = (&intake.room, intake.is_refusing());
            (room.used / u64::from(room.capacity) * room.usable, room.usable, refusing)
        };
        let kept = engine.shared.kept.lock();
        let index = &kept.index;
        let Some(first) = index.first_live().filter(|id| *id < engine.current.segment) else {
            return false;
        };
        if first < self.pass_to {
            return true;
        }
        if pressed && index.released - self.released >= 2 * usable {
            self.released = index.released;
            self.pass_to = engine.current.segment;
            return true;
        }
        used > 2 * (index.live_bytes() + index.live_bodies() * OVERHEAD) + 2 * usable
    }

    /// Moves a part of the first segment's content to the end; says whether it got on.
    pub(super) fn move_some(&mut self, engine: &mut Engine) -> Result<bool, Failure> {
        let first = {
            let kept = engine.shared.kept.lock();
            let first = kept.index.first_live().filter(|id| *id < engine.current.segment);
            first.and_then(|id| kept.segments.get(&id).map(|file| (id, file.clone())))
        };
        let Some((segment, file)) = first else { return Ok(false) };
        let mut mover = match self.mover.take() {
            Some(mover) if mover.segment() == segment => mover,
            _ => match Mover::new(segment, file) {
                Ok(mover) => mover,
                Err(problem) => return Ok(self.give_up(engine, segment, &problem)),
            },
        };
        match mover.step(engine)? {
            mover::Step::Moved => self.mover = Some(mover),
            mover::Step::NoRoom => {
                self.mover = Some(mover);
                return Ok(false);
            }
            mover::Step::Damaged(problem) => {
                return Ok(self.give_up(engine, segment, &problem));
            }
            mover::Step::Done => {
                if engine.shared.kept.lock().index.live(segment).bodies > 0 {
                    let problem = "its summary does not name all that it holds";
                    return Ok(self.give_up(engine, segment, problem));
                }
            }
        }
        Ok(true)
    }

    fn give_up(&mut self, engine: &Engine, segment: u32, problem: &str) -> bool {
        self.stuck = true;
        let name = engine.shared.kept.lock().segments.get(&segment).map(|file| file.name.clone());
        let file = engine.shared.volume.show(&name.unwrap_or_default());
        tracing::error!(%file, problem, "the journal cannot give space back any more");
        false
    }
}

impl Engine {
    /// Lets go of the files that are not needed.
    pub(super) fn release(&mut self) {
        let (mut free, used) = {
            let mut kept = self.shared.kept.lock();
            let needed = kept.segments.split_off(&self.head.durable);
            let free: Vec<SegmentFile> =
                std::mem::replace(&mut kept.segments, needed).into_values().collect();
            (free, kept.segments.values().map(|file| u64::from(file.capacity)).sum())
        };
        let useless = {
            let mut intake = self.shared.intake.lock();
            let room = &mut intake.room;
            room.used = used;
            let mut useless = std::mem::take(&mut room.useless);
            for file in free.drain(..) {
                // Whoever reads it has a clone, and would read what is written next.
                let alone = Arc::strong_count(&file.file) == 1;
                let wanted = room.spares.len() < RESERVE
                    || (room.spares.len() < SPARES && room.used < room.limit);
                if alone && wanted && file.capacity == room.capacity {
                    room.spares.push(file);
                } else {
                    useless.push(file);
                }
            }
            useless
        };
        useless.iter().for_each(|file| self.shared.remove(file));
    }

    /// Tells those who submit how much room there is, now that these are written.
    pub(super) fn publish_room(&self, written: &[Waiting]) {
        let remaining = self.remaining();
        {
            let mut intake = self.shared.intake.lock();
            let room = &mut intake.room;
            written.iter().for_each(|batch| room.keep_promise(batch.cost));
            room.remaining = remaining.saturating_sub(OWN);
            room.usable = cost::usable(room.capacity).saturating_sub(OWN);
            room.calm = self.calm && remaining > room.usable / 2;
            // A device without room is asked again when somebody waits for it.
            let asked = !intake.room.exhausted && intake.wants_file();
            if asked {
                self.shared.making.notify_one();
            }
        }
        self.shared.tell_of_room();
    }
}
