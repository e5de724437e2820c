//! All that is kept.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use bytes::Bytes;

use super::changes::Change;
use super::place::Place;
use super::queue::QueuePlaces;
use crate::contract::{QueueId, QueueState, Table};

/// Where each message and each entry is, and how much of each segment is still needed.
#[derive(Debug, Default)]
pub(in crate::journal) struct Index {
    /// None of them is empty.
    queues: HashMap<QueueId, QueuePlaces>,
    tables: BTreeMap<(Table, Bytes), Place>,
    /// By segment; none without anything live.
    live: BTreeMap<u32, Live>,
    pub(in crate::journal) last_sequence: u64,
    /// Bytes of bodies that ceased to be kept where they were, since the journal was opened.
    pub(in crate::journal) released: u64,
}

/// What of a segment is still needed. A message counts once for each queue that holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::journal) struct Live {
    pub(in crate::journal) bodies: u64,
    /// Their bytes.
    pub(in crate::journal) bytes: u64,
}

impl Index {
    pub(in crate::journal) fn apply(&mut self, change: Change) {
        match change {
            Change::Append { holders, sequence, place } => {
                self.last_sequence = self.last_sequence.max(sequence);
                for &holder in holders.as_slice() {
                    let former = self.queues.entry(holder).or_default().insert(sequence, place);
                    self.retain(place);
                    self.release(former);
                }
            }
            Change::Acknowledge { queue, sequence } => {
                let Some(places) = self.queues.get_mut(&queue) else { return };
                let former = places.remove(sequence);
                if places.is_empty() {
                    self.queues.remove(&queue);
                }
                self.release(former);
            }
            Change::Clear { queue } => {
                if let Some(places) = self.queues.remove(&queue) {
                    for (_, place) in places.iterate_from(0) {
                        self.release(Some(place));
                    }
                }
            }
            Change::Put { table, key, place } => {
                let former = self.tables.insert((table, key), place);
                self.retain(place);
                self.release(former);
            }
            Change::Remove { table, key } => {
                let former = self.tables.remove(&(table, key));
                self.release(former);
            }
        }
    }

    fn retain(&mut self, place: Place) {
        let live = self.live.entry(place.segment).or_default();
        live.bodies += 1;
        live.bytes += u64::from(place.length);
    }

    fn release(&mut self, place: Option<Place>) {
        let Some(place) = place else { return };
        self.released += u64::from(place.length);
        let Some(live) = self.live.get_mut(&place.segment) else { return };
        live.bodies = live.bodies.saturating_sub(1);
        live.bytes = live.bytes.saturating_sub(u64::from(place.length));
        if live.bodies == 0 {
            self.live.remove(&place.segment);
        }
    }

    pub(in crate::journal) fn queue(&self, queue: QueueId) -> Option<&QueuePlaces> {
        self.queues.get(&queue)
    }

    pub(in crate::journal) fn place_of(&self, queue: QueueId, sequence: u64) -> Option<Place> {
        self.queues.get(&queue)?.get(sequence)
    }

    pub(in crate::journal) fn entry(&self, table: Table, key: &[u8]) -> Option<Place> {
        self.tables.get(&(table, Bytes::copy_from_slice(key))).copied()
    }

    /// The entries of a table, from the first on that is greater than `after`.
    pub(in crate::journal) fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (&Bytes, Place)> {
        let from = match after {
            Some(key) => Bound::Excluded((table, Bytes::copy_from_slice(key))),
            None => Bound::Included((table, Bytes::new())),
        };
        let entries = self.tables.range((from, Bound::Unbounded));
        entries.take_while(move |((of, _), _)| *of == table).map(|((_, key), place)| (key, *place))
    }

    pub(in crate::journal) fn state(&self, queue: QueueId) -> QueueState {
        let Some(places) = self.queues.get(&queue) else { return QueueState::empty(queue) };
        QueueState {
            queue,
            messages: places.messages(),
            bytes: places.bytes(),
            first: places.first(),
            last: places.last(),
        }
    }

    /// All queues that hold something, by number.
    pub(in crate::journal) fn states(&self) -> Vec<QueueState> {
        let mut states: Vec<_> = self.queues.keys().map(|queue| self.state(*queue)).collect();
        states.sort_by_key(|state| state.queue);
        states
    }

    /// The lowest segment that holds something.
    pub(in crate::journal) fn first_live(&self) -> Option<u32> {
        self.live.keys().next().copied()
    }

    pub(in crate::journal) fn live(&self, segment: u32) -> Live {
        self.live.get(&segment).copied().unwrap_or_default()
    }

    /// How many bodies are kept; a message counts once for each queue that holds it.
    pub(in crate::journal) fn live_bodies(&self) -> u64 {
        self.live.values().map(|live| live.bodies).sum()
    }

    /// Bytes of all that is kept.
    pub(in crate::journal) fn live_bytes(&self) -> u64 {
        self.live.values().map(|live| live.bytes).sum()
    }
}
