//! Which numbers of one producer have come.

use std::collections::VecDeque;
use std::ops::Range;

/// What an audit knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was not here; now it is remembered.
    Never,
    /// It was here already: another copy of it, and that one lives.
    Before,
    /// Its number is too old to tell, or it has none; or another copy was here, came by another way
    /// and has gone on.
    Unknown,
}

/// A change of what an audit remembers, for a store: a word of 64 numbers of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Which word: the producer and visit, and the word's first number, as bytes.
    pub key: Box<[u8]>,
    /// A bit for each number that has come; 0: the word is forgotten.
    pub word: u64,
}

/// Which numbers of one producer have come: a bit for each, back from the highest.
#[derive(Debug, Default)]
pub(super) struct SequenceWindow {
    /// The number of the first bit, a multiple of 64.
    first: i64,
    pub(super) bits: VecDeque<u64>,
    /// Of numbers below, nothing is known.
    floor: Option<i64>,
    /// Whether a store was told of some of it, and must be told of what is forgotten.
    pub(super) kept: bool,
}

/// How many numbers a word has bits for.
pub(super) const WORD: i64 = 64;
/// How far apart the words of one producer may be that a store gives back; it is told of each that
/// is forgotten, so that they are never further apart than the depth.
const MOST_RESTORED: usize = 1 << 20;

impl AuditRecord {
    pub(super) fn of(producer: &[u8], first: i64, word: u64) -> Self {
        Self { key: [producer, &first.to_be_bytes()].concat().into(), word }
    }
}

impl SequenceWindow {
    pub(super) fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }

    /// The numbers that it has bits for.
    pub(super) fn span(&self) -> Range<i64> {
        self.first..self.first.saturating_add((self.bits.len() as i64).saturating_mul(WORD))
    }

    /// Says what marking a number has changed since it had bits for the numbers of `before`. `keep`:
    /// the number is worth keeping.
    pub(super) fn record(
        &mut self,
        key: &[u8],
        number: i64,
        before: Range<i64>,
        keep: bool,
        records: &mut Vec<AuditRecord>,
    ) {
        self.kept |= keep;
        if !self.kept {
            return;
        }
        let gone = before.start..before.end.min(self.first);
        let gone = gone.step_by(WORD as usize);
        records.extend(gone.map(|start| AuditRecord::of(key, start, 0)));
        if !keep {
            return;
        }
        let start = number.div_euclid(WORD).saturating_mul(WORD);
        let at = start.checked_sub(self.first).and_then(|from| usize::try_from(from / WORD).ok());
        if let Some(word) = at.and_then(|at| self.bits.get(at)) {
            records.push(AuditRecord::of(key, start, *word));
        }
    }

    /// What a store must be told when all of it is forgotten.
    pub(super) fn forgotten(&self, key: &[u8]) -> impl Iterator<Item = AuditRecord> {
        let kept = if self.kept { self.span() } else { 0..0 };
        kept.step_by(WORD as usize).map(move |start| AuditRecord::of(key, start, 0))
    }

    /// Sets the bits of a word.
    pub(super) fn restore(&mut self, start: i64, word: u64) {
        self.kept = true;
        let bits = self.reach(start, MOST_RESTORED).and_then(|at| self.bits.get_mut(at));
        if let Some(bits) = bits {
            *bits |= word;
        }
    }

    /// Where the bit of a number is, if it has one.
    fn place(&self, number: i64) -> Option<(usize, u64)> {
        let from = number.checked_sub(self.first).filter(|from| *from >= 0)?;
        let at = usize::try_from(from / WORD).ok().filter(|at| *at < self.bits.len())?;
        Some((at, 1 << number.rem_euclid(WORD)))
    }

    pub(super) fn has(&self, number: i64) -> bool {
        let place = self.place(number);
        place.is_some_and(|(at, mask)| self.bits.get(at).is_some_and(|word| word & mask != 0))
    }

    pub(super) fn clear(&mut self, number: i64) {
        if let Some((at, mask)) = self.place(number)
            && let Some(word) = self.bits.get_mut(at)
        {
            *word &= !mask;
        }
    }

    /// Sets the bit of a number, and says what it was; `most` words are kept.
    pub(super) fn mark(&mut self, number: i64, most: usize) -> Seen {
        let start = number.div_euclid(WORD).saturating_mul(WORD);
        if self.floor.is_some_and(|floor| number < floor) {
            return Seen::Unknown;
        }
        let Some(at) = self.reach(start, most) else { return Seen::Unknown };
        let mask = 1_u64 << number.rem_euclid(WORD);
        let Some(word) = self.bits.get_mut(at) else { return Seen::Unknown };
        let seen = if *word & mask == 0 { Seen::Never } else { Seen::Before };
        *word |= mask;
        seen
    }

    /// The place of the word that starts at a number, made if it is not there and may be.
    fn reach(&mut self, start: i64, most: usize) -> Option<usize> {
        let distance = |from: i64, to: i64| usize::try_from(to.checked_sub(from)? / WORD).ok();
        if self.bits.is_empty() {
            self.first = start;
            self.bits.push_back(0);
            return Some(0);
        }
        if start < self.first {
            // Nothing below was ever let go, so that it is new as far as there is room.
            let further = distance(start, self.first)?;
            if further.checked_add(self.bits.len()).is_none_or(|words| words > most) {
                return None;
            }
            for _ in 0..further {
                self.bits.push_front(0);
            }
            self.first = start;
            return Some(0);
        }
        let at = match distance(self.first, start) {
            Some(at) if at < most => at,
            // It slides.
            Some(at) if at - (most - 1) < self.bits.len() => {
                let gone = at - (most - 1);
                self.bits.drain(..gone);
                self.first = self.first.saturating_add(gone as i64 * WORD);
                self.floor = Some(self.first);
                most - 1
            }
            // It jumps over all that it was.
            _ => {
                self.bits.clear();
                self.bits.push_back(0);
                self.first = start;
                self.floor = Some(start.saturating_sub((most as i64 - 1).saturating_mul(WORD)));
                return Some(0);
            }
        };
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        Some(at)
    }
}
