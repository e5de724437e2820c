//! A memory of recent message ids: what a bridge, or a client that failed over, brings a second time
//! is recognised.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use lru::LruCache;

/// What an audit remembers at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSettings {
    /// Whether anything is (ActiveMQ's `enableAudit`).
    pub enabled: bool,
    /// How many of a producer's numbers, back from its highest (`maxQueueAuditDepth`,
    /// `maxAuditDepth`); rounded up to a multiple of 64.
    pub depth: usize,
    /// How many producers, each counted once for every visit of its messages to this broker
    /// (`maxProducersToAudit`).
    pub producers: usize,
}

impl Default for AuditSettings {
    /// ActiveMQ's depth, for more producers than its 64: clients often make one for each message,
    /// and windows take only the room that they need.
    fn default() -> Self {
        Self { enabled: true, depth: 10_000, producers: 1024 }
    }
}

/// Who brought a message, and may bring it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bringer {
    /// A bridge.
    Bridge,
    /// The client that wrote it, which sends it again over a new link if it was not answered.
    Producer,
}

/// What an audit knows of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was not here; now it is remembered.
    Never,
    /// It was here already: another copy of it.
    Before,
    /// Its number is too old to tell, or it has none.
    Unknown,
}

/// How many bytes all audits of a broker may take together.
#[derive(Debug)]
pub struct AuditMemory {
    used: AtomicUsize,
    limit: usize,
}

impl AuditMemory {
    /// Room for the audits of one broker. Once it is used up, each audit that wants more forgets
    /// producers of its own, down to one.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    fn is_used_up(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit
    }
}

/// What one destination remembers of the messages that came to it over bridges, and of those whose
/// senders may send them again.
///
/// A message is known by its producer, its number there, and the *visit*: how often this broker
/// stands on the path that it has come. A bridge that had no answer sends a message again from
/// where it stood, so with the same visit; so does every other way that a second copy can come. A
/// message that this broker has sent on and that returns has the broker once more on its path: a
/// new visit, whoever else is on the path, because every bridge adds the broker that it leaves. So
/// a copy is recognised, a return never mistaken for one, and nothing ever has to be forgotten on
/// purpose.
///
/// A client's own producers stand apart, so that those of many short-lived clients do not push out
/// what bridges brought. But what either brings is looked for among what both brought: a client that
/// found no answer at one broker sends to the next, and the first one's copy follows by a bridge.
#[derive(Debug)]
pub struct Audit {
    settings: AuditSettings,
    /// The broker that it works for.
    own: BrokerId,
    memory: Arc<AuditMemory>,
    /// Of what bridges brought, by producer and visit; made when the first message comes.
    bridged: Option<Windows>,
    /// Of what clients sent here, by producer.
    produced: Option<Windows>,
    /// Of all windows and keys.
    bytes: usize,
    forgotten: u64,
    /// Reused between messages.
    key: Vec<u8>,
    /// What a store must learn to bring the audit back, once somebody wants to know.
    records: Option<Vec<AuditRecord>>,
}

type Windows = LruCache<Box<[u8]>, SequenceWindow>;

/// In a key in place of the visit: the client sent it here itself.
const PRODUCED: u64 = u64::MAX;

/// A change of what an audit remembers, for a store: a word of 64 numbers of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Which word: the producer and visit, and the word's first number, as bytes.
    pub key: Box<[u8]>,
    /// A bit for each number that has come; 0: the word is forgotten.
    pub word: u64,
}

/// What a producer takes beside its key and its window: the places in the list and in the table.
const PRODUCER_BYTES: usize = 128;

impl Audit {
    /// An audit that has seen nothing.
    pub fn new(settings: AuditSettings, own: BrokerId, memory: Arc<AuditMemory>) -> Self {
        Self {
            settings,
            own,
            memory,
            bridged: None,
            produced: None,
            bytes: 0,
            forgotten: 0,
            key: Vec::new(),
            records: None,
        }
    }

    /// From now on says what changes, in [`take_records`](Self::take_records).
    pub fn record(&mut self) {
        self.records.get_or_insert_default();
    }

