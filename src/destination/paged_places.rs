//! Which of a queue's messages wait on disk only.

use std::collections::BTreeMap;

/// Places of messages that wait on disk only, as runs: every message of the queue that the store
/// keeps within a run is one of them. So a backlog of any length is one run, and what was taken from
/// its middle splits it until that part is read again.
#[derive(Debug, Default)]
pub(super) struct PagedPlaces {
    /// First place to last; they do not overlap.
    runs: BTreeMap<i64, i64>,
}

impl PagedPlaces {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The last place.
    pub(super) fn last(&self) -> Option<i64> {
        self.runs.last_key_value().map(|(_, last)| *last)
    }

    /// The first place at or after this one where such a message may be.
    pub(super) fn next_from(&self, place: i64) -> Option<i64> {
        if let Some((_, last)) = self.runs.range(..=place).next_back()
            && *last >= place
        {
            return Some(place);
        }
        self.runs.range(place..).next().map(|(first, _)| *first)
    }

    /// How many places from one to another may have such a message.
    pub(super) fn most_between(&self, first: i64, last: i64) -> usize {
        let runs = self.runs.range(..=last).rev().take_while(|(_, to)| **to >= first);
        let length = |from: i64, to: i64| usize::try_from(to.saturating_sub(from)).unwrap_or(0);
        runs.map(|(from, to)| length((*from).max(first), (*to).min(last)) + 1).sum()
    }

    /// Whether the message that the store keeps at this place is one of them.
    pub(super) fn contains(&self, place: i64) -> bool {
        self.next_from(place) == Some(place)
    }

    /// Adds the message at `place`; the store keeps no other of this queue between it and `follows`,
    /// which is before it.
    pub(super) fn add(&mut self, place: i64, follows: i64) {
        let before = self.runs.range_mut(..=place).next_back();
        let first = match before {
            Some((_, last)) if *last >= place => return,
            Some((first, last)) if *last >= follows => {
                *last = place;
                *first
            }
            _ => {
                self.runs.insert(place, place);
                place
            }
        };
        if let Some(next) = place.checked_add(1)
            && let Some(last) = self.runs.remove(&next)
        {
            self.runs.insert(first, last);
        }
    }

    /// Adds all that the store keeps of this queue from `first` to `last`.
    pub(super) fn add_run(&mut self, first: i64, last: i64) {
        self.remove(first, last);
        self.runs.insert(first, last);
    }

    /// Takes out the message at `place`; says whether it was one of them. The store keeps no other
    /// of this queue between it and `follows`.
    pub(super) fn take(&mut self, place: i64, follows: i64) -> bool {
        let contained = self.contains(place);
        self.remove(follows.saturating_add(1).min(place), place);
        contained
    }

    /// Takes out whatever is from `first` to `last`.
    pub(super) fn remove(&mut self, first: i64, last: i64) {
        while let Some((&from, &to)) = self.runs.range(..=last).next_back()
            && to >= first
        {
            self.runs.remove(&from);
            if to > last {
                self.runs.insert(last.saturating_add(1), to);
            }
            if from < first {
                self.runs.insert(from, first.saturating_sub(1));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Against a plain map of what the store keeps: whether it waits on disk only.
    #[test]
    fn they_are_those_of_a_plain_map() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut places, mut kept) = (PagedPlaces::default(), BTreeMap::<i64, bool>::new());
            let mut next = 0;
            for _ in 0..400 {
                match random.u8(..6) {
                    0..2 => {
                        next += random.i64(1..4);
                        kept.insert(next, false);
                    }
                    // One that is in memory goes out.
                    2..4 => {
                        let inside: Vec<i64> = kept
                            .iter()
                            .filter(|(_, out)| !**out)
                            .map(|(place, _)| *place)
                            .collect();
                        let Some(place) = random.choice(inside) else { continue };
                        let before = kept.range(..place).next_back().map(|(place, _)| *place);
                        // What is known of its neighbour may be old, but is never too much.
                        let follows = before.map_or(-1, |before| random.i64(before..place));
                        places.add(place, follows);
                        kept.insert(place, true);
                    }
                    // A page comes in.
                    4 => {
                        let from = random.i64(0..next + 2);
                        let page: Vec<i64> =
                            kept.range(from..).take(3).map(|(place, _)| *place).collect();
                        let mut follows = from - 1;
                        for place in page {
                            assert_eq!(
                                Some(places.take(place, follows)),
                                kept.get(&place).copied()
                            );
                            kept.insert(place, false);
                            follows = place;
                        }
                    }
                    // One that was in memory is settled.
                    _ => {
                        let gone = kept.iter().find(|(_, out)| !**out).map(|(place, _)| *place);
                        gone.map(|gone| kept.remove(&gone));
                    }
                }
                for (place, out) in &kept {
                    assert_eq!(places.contains(*place), *out, "seed {seed}, place {place}");
                    // Nothing that waits is passed over.
                    let first = kept.range(place..).find(|(_, out)| **out).map(|(place, _)| *place);
                    let found = places.next_from(*place);
                    assert!(first.is_none_or(|first| found.is_some_and(|found| found <= first)));
                }
            }
        }
    }

    #[test]
    fn a_backlog_is_one_run_whatever_is_looked_at_in_its_middle() {
        let mut places = PagedPlaces::default();
        places.add_run(1, 10_000);
        for place in [5_000, 5_002, 5_003] {
            assert!(places.take(place, place - 1));
        }
        assert_eq!(places.runs(), 3);
        // 5002 was consumed; a page that is read there, and goes out again, says so.
        for place in [5_000, 5_003] {
            places.add(place, place - 1);
        }
        let mut follows = 4_999;
        for place in [5_000, 5_001, 5_003, 5_004] {
            assert!(places.take(place, follows));
            follows = place;
        }
        let mut follows = 4_999;
        for place in [5_000, 5_001, 5_003, 5_004] {
            places.add(place, follows);
            follows = place;
        }
        assert_eq!(places.runs(), 1);
    }
}
