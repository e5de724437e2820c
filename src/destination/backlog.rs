//! Messages that wait for a consumer, by their place.

use std::collections::{BTreeMap, VecDeque};

use super::entry::Entry;

/// Below this, capacity that is not used is not worth giving back.
const SMALL: usize = 1024;

/// The entries of a queue that wait, ordered by sequence.
///
/// Nearly all come at the end and leave at the front. Those that do not (given back by a consumer,
/// or passed over by one that does not admit them) stand aside in a tree, each moved there once.
#[derive(Default)]
pub(super) struct Backlog {
    /// Ascending.
    line: VecDeque<Entry>,
    aside: BTreeMap<i64, Entry>,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.line.len() + self.aside.len()
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        if self.line.back().is_none_or(|last| last.sequence < entry.sequence) {
            self.line.push_back(entry);
        } else {
            self.aside.insert(entry.sequence, entry);
        }
    }

    /// The first entry at or after a place.
    pub(super) fn first_from(&self, sequence: i64) -> Option<&Entry> {
        let in_line = match self.line.front() {
            Some(front) if front.sequence < sequence => self.line.get(self.index(sequence)),
            front => front,
        };
        if self.aside.is_empty() {
            return in_line;
        }
        let aside = self.aside.range(sequence..).next().map(|(_, entry)| entry);
        match (in_line, aside) {
            (Some(one), Some(other)) if other.sequence < one.sequence => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// The entry at a place.
    pub(super) fn get(&self, sequence: i64) -> Option<&Entry> {
        self.first_from(sequence).filter(|entry| entry.sequence == sequence)
    }

    /// Takes out the entry at a place.
    pub(super) fn remove(&mut self, sequence: i64) -> Option<Entry> {
        if let Some(entry) = self.aside.remove(&sequence) {
            return Some(entry);
        }
        let at = self.index(sequence);
        if self.line.get(at)?.sequence != sequence {
            return None;
        }
        self.aside.extend(self.line.drain(..at).map(|entry| (entry.sequence, entry)));
        let entry = self.line.pop_front();
        if self.line.capacity() > SMALL && self.line.len() < self.line.capacity() / 4 {
            self.line.shrink_to(self.line.capacity() / 2);
        }
        entry
    }

    /// Moves those of the last entries `out` that may go: of those that a store keeps and that take
    /// this many bytes together, so that the first ones stay. They are in their order there.
    pub(super) fn page_out(
        &mut self,
        bytes: u64,
        may_go: impl Fn(&Entry) -> bool,
        out: &mut Vec<Entry>,
    ) {
        let (mut passed, mut cut) = (0, self.line.len());
        for (at, entry) in self.line.iter().enumerate().rev() {
            if passed >= bytes {
                break;
            }
            if entry.is_kept() {
                passed += entry.bytes();
                cut = at;
            }
        }
        if cut < self.line.len() {
            for entry in self.line.split_off(cut) {
                if may_go(&entry) {
                    out.push(entry);
                } else {
                    self.line.push_back(entry);
                }
            }
        }
        let mut go = Vec::new();
        for (sequence, entry) in self.aside.iter().rev() {
            if passed >= bytes {
                break;
            }
            if entry.is_kept() {
                passed += entry.bytes();
            }
            if may_go(entry) {
                go.push(*sequence);
            }
        }
        if !go.is_empty() {
            out.extend(go.iter().filter_map(|sequence| self.aside.remove(sequence)));
            out.sort_by_key(|entry| entry.sequence);
        }
    }

    /// How many of the line stand before a place.
    fn index(&self, sequence: i64) -> usize {
        match self.line.front() {
            Some(front) if front.sequence < sequence => {
                self.line.partition_point(|entry| entry.sequence < sequence)
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrymq_openwire::message::{Message, MessageFields};

    use super::super::entry::Held;
    use super::super::memory::MemoryAccount;
    use super::*;

    fn entry(sequence: i64) -> Entry {
        Entry {
            message: Arc::new(Message::from_fields(&MessageFields::default()).unwrap()),
            sequence,
            redeliveries: 0,
            held_by: None,
            expiration: 0,
            persistent: false,
            follows: i64::MIN,
            spooled: None,
            charge: Held::Alone(MemoryAccount::root(u64::MAX).charge(1)),
        }
    }

    /// Against a plain tree, with entries that come back and places that are passed over.
    #[test]
    fn it_is_a_map_by_sequence() {
        for seed in 0..50 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut backlog, mut model) = (Backlog::default(), BTreeMap::new());
            let (mut next, mut gone) = (0, Vec::new());
            for _ in 0..3000 {
                match rng.u8(..5) {
                    0 | 1 => {
                        next += rng.i64(1..3);
                        backlog.insert(entry(next));
                        model.insert(next, ());
                    }
                    2 if !gone.is_empty() => {
                        let back = gone.swap_remove(rng.usize(..gone.len()));
                        backlog.insert(entry(back));
                        model.insert(back, ());
                    }
                    _ => {
                        let from = if rng.bool() { i64::MIN } else { rng.i64(0..=next) };
                        let expected = model.range(from..).next().map(|(sequence, ())| *sequence);
                        assert_eq!(backlog.first_from(from).map(|e| e.sequence), expected);
                        if let Some(sequence) = expected {
                            assert_eq!(backlog.remove(sequence).unwrap().sequence, sequence);
                            assert!(backlog.remove(sequence).is_none());
                            model.remove(&sequence);
                            gone.push(sequence);
                        }
                    }
                }
                assert_eq!(backlog.len(), model.len(), "seed {seed}");
            }
            for sequence in model.into_keys() {
                assert_eq!(backlog.first_from(i64::MIN).map(|e| e.sequence), Some(sequence));
                assert!(backlog.remove(sequence).is_some(), "seed {seed}");
            }
            assert!(backlog.first_from(i64::MIN).is_none(), "seed {seed}");
        }
    }
}
