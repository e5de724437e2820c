//! The subscriptions of a queue that have room, by priority, in turn.

use std::collections::VecDeque;

/// Slots of subscriptions with room in their windows: the highest priority first, and within one
/// priority whoever waited longest.
#[derive(Debug, Default)]
pub(super) struct ReadyRing {
    /// Highest priority first; few, because priorities are few.
    rings: Vec<(i8, VecDeque<usize>)>,
}

impl ReadyRing {
    /// Puts a slot at the end of its priority's turn.
    pub(super) fn push(&mut self, priority: i8, slot: usize) {
        match self.rings.binary_search_by(|(other, _)| priority.cmp(other)) {
            Ok(at) => {
                if let Some((_, ring)) = self.rings.get_mut(at) {
                    ring.push_back(slot);
                }
            }
            Err(at) => self.rings.insert(at, (priority, VecDeque::from([slot]))),
        }
    }

    /// Takes a slot out, wherever it stands.
    pub(super) fn remove(&mut self, priority: i8, slot: usize) {
        if let Ok(at) = self.rings.binary_search_by(|(other, _)| priority.cmp(other))
            && let Some((_, ring)) = self.rings.get_mut(at)
        {
            ring.retain(|other| *other != slot);
        }
    }

    /// Takes out the first slot, in order of turn, that `admits`.
    pub(super) fn take_first(&mut self, mut admits: impl FnMut(usize) -> bool) -> Option<usize> {
        for (_, ring) in &mut self.rings {
            for at in 0..ring.len() {
                if ring.get(at).is_some_and(|slot| admits(*slot)) {
                    return ring.remove(at);
                }
            }
        }
        None
    }
}
