//! The object cache: one per direction of a connection, if both peers agreed on it.
//!
//! The sender chooses the index of a new object; the receiver only stores it there. Null is an
//! object like any other.

use std::collections::HashMap;
use std::sync::Arc;

use crate::command::Command;
use crate::error::DecodeError;

/// Slots where the peers agreed on none in particular: ActiveMQ's meaning of a merged size of 0.
pub(crate) const DEFAULT_SLOTS: u16 = 16_383;

/// Memory that the objects in a receiver's cache may take, in all.
const MAX_CACHED_BYTES: usize = 16 << 20;

/// Larger objects are sent in full each time: the cache is for identifiers and names.
const MAX_KEY_BYTES: usize = 4 << 10;

/// A structure that a peer sent, and what it took to decode it.
pub(crate) struct Cached {
    /// The structure; `None` is a null, which the sender numbers too.
    pub(crate) value: Option<Command>,
    /// Memory that it unfolded to; copying it out costs the frame that refers to it as much.
    pub(crate) cost: usize,
}

/// What the peer has sent.
pub(crate) struct ReceiveCache {
    /// By index; a map, since a peer may begin at any.
    slots: HashMap<i16, Cached>,
    size: u16,
    /// Memory that is held.
    held: usize,
}

impl ReceiveCache {
    pub(crate) fn new(size: u16) -> Self {
        Self { slots: HashMap::new(), size: if size == 0 { DEFAULT_SLOTS } else { size }, held: 0 }
    }

    pub(crate) fn store(&mut self, index: i16, cached: Cached) -> Result<(), DecodeError> {
        if index == -1 {
            return Ok(()); // "not kept": the sender's cache was full
        }
        self.check(index)?;
        self.held += cached.cost;
        if let Some(old) = self.slots.insert(index, cached) {
            self.held -= old.cost;
        }
        if self.held > MAX_CACHED_BYTES {
            return Err(DecodeError::CacheTooLarge { max: MAX_CACHED_BYTES });
        }
        Ok(())
    }

    /// What was stored at an index; `None` if nothing ever was.
    pub(crate) fn get(&self, index: i16) -> Result<Option<&Cached>, DecodeError> {
        self.check(index)?;
        Ok(self.slots.get(&index))
    }

    fn check(&self, index: i16) -> Result<(), DecodeError> {
        match u16::try_from(index) {
            Ok(slot) if slot < self.size => Ok(()),
            _ => Err(DecodeError::CacheIndex { index, size: self.size }),
        }
    }
}

/// What the peer has been sent, by the bytes of its own loose encoding (so that two structures are
/// one if they are equal and of one type, as in Java).
#[derive(Debug)]
pub(crate) struct SendCache {
    indexes: HashMap<Arc<[u8]>, i16>,
    slots: Vec<Option<Arc<[u8]>>>,
    size: usize,
    /// The slot that the next new object takes.
    next: usize,
    /// The slot that is emptied next. Both cursors walk the same way, so slots are reused oldest
    /// first.
    evict: usize,
}

impl SendCache {
    pub(crate) fn new(size: u16) -> Self {
        let size = usize::from(if size == 0 { DEFAULT_SLOTS } else { size });
        Self { indexes: HashMap::new(), slots: Vec::new(), size, next: 0, evict: 0 }
    }

    /// Makes room for a frame's worth of new objects: ActiveMQ keeps 100 slots free.
    ///
    /// With fewer than 100 slots in all a Java sender would spin here for ever; this one stops when
    /// the cache is empty.
    pub(crate) fn sweep(&mut self) {
        while self.indexes.len() + 100 > self.size && !self.indexes.is_empty() {
            if let Some(key) = self.slots.get_mut(self.evict).and_then(Option::take) {
                self.indexes.remove(&key);
            }
            self.evict = (self.evict + 1) % self.size;
        }
    }

    /// The index under which the peer holds this object.
    pub(crate) fn find(&self, key: &[u8]) -> Option<i16> {
        self.indexes.get(key).copied()
    }

    /// Gives an object an index; -1 if it is not kept.
    pub(crate) fn add(&mut self, key: &[u8]) -> i16 {
        if key.len() > MAX_KEY_BYTES {
            return -1;
        }
        let index = self.next;
        self.next = (self.next + 1) % self.size;
        if self.indexes.len() >= self.size {
            return -1;
        }
        let Ok(wire) = i16::try_from(index) else { return -1 };
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            let key: Arc<[u8]> = key.into();
            if let Some(old) = slot.replace(Arc::clone(&key)) {
                self.indexes.remove(&old);
            }
            self.indexes.insert(key, wire);
        }
        wire
    }
}
