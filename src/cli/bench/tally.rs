//! Which messages came: once, twice, late, or never.

/// The messages of one producer, as one consumer saw them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// One bit for each sequence number that came.
    seen: Vec<u64>,
    /// The highest that came, plus one.
    next: u64,
    /// Came again.
    pub(super) duplicated: u64,
    /// Came after a later one.
    pub(super) reordered: u64,
}

/// A producer that sends more than this in one run does not exist; a stamp that says so is broken.
const MOST: u64 = 1 << 36;

impl Tally {
    /// A message came. `false`: it had come before.
    pub(super) fn note(&mut self, sequence: u64) -> bool {
        if sequence >= MOST {
            self.reordered += 1;
            return false;
        }
        let (word, bit) = place(sequence);
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let Some(bits) = self.seen.get_mut(word) else { return false };
        if *bits & bit != 0 {
            self.duplicated += 1;
            return false;
        }
        *bits |= bit;
        if sequence < self.next {
            self.reordered += 1;
        } else {
            self.next = sequence + 1;
        }
        true
    }

    /// Adds what another consumer of the same queue saw; what both saw was delivered twice.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.seen.len() < other.seen.len() {
            self.seen.resize(other.seen.len(), 0);
        }
        for (mine, theirs) in self.seen.iter_mut().zip(&other.seen) {
            self.duplicated += u64::from((*mine & theirs).count_ones());
            *mine |= theirs;
        }
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.next = self.next.max(other.next);
    }

    /// How many different ones came.
    pub(super) fn distinct(&self) -> u64 {
        self.seen.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }
}

fn place(sequence: u64) -> (usize, u64) {
    ((sequence / 64) as usize, 1 << (sequence % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_mishap_is_counted_once() {
        let mut tally = Tally::default();
        for sequence in [0, 1, 2, 4, 3, 4, 200] {
            tally.note(sequence);
        }
        assert_eq!((tally.duplicated, tally.reordered, tally.distinct()), (1, 1, 6));
    }

    #[test]
    fn what_two_consumers_of_a_queue_both_saw_is_a_duplicate() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        for sequence in [0, 2, 4] {
            one.note(sequence);
        }
        for sequence in [1, 3, 4, 100] {
            other.note(sequence);
        }
        one.merge(&other);
        assert_eq!((one.duplicated, one.reordered, one.distinct()), (1, 0, 6));
    }
}
