//! Room in a store that nobody else takes between a look and a step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::persistence::Persistence;

/// Room that was set aside for what is about to be kept; given back when that is with the store, or
/// will not be.
#[derive(Debug, Default)]
pub struct Room(Option<(Arc<Persistence>, usize)>);

impl Room {
    /// Sets aside room for so many bytes. None: the store has none now, and will tell when it has.
    pub(super) fn of(persistence: &Arc<Persistence>, bytes: usize) -> Option<Self> {
        // First, so that of two at once one sees the other.
        let room = Self(Some((Arc::clone(persistence), bytes)));
        persistence.set_aside(bytes);
        persistence.has_room(0).then_some(room)
    }
}

impl Persistence {
    /// So many bytes are for somebody, and for nobody else.
    fn set_aside(&self, bytes: usize) {
        self.set_aside.fetch_add(bytes, Ordering::SeqCst);
    }

    /// They are for everybody again.
    fn give_back(&self, bytes: usize) {
        self.set_aside.fetch_sub(bytes, Ordering::SeqCst);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some((persistence, bytes)) = self.0.take() {
            persistence.give_back(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_store::memory::MemoryStore;

    use super::*;

    #[test]
    fn what_is_set_aside_is_nobody_elses() {
        const MEBI: usize = 1024 * 1024;
        let persistence = Persistence::new(Arc::new(MemoryStore::new(10 * MEBI as u64)));
        assert!(persistence.has_room(8 * MEBI));
        let room = Room::of(&persistence, 5 * MEBI).unwrap();
        assert!(!persistence.has_room(8 * MEBI) && persistence.has_room(3 * MEBI));
        assert!(Room::of(&persistence, 5 * MEBI).is_none());
        assert!(persistence.has_room(3 * MEBI), "what was refused takes nothing");
        drop(room);
        assert!(persistence.has_room(8 * MEBI));
    }
}
