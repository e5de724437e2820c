//! A memory of recent message ids: what a bridge, or a client that failed over, brings a second time
//! is recognised.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::{Message, Origin};
use lru::LruCache;

use super::audit_window::{AuditRecord, Seen, SequenceWindow};
use super::effects::Dispatch;

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

    /// How many they take.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
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
/// A copy may only be dropped for another one that lives: one that is here, or was consumed here. One
/// that has *gone on* may meet a copy where it gets to, and be dropped there for the sake of the very
/// one that comes here; if both brokers did so, none would be left. So what comes after it by another
/// way is taken, and dropped where the first one ends. What a FerryMQ sends again by the same way is
/// not: nobody can have dropped the first one for its sake. An ActiveMQ broker may: it drops what comes
/// back to it, by whatever way, while it has what it will send again.
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
    /// By producer and visit; made when the first message comes.
    windows: Option<Windows>,
    /// The same of what clients sent here.
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
        let windows = self.windows_of(Note::is_produced(key));
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
        // Where a client sends it again, it has not been here for the second time.
        let visits = match by {
            Bringer::Bridge => message.broker_path_visits(&self.own),
            Bringer::Producer => 0,
        };
        let (own, other) = match by {
            Bringer::Bridge => (Note::Came(visits), (visits == 0).then_some(Note::Produced)),
            Bringer::Producer => (Note::Produced, Some(Note::Came(0))),
        };
        // Of what no store keeps, nobody need know later that it came.
        let mut seen = self.mark(own, &origin, message.persistent());
        let again = by == Bringer::Producer && seen == Seen::Before;
        if seen != Seen::Before && other.is_some_and(|other| self.has(other, &origin)) {
            seen = Seen::Before;
        }
        let gone = Note::Gone(visits);
        if seen == Seen::Before
            && !again
            && self.has(gone, &origin)
            && !self.has(Note::by_way(message), &origin)
        {
            self.clear(gone, &origin);
            seen = Seen::Unknown;
        }
        Some(seen)
    }

    /// Whether a message that its bridge may bring again would be known, as far as a second copy of
    /// it would be dropped. Nothing is remembered.
    pub fn has_had(&mut self, message: &Message) -> bool {
        let Some(origin) = message.origin().filter(|_| self.settings.enabled) else { return false };
        let visits = message.broker_path_visits(&self.own);
        let came = self.has(Note::Came(visits), &origin);
        let here = came || visits == 0 && self.has(Note::Produced, &origin);
        here && (!self.has(Note::Gone(visits), &origin) || self.has(Note::by_way(message), &origin))
    }

    /// These leave the destination, some of them for other brokers.
    pub fn follow(&mut self, dispatches: &[Dispatch]) {
        let onward = dispatches.iter().filter(|dispatch| dispatch.onward);
        onward.for_each(|dispatch| self.gone(&dispatch.message));
    }

    /// A message that came over a bridge goes on over another one.
    pub(super) fn gone(&mut self, message: &Message) {
        let own = message.broker_path_len() == 0;
        if !self.settings.enabled || own && self.produced.is_none() {
            return;
        }
        let Some(origin) = message.origin() else { return };
        if own && !self.has(Note::Produced, &origin) {
            return;
        }
        self.mark(Note::Gone(message.broker_path_visits(&self.own)), &origin, false);
        if !own && message.carries_hop_times() {
            self.mark(Note::by_way(message), &origin, false);
        }
    }

    /// Sets the bit of a message, and says what it was. `keep`: a store is told.
    fn mark(&mut self, note: Note, origin: &Origin<'_>, keep: bool) -> Seen {
        self.set_key(note, origin);
        let words = self.settings.depth.div_ceil(64).max(1);
        let windows = match note {
            Note::Produced => &mut self.produced,
            _ => &mut self.windows,
        };
        let windows = windows.get_or_insert_with(LruCache::unbounded);
        let records = self.records.as_mut();
        let key = self.key.as_slice();
        let (seen, grown) = match windows.get_mut(key) {
            Some(window) => {
                let (before, span) = (window.bytes(), window.span());
                let seen = window.mark(origin.sequence, words);
                if let Some(records) = records {
                    window.record(key, origin.sequence, span, keep, records);
                }
                (seen, window.bytes().wrapping_sub(before))
            }
            None => {
                let mut window = SequenceWindow::default();
                let seen = window.mark(origin.sequence, words);
                if let Some(records) = records {
                    window.record(key, origin.sequence, 0..0, keep, records);
                }
                let bytes = PRODUCER_BYTES + key.len() + window.bytes();
                windows.push(key.into(), window);
                (seen, bytes)
            }
        };
        if grown != 0 {
            self.grow(grown);
        }
        seen
    }

    /// Whether the bit of a message is set.
    fn has(&mut self, note: Note, origin: &Origin<'_>) -> bool {
        self.set_key(note, origin);
        let windows = match note {
            Note::Produced => self.produced.as_ref(),
            _ => self.windows.as_ref(),
        };
        let window = windows.and_then(|windows| windows.peek(self.key.as_slice()));
        window.is_some_and(|window| window.has(origin.sequence))
    }

    fn clear(&mut self, note: Note, origin: &Origin<'_>) {
        self.set_key(note, origin);
        let windows = self.windows.as_mut();
        if let Some(window) = windows.and_then(|windows| windows.peek_mut(self.key.as_slice())) {
            window.clear(origin.sequence);
        }
    }

    fn set_key(&mut self, note: Note, origin: &Origin<'_>) {
        self.key.clear();
        self.key.extend(note.number().to_le_bytes());
        self.key.extend(origin.session.to_le_bytes());
        self.key.extend(origin.producer.to_le_bytes());
        self.key.extend_from_slice(origin.connection);
    }

    fn windows_of(&mut self, produced: bool) -> &mut Option<Windows> {
        if produced { &mut self.produced } else { &mut self.windows }
    }

    /// Forgets everything, as its records say.
    pub fn forget_all(&mut self) {
        let all = [self.windows.take(), self.produced.take()];
        for (key, window) in all.into_iter().flatten().flatten() {
            if let Some(records) = &mut self.records {
                records.extend(window.forgotten(&key));
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
        for windows in [&mut self.produced, &mut self.windows] {
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
                    records.extend(window.forgotten(&key));
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

/// What is noted of a producer's messages, each in a window of its own.
#[derive(Debug, Clone, Copy)]
enum Note {
    /// They came at this visit.
    Came(usize),
    /// Their client sent them here.
    Produced,
    /// Those of this visit have gone on, as far as the broker remembers since its start: no store keeps
    /// it, and without it what came is taken to be here still.
    Gone(usize),
    /// They came by the way with this hash, and have gone on.
    ByWay(u64),
}

impl Note {
    const PRODUCED: u64 = 1 << 61;
    const GONE: u64 = 1 << 62;
    const BY_WAY: u64 = 1 << 63;

    fn by_way(message: &Message) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(message.way());
        Self::ByWay(hasher.finish())
    }

    /// Begins the key.
    fn number(self) -> u64 {
        match self {
            Self::Came(visit) => visit as u64,
            Self::Produced => Self::PRODUCED,
            Self::Gone(visit) => visit as u64 | Self::GONE,
            Self::ByWay(hash) => hash | Self::BY_WAY,
        }
    }

    /// Whether a key is that of what a client sent.
    fn is_produced(key: &[u8]) -> bool {
        key.starts_with(&Self::PRODUCED.to_le_bytes())
    }
}

#[cfg(test)]
impl Audit {
    /// Whether a message was here, without a change.
    pub(super) fn peek(&mut self, message: &Message) -> bool {
        self.has(Note::Came(message.broker_path_visits(&self.own)), &message.origin().unwrap())
    }
}
