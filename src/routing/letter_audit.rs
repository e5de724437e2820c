//! Which messages of topics have a dead letter already.

use std::collections::BTreeMap;

/// How many runs of places are remembered: some 4 MiB at most.
const MOST_RUNS: usize = 128 * 1024;

/// The places, in the order of the broker, of messages that have a dead letter: a topic's message that
/// expires at many durable subscriptions, or is refused by many, needs one.
///
/// A place is given once, so no message is ever taken for another. What dies together lies mostly
/// together, and takes no more room than one; beyond a bound the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct LetterAudit {
    /// First place to last; they neither overlap nor touch.
    runs: BTreeMap<i64, i64>,
}

impl LetterAudit {
    /// Notes that the message at this place gets its letter; false if it has one.
    pub(super) fn note(&mut self, place: i64) -> bool {
        let before = self.runs.range(..=place).next_back().map(|(first, last)| (*first, *last));
        let first = match before {
            Some((_, last)) if last >= place => return false,
            Some((first, last)) if last.checked_add(1) == Some(place) => first,
            _ => place,
        };
        let next = place.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(first, next.unwrap_or(place));
        if self.runs.len() > MOST_RUNS {
            self.runs.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_new_once_in_any_order() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut places: Vec<i64> = (0..2_000).collect();
        random.shuffle(&mut places);
        let mut audit = LetterAudit::default();
        assert!(places.iter().all(|place| audit.note(*place)));
        assert_eq!(audit.runs, BTreeMap::from([(0, 1_999)]));
        assert!(!places.iter().any(|place| audit.note(*place)));
        assert!(audit.note(i64::MAX) && !audit.note(i64::MAX) && audit.note(i64::MIN));
    }

    #[test]
    fn it_has_a_bound() {
        let mut audit = LetterAudit::default();
        let last = 2 * MOST_RUNS as i64;
        assert!((0..=last).all(|place| audit.note(2 * place)));
        assert_eq!(audit.runs.len(), MOST_RUNS);
        assert!(!audit.note(2 * last), "the latest are known");
    }
}
