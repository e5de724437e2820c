//! Where the messages of one queue are.

use std::collections::VecDeque;

use super::place::Place;

/// The most messages of a chunk.
const CHUNK: usize = 512;

/// The places of a queue's messages by number, in 16 bytes each.
///
/// Chunks of sorted slots. Messages come mostly at the end and go mostly from the front: both ends
/// are cheap, and in between a message costs two binary searches. A slot whose message is gone
/// stays until its chunk has gone or is mostly empty.
#[derive(Debug, Default)]
pub(in crate::journal) struct QueuePlaces {
    /// None without messages; sorted, and their ranges do not overlap.
    chunks: VecDeque<Chunk>,
    messages: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Chunk {
    /// The number that slots count from.
    first: u64,
    slots: Vec<Slot>,
    /// Slots whose messages are there.
    live: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The message's number, less the chunk's.
    number: u32,
    /// 0 when the message is gone.
    segment: u32,
    offset: u32,
    length: u32,
}

impl Slot {
    fn place(&self) -> Option<Place> {
        let Self { segment, offset, length, .. } = *self;
        (segment > 0).then_some(Place { segment, offset, length })
    }
}

impl QueuePlaces {
    pub(in crate::journal) fn messages(&self) -> u64 {
        self.messages
    }

    pub(in crate::journal) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(in crate::journal) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub(in crate::journal) fn first(&self) -> Option<u64> {
        self.iterate_from(0).next().map(|(sequence, _)| sequence)
    }

    pub(in crate::journal) fn last(&self) -> Option<u64> {
        let chunk = self.chunks.back()?;
        let slot = chunk.slots.iter().rev().find(|slot| slot.segment > 0)?;
        Some(chunk.first + u64::from(slot.number))
    }

    pub(in crate::journal) fn get(&self, sequence: u64) -> Option<Place> {
        let chunk = self.chunks.get(self.chunk_of(sequence)?)?;
        chunk.slots.get(chunk.find(sequence).ok()?)?.place()
    }

    /// The messages from number `from` on, in order.
    pub(in crate::journal) fn iterate_from(
        &self,
        from: u64,
    ) -> impl Iterator<Item = (u64, Place)> + '_ {
        let start = self.chunk_of(from).unwrap_or(0);
        self.chunks.range(start..).enumerate().flat_map(move |(nth, chunk)| {
            let skipped = if nth == 0 { chunk.find(from).unwrap_or_else(|at| at) } else { 0 };
            let slots = chunk.slots.iter().skip(skipped);
            slots.filter_map(|slot| {
                slot.place().map(|place| (chunk.first + u64::from(slot.number), place))
            })
        })
    }

    /// Adds a message; returns the place of the one that it replaces.
    pub(in crate::journal) fn insert(&mut self, sequence: u64, place: Place) -> Option<Place> {
        let replaced = self.insert_place(sequence, place);
        self.bytes += u64::from(place.length);
        match replaced {
            Some(former) => self.bytes -= u64::from(former.length),
            None => self.messages += 1,
        }
        replaced
    }

    fn insert_place(&mut self, sequence: u64, place: Place) -> Option<Place> {
        let Some(at) = self.chunk_of(sequence) else {
            self.chunks.push_front(Chunk::of(sequence, place));
            return None;
        };
        let is_last = at + 1 == self.chunks.len();
        let chunk = self.chunks.get_mut(at)?;
        let found = chunk.find(sequence);
        if let Ok(found) = found {
            let slot = chunk.slots.get_mut(found)?;
            let former = slot.place();
            let number = slot.number;
            let Place { segment, offset, length } = place;
            *slot = Slot { number, segment, offset, length };
            chunk.live += usize::from(former.is_none());
            return former;
        }
        let position = found.unwrap_or_else(|position| position);
        let at_end = position == chunk.slots.len();
        let Ok(number) = u32::try_from(sequence - chunk.first) else {
            self.chunks.insert(at + 1, Chunk::of(sequence, place));
            return None;
        };
        if chunk.slots.len() >= CHUNK {
            if at_end && is_last {
                self.chunks.push_back(Chunk::of(sequence, place));
                return None;
            }
            let tail = chunk.split();
            self.chunks.insert(at + 1, tail);
            self.chunks.retain(|chunk| chunk.live > 0);
            return self.insert_place(sequence, place);
        }
        let Place { segment, offset, length } = place;
        chunk.slots.insert(position, Slot { number, segment, offset, length });
        chunk.live += 1;
        None
    }