    /// What has changed since this was last asked.
    pub fn take_records(&mut self) -> impl Iterator<Item = AuditRecord> + '_ {
        self.records.iter_mut().flat_map(|records| records.drain(..))
    }

    /// Remembers again what a record says.
    pub fn restore(&mut self, record: &AuditRecord) {
        let Some((key, first)) = record.key.split_last_chunk() else { return };
        let produced = key.starts_with(&PRODUCED.to_le_bytes());
        let windows = if produced { &mut self.produced } else { &mut self.bridged };
        let windows = windows.get_or_insert_with(LruCache::unbounded);
        let fresh = windows.peek(key).map_or(PRODUCER_BYTES + key.len(), |_| 0);
        let before = windows.peek(key).map_or(0, SequenceWindow::bytes);
        let window = windows.get_or_insert_mut(key.into(), SequenceWindow::default);
        window.restore(i64::from_be_bytes(*first), record.word);
        let grown = (fresh + window.bytes()).wrapping_sub(before);
        self.grow(grown);
    }

    /// Whether `message` was here before; it is remembered. `None`: nobody wants to know.
    pub fn seen(&mut self, message: &Message, by: Bringer) -> Option<Seen> {
        if !self.settings.enabled {
            return None;
        }
        let Some(origin) = message.origin() else { return Some(Seen::Unknown) };
        let (windows, others, visit, other_visit) = match by {
            Bringer::Bridge => {
                let visit = message.broker_path_visits(&self.own) as u64;
                // What a client sent here was here for the first time.
                let other = (visit == 0).then_some(PRODUCED);
                (&mut self.bridged, &self.produced, visit, other)
            }
            Bringer::Producer => (&mut self.produced, &self.bridged, PRODUCED, Some(0)),
        };
        self.key.clear();
        self.key.extend(visit.to_le_bytes());
        self.key.extend(origin.session.to_le_bytes());
        self.key.extend(origin.producer.to_le_bytes());
        self.key.extend_from_slice(origin.connection);

        let words = self.settings.depth.div_ceil(64).max(1);
        let windows = windows.get_or_insert_with(LruCache::unbounded);
        let key = self.key.as_slice();
        let (mut seen, grown) = match windows.get_mut(key) {
            Some(window) => {
                let (before, span) = (window.bytes(), window.span());
                let seen = window.mark(origin.sequence, words);
                if let Some(records) = &mut self.records {
                    window.record(key, origin.sequence, span, records);
                }
                (seen, window.bytes().wrapping_sub(before))
            }
            None => {
                let mut window = SequenceWindow::default();
                let seen = window.mark(origin.sequence, words);
                if let Some(records) = &mut self.records {
                    window.record(key, origin.sequence, 0..0, records);
                }
                let bytes = PRODUCER_BYTES + key.len() + window.bytes();
                windows.push(key.into(), window);
                (seen, bytes)
            }
        };
        if seen != Seen::Before
            && let (Some(others), Some(visit)) = (others, other_visit)
            && let Some(place) = self.key.first_chunk_mut()
        {
            *place = visit.to_le_bytes();
            let window = others.peek(self.key.as_slice());
            if window.is_some_and(|window| window.has(origin.sequence)) {
                seen = Seen::Before;
            }
        }
        if grown != 0 {
            self.grow(grown);
        }
        Some(seen)
    }

    /// Forgets everything, as its records say.
    pub fn forget_all(&mut self) {
        let all = [self.bridged.take(), self.produced.take()];
        for (key, window) in all.into_iter().flatten().flatten() {
            if let Some(records) = &mut self.records {
                records.extend(window.words().map(|start| AuditRecord::of(&key, start, 0)));
            }
        }
        self.memory.used.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }

    /// How many producers were forgotten since this was last asked, because there were too many.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Accounts for `grown` bytes (which may be negative, wrapped) and keeps the bounds.
    fn grow(&mut self, grown: usize) {
        self.bytes = self.bytes.wrapping_add(grown);
        self.memory.used.fetch_add(grown, Ordering::Relaxed);
        // Who came directly is forgotten first: a client's link is soon there again, or never.
        for windows in [&mut self.produced, &mut self.bridged] {
            let Some(windows) = windows else { continue };
            while windows.len() > 1
                && (windows.len() > self.settings.producers || self.memory.is_used_up())
            {
                let Some((key, window)) = windows.pop_lru() else { break };
                let bytes = PRODUCER_BYTES + key.len() + window.bytes();
                self.bytes = self.bytes.wrapping_sub(bytes);
                self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
                self.forgotten += 1;
                if let Some(records) = &mut self.records {
                    records.extend(window.words().map(|start| AuditRecord::of(&key, start, 0)));
                }
            }
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Which numbers of one producer have come: a bit for each, back from the highest.
#[derive(Debug, Default)]
struct SequenceWindow {
    /// The number of the first bit, a multiple of 64.
    first: i64,
    bits: VecDeque<u64>,
    /// Of numbers below, nothing is known.
    floor: Option<i64>,
}

const WORD: i64 = 64;
/// How far apart the words of one producer may be that a store gives back; it is told of each that
/// is forgotten, so that they are never further apart than the depth.
const MOST_RESTORED: usize = 1 << 20;

impl AuditRecord {
    fn of(producer: &[u8], first: i64, word: u64) -> Self {
        Self { key: [producer, &first.to_be_bytes()].concat().into(), word }
    }
}

impl SequenceWindow {
    fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }

    /// The numbers that it has bits for.
    fn span(&self) -> Range<i64> {
        self.first..self.first.saturating_add((self.bits.len() as i64).saturating_mul(WORD))
    }

    /// Where those of its words begin in which a number has come.
    fn words(&self) -> impl Iterator<Item = i64> + '_ {
        let words = self.span().step_by(WORD as usize).zip(&self.bits);
        words.filter(|(_, word)| **word != 0).map(|(start, _)| start)
    }

    /// Says what marking a number has changed since it had bits for the numbers of `before`.
    fn record(&self, key: &[u8], number: i64, before: Range<i64>, records: &mut Vec<AuditRecord>) {
        let gone = before.start..before.end.min(self.first);
        let gone = gone.step_by(WORD as usize);
        records.extend(gone.map(|start| AuditRecord::of(key, start, 0)));
        let start = number.div_euclid(WORD).saturating_mul(WORD);
        let at = start.checked_sub(self.first).and_then(|from| usize::try_from(from / WORD).ok());
        if let Some(word) = at.and_then(|at| self.bits.get(at)) {
            records.push(AuditRecord::of(key, start, *word));
        }
    }

    /// Sets the bits of a word.
    fn restore(&mut self, start: i64, word: u64) {
        let bits = self.reach(start, MOST_RESTORED).and_then(|at| self.bits.get_mut(at));
        if let Some(bits) = bits {
            *bits |= word;
        }
    }

    /// Whether a number has come, as far as it is known.
    fn has(&self, number: i64) -> bool {
        let start = number.div_euclid(WORD).saturating_mul(WORD);
        let at = start.checked_sub(self.first).and_then(|from| usize::try_from(from / WORD).ok());
        let word = at.and_then(|at| self.bits.get(at));
        word.is_some_and(|word| word & (1 << number.rem_euclid(WORD)) != 0)
    }

    /// Sets the bit of a number, and says what it was; `most` words are kept.
    fn mark(&mut self, number: i64, most: usize) -> Seen {
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

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
