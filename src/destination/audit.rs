//! A memory of recent message ids: what a bridge brings a second time is recognised.

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

/// What one destination remembers of the messages that came to it over bridges.
///
/// A message is known by its producer, its number there, and the *visit*: how often this broker
/// stands on the path that it has come. A bridge that had no answer sends a message again from
/// where it stood, so with the same visit; so does every other way that a second copy can come. A
/// message that this broker has sent on and that returns has the broker once more on its path: a
/// new visit, whoever else is on the path, because every bridge adds the broker that it leaves. So
/// a copy is recognised, a return never mistaken for one, and nothing ever has to be forgotten on
/// purpose.
#[derive(Debug)]
pub struct Audit {
    settings: AuditSettings,
    /// The broker that it works for.
    own: BrokerId,
    memory: Arc<AuditMemory>,
    /// By producer and visit; made when the first message comes.
    windows: Option<LruCache<Box<[u8]>, SequenceWindow>>,
    /// Of all windows and keys.
    bytes: usize,
    forgotten: u64,
    /// Reused between messages.
    key: Vec<u8>,
    /// What a store must learn to bring the audit back, once somebody wants to know.
    records: Option<Vec<AuditRecord>>,
}

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
            windows: None,
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
        let windows = self.windows.get_or_insert_with(LruCache::unbounded);
        let fresh = windows.peek(key).map_or(PRODUCER_BYTES + key.len(), |_| 0);
        let before = windows.peek(key).map_or(0, SequenceWindow::bytes);
        let window = windows.get_or_insert_mut(key.into(), SequenceWindow::default);
        window.restore(i64::from_be_bytes(*first), record.word);
        let grown = (fresh + window.bytes()).wrapping_sub(before);
        self.grow(grown);
    }

    /// Whether `message`, which came over a bridge, was here before; it is remembered. `None`:
    /// nobody wants to know.
    pub fn seen(&mut self, message: &Message) -> Option<Seen> {
        if !self.settings.enabled {
            return None;
        }
        let Some(origin) = message.origin() else { return Some(Seen::Unknown) };
        let visit = message.broker_path_visits(&self.own) as u64;
        self.key.clear();
        self.key.extend(visit.to_le_bytes());
        self.key.extend(origin.session.to_le_bytes());
        self.key.extend(origin.producer.to_le_bytes());
        self.key.extend_from_slice(origin.connection);

        let words = self.settings.depth.div_ceil(64).max(1);
        let windows = self.windows.get_or_insert_with(LruCache::unbounded);
        let key = self.key.as_slice();
        let (seen, grown) = match windows.get_mut(key) {
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
        if grown != 0 {
            self.grow(grown);
        }
        Some(seen)
    }

    /// How many producers were forgotten since this was last asked, because there were too many.
    pub fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    /// Accounts for `grown` bytes (which may be negative, wrapped) and keeps the bounds.
    fn grow(&mut self, grown: usize) {
        self.bytes = self.bytes.wrapping_add(grown);
        self.memory.used.fetch_add(grown, Ordering::Relaxed);
        let Some(windows) = &mut self.windows else { return };
        while windows.len() > 1
            && (windows.len() > self.settings.producers || self.memory.is_used_up())
        {
            let Some((key, window)) = windows.pop_lru() else { return };
            let bytes = PRODUCER_BYTES + key.len() + window.bytes();
            self.bytes = self.bytes.wrapping_sub(bytes);
            self.memory.used.fetch_sub(bytes, Ordering::Relaxed);
            self.forgotten += 1;
            if let Some(records) = &mut self.records {
                let starts = window.span().step_by(WORD as usize);
                records.extend(starts.map(|start| AuditRecord::of(&key, start, 0)));
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
impl Audit {
    /// Whether a message was here, without a change.
    fn peek(&self, message: &Message) -> bool {
        let origin = message.origin().unwrap();
        let visit = message.broker_path_visits(&self.own) as u64;
        let (session, producer) = (origin.session.to_le_bytes(), origin.producer.to_le_bytes());
        let key = [&visit.to_le_bytes()[..], &session, &producer, origin.connection].concat();
        let window = self.windows.as_ref().and_then(|windows| windows.peek(&key[..]));
        window.is_some_and(|window| {
            let at = origin.sequence.div_euclid(WORD) - window.first.div_euclid(WORD);
            let word = usize::try_from(at).ok().and_then(|at| window.bits.get(at));
            word.is_some_and(|word| word & (1 << origin.sequence.rem_euclid(WORD)) != 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ferrymq_openwire::ids::{ConnectionId, MessageId, ProducerId, SessionId};
    use ferrymq_openwire::message::MessageFields;

    use super::*;

    fn own() -> BrokerId {
        BrokerId::new("own")
    }

    fn via(producer: i64, number: i64, path: &[&str]) -> Message {
        let session = SessionId::new(&ConnectionId::new("c"), 1);
        let fields = MessageFields {
            message_id: Some(MessageId::new(ProducerId::new(&session, producer), number)),
            broker_path: Some(path.iter().map(|broker| Some(BrokerId::new(*broker))).collect()),
            ..MessageFields::default()
        };
        Message::from_fields(&fields).unwrap()
    }

    fn audit(depth: usize, producers: usize) -> Audit {
        let settings = AuditSettings { enabled: true, depth, producers };
        Audit::new(settings, own(), AuditMemory::new(usize::MAX))
    }

    fn ask(audit: &mut Audit, producer: i64, number: i64, path: &[&str]) -> Seen {
        audit.seen(&via(producer, number, path)).unwrap()
    }

    #[test]
    fn a_second_copy_is_known_by_whatever_way_it_comes() {
        let mut audit = audit(128, 8);
        assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Never);
        assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Before);
        assert_eq!(ask(&mut audit, 1, 5, &["a", "c"]), Seen::Before);
        assert_eq!(ask(&mut audit, 1, 6, &["a"]), Seen::Never);
        assert_eq!(ask(&mut audit, 2, 5, &["a"]), Seen::Never, "another producer's");
    }

    #[test]
    fn what_was_sent_on_and_returns_is_no_copy_but_may_have_one() {
        let mut audit = audit(128, 8);
        assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Never);
        assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "b"]), Seen::Never);
        assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "b"]), Seen::Before);
        assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "c"]), Seen::Before);
        assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Before);
        assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "b", "own", "b"]), Seen::Never);
    }

    #[test]
    fn too_many_producers_are_forgotten_and_counted() {
        let mut audit = audit(64, 2);
        for producer in 1..=3 {
            assert_eq!(ask(&mut audit, producer, 1, &["a"]), Seen::Never);
        }
        assert_eq!(audit.take_forgotten(), 1);
        assert_eq!(ask(&mut audit, 3, 1, &["a"]), Seen::Before);
        assert_eq!(ask(&mut audit, 1, 1, &["a"]), Seen::Never, "the oldest was forgotten");
    }

    #[test]
    fn all_audits_share_one_bound_and_give_it_back() {
        let memory = AuditMemory::new(1_000);
        let settings = AuditSettings { enabled: true, depth: 64, producers: 1_000 };
        let mut audits: Vec<Audit> =
            (0..3).map(|_| Audit::new(settings, own(), Arc::clone(&memory))).collect();
        for number in 0..300 {
            for audit in &mut audits {
                assert_eq!(ask(audit, number, 1, &["a"]), Seen::Never);
                assert_eq!(ask(audit, number, 1, &["a"]), Seen::Before, "the last is remembered");
            }
        }
        assert!(memory.used.load(Ordering::Relaxed) < 2_000);
        drop(audits);
        assert_eq!(memory.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        let mut audit = audit(64, 2);
        let nameless = Message::from_fields(&MessageFields::default()).unwrap();
        assert_eq!(audit.seen(&nameless), Some(Seen::Unknown));
        assert_eq!(ask(&mut audit, 1, 1_000_000, &["a"]), Seen::Never);
        assert_eq!(ask(&mut audit, 1, 1, &["a"]), Seen::Unknown);
        let settings = AuditSettings { enabled: false, ..AuditSettings::default() };
        let mut off = Audit::new(settings, own(), AuditMemory::new(0));
        assert_eq!(off.seen(&via(1, 1, &["a"])), None);
    }

    /// Against a set of all numbers: within the window it agrees, and what it calls unknown is
    /// below it.
    #[test]
    fn a_window_agrees_with_a_set() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let most = random.usize(1..6);
            let (mut window, mut set) = (SequenceWindow::default(), BTreeSet::new());
            let mut highest = random.i64(-500..500);
            for _ in 0..400 {
                let number = match random.u8(..20) {
                    0 => highest + random.i64(0..2_000),
                    1 => highest - random.i64(0..1_000),
                    _ => highest + random.i64(-90..10),
                };
                highest = highest.max(number);
                let bottom = highest.div_euclid(WORD) * WORD - (most as i64 - 1) * WORD;
                match window.mark(number, most) {
                    Seen::Never => assert!(set.insert(number), "seed {seed}: {number} was there"),
                    Seen::Before => assert!(set.contains(&number), "seed {seed}: {number} is new"),
                    Seen::Unknown => assert!(number < bottom, "seed {seed}: {number} is within"),
                }
                assert!(window.bits.len() <= most, "seed {seed}");
            }
        }
        let mut window = SequenceWindow::default();
        for number in [i64::MIN, i64::MAX, 0, i64::MIN, i64::MAX] {
            let _ = window.mark(number, 3);
        }
    }

    #[test]
    fn what_it_records_brings_it_back() {
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut one, mut kept) = (audit(256, 3), std::collections::BTreeMap::new());
            one.record();
            let mut at = 0;
            for _ in 0..2_000 {
                at += rng.i64(0..3);
                let number = at - rng.i64(0..100);
                one.seen(&via(rng.i64(0..5), number, &["a"]));
                for AuditRecord { key, word } in one.take_records() {
                    if word == 0 {
                        kept.remove(&key)
                    } else {
                        kept.insert(key, word)
                    };
                }
            }
            let mut other = audit(256, 3);
            for (key, word) in kept {
                other.restore(&AuditRecord { key, word });
            }
            // Of what both can tell, they tell the same.
            for producer in 0..5 {
                for number in at - 150..=at + 5 {
                    let message = via(producer, number, &["a"]);
                    let told = [one.peek(&message), other.peek(&message)];
                    assert_eq!(told[0], told[1], "seed {seed}, {producer}: {number}");
                }
            }
        }
    }
}