    /// Removes a message; returns where it was.
    pub(in crate::journal) fn remove(&mut self, sequence: u64) -> Option<Place> {
        let at = self.chunk_of(sequence)?;
        let chunk = self.chunks.get_mut(at)?;
        let found = chunk.find(sequence).ok()?;
        let slot = chunk.slots.get_mut(found)?;
        let place = slot.place()?;
        slot.segment = 0;
        chunk.live -= 1;
        if chunk.live == 0 {
            self.chunks.remove(at);
        } else if chunk.slots.len() > 64 && chunk.live < chunk.slots.len() / 4 {
            chunk.slots.retain(|slot| slot.segment > 0);
            chunk.slots.shrink_to_fit();
        }
        self.messages -= 1;
        self.bytes -= u64::from(place.length);
        Some(place)
    }

    /// The chunk in whose range a number is; `None` when it is before all.
    fn chunk_of(&self, sequence: u64) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk.first <= sequence).checked_sub(1)
    }
}

impl Chunk {
    fn of(sequence: u64, Place { segment, offset, length }: Place) -> Self {
        Self { first: sequence, slots: vec![Slot { number: 0, segment, offset, length }], live: 1 }
    }

    /// Where a number is, or where it would be.
    fn find(&self, sequence: u64) -> Result<usize, usize> {
        let wanted = sequence.saturating_sub(self.first);
        let at = self.slots.partition_point(|slot| u64::from(slot.number) < wanted);
        match self.slots.get(at) {
            Some(slot) if u64::from(slot.number) == wanted && sequence >= self.first => Ok(at),
            _ => Err(at),
        }
    }

    /// Cuts the second half off.
    fn split(&mut self) -> Self {
        let mut slots = self.slots.split_off(self.slots.len() / 2);
        let moved = slots.first().map_or(0, |slot| slot.number);
        slots.iter_mut().for_each(|slot| slot.number -= moved);
        let live = slots.iter().filter(|slot| slot.segment > 0).count();
        self.live -= live;
        Self { first: self.first + u64::from(moved), slots, live }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn place(offset: u32) -> Place {
        Place { segment: 1, offset, length: offset % 7 }
    }

    /// Whatever is done to it, it holds what a plain map would.
    #[test]
    fn it_is_a_sorted_map() {
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut places = QueuePlaces::default();
            let mut expected = BTreeMap::new();
            let (mut next, span) = (1_u64, random.choice([3, 500, 4000, 1 << 34]).unwrap());
            for step in 0..6000 {
                match random.u8(0..10) {
                    0..4 => next += random.u64(1..=1 + span / 100),
                    4 => next = random.u64(0..1 + span * 2),
                    _ => {
                        let gone = expected.range(random.u64(0..=next)..).next();
                        let gone = gone.map_or(next, |(sequence, _)| *sequence);
                        assert_eq!(places.remove(gone), expected.remove(&gone));
                        continue;
                    }
                }
                assert_eq!(places.insert(next, place(step)), expected.insert(next, place(step)));
                assert_eq!(places.get(next), Some(place(step)));
            }
            assert_eq!(places.messages(), expected.len() as u64);
            let bytes: u64 = expected.values().map(|place| u64::from(place.length)).sum();
            assert_eq!(places.bytes(), bytes);
            assert_eq!(places.first(), expected.first_key_value().map(|(first, _)| *first));
            assert_eq!(places.last(), expected.last_key_value().map(|(last, _)| *last));
            for from in [0, 1, next, next / 2, random.u64(0..=next)] {
                let found: Vec<_> = places.iterate_from(from).collect();
                let wanted: Vec<_> = expected.range(from..).map(|(s, p)| (*s, *p)).collect();
                assert_eq!(found, wanted, "seed {seed} from {from}");
            }
        }
    }

    #[test]
    fn a_message_takes_16_bytes() {
        assert_eq!(size_of::<Slot>(), 16);
    }
}
