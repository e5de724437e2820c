//! The subscriptions of a queue that have room, by priority, in turn.

use std::collections::VecDeque;

/// Slots of subscriptions with room in their windows: the highest priority first, and within one
/// priority whoever waited longest.
#[derive(Debug, Default)]
pub(super) struct ReadyRing {
    /// Highest priority first; few, because priorities are few.
    rings: Vec<(i8, Ring)>,
    /// By slot: the turn that it waits for; 0 for none.
    turns: Vec<u64>,
    last_turn: u64,
}

/// Slots with their turns. One whose turn is not its slot's any more was taken out, and goes when
/// it is met: taking out costs nothing, however many wait.
#[derive(Debug, Default)]
struct Ring {
    waiting: VecDeque<(usize, u64)>,
    /// How many of them were taken out.
    stale: usize,
}

impl ReadyRing {
    /// Puts a slot at the end of its priority's turn.
    pub(super) fn push(&mut self, priority: i8, slot: usize) {
        self.last_turn += 1;
        if self.turns.len() <= slot {
            self.turns.resize(slot + 1, 0);
        }
        if let Some(turn) = self.turns.get_mut(slot) {
            *turn = self.last_turn;
        }
        let found = self.rings.binary_search_by(|(other, _)| priority.cmp(other));
        let at = found.unwrap_or_else(|at| {
            self.rings.insert(at, (priority, Ring::default()));
            at
        });
        if let Some((_, ring)) = self.rings.get_mut(at) {
            ring.waiting.push_back((slot, self.last_turn));
        }
    }

    /// Takes a slot out that waits at its priority, wherever it stands.
    pub(super) fn remove(&mut self, priority: i8, slot: usize) {
        let Some(turn) = self.turns.get_mut(slot) else { return };
        if std::mem::take(turn) == 0 {
            return;
        }
        if let Ok(at) = self.rings.binary_search_by(|(other, _)| priority.cmp(other))
            && let Some((_, ring)) = self.rings.get_mut(at)
        {
            ring.stale += 1;
            if ring.stale > ring.waiting.len() / 2 {
                let turns = &self.turns;
                ring.waiting.retain(|(slot, turn)| turns.get(*slot) == Some(turn));
                ring.stale = 0;
            }
        }
    }

    /// Whether a slot that waits is one that `which` picks.
    pub(super) fn has(&self, which: impl Fn(usize) -> bool) -> bool {
        let waiting = self.rings.iter().flat_map(|(_, ring)| &ring.waiting);
        let mut waiting = waiting.filter(|(slot, turn)| self.turns.get(*slot) == Some(turn));
        waiting.any(|(slot, _)| which(*slot))
    }

    /// Takes out the first slot, in order of turn, that `admits`.
    pub(super) fn take_first(&mut self, mut admits: impl FnMut(usize) -> bool) -> Option<usize> {
        for (_, ring) in &mut self.rings {
            let mut at = 0;
            while let Some(&(slot, turn)) = ring.waiting.get(at) {
                let Some(current) = self.turns.get_mut(slot).filter(|current| **current == turn)
                else {
                    if at == 0 {
                        ring.waiting.pop_front();
                        ring.stale -= 1;
                    } else {
                        at += 1;
                    }
                    continue;
                };
                if admits(slot) {
                    *current = 0;
                    ring.waiting.remove(at);
                    return Some(slot);
                }
                at += 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the plain thing: a list per priority.
    #[test]
    fn slots_take_turns_whoever_is_taken_out_meanwhile() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut ring, mut plain) = (ReadyRing::default(), Vec::<(i8, usize)>::new());
        for _ in 0..20_000 {
            let slot = random.usize(..40);
            let priority = i8::try_from(slot % 3).unwrap();
            match random.u8(..3) {
                0 if !plain.contains(&(priority, slot)) => {
                    ring.push(priority, slot);
                    plain.push((priority, slot));
                }
                1 => {
                    ring.remove(priority, slot);
                    plain.retain(|other| *other != (priority, slot));
                }
                _ => {
                    let odd = random.bool();
                    let admits = |slot: usize| !odd || slot % 2 == 1;
                    let highest =
                        plain.iter().filter(|(_, slot)| admits(*slot)).map(|(p, _)| *p).max();
                    let expected = plain
                        .iter()
                        .position(|(p, slot)| Some(*p) == highest && admits(*slot))
                        .map(|at| plain.remove(at).1);
                    assert_eq!(ring.take_first(admits), expected);
                }
            }
        }
    }
}
