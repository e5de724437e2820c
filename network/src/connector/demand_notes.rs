//! What became of wishes that no demand subscription stands for, so that it can be told.

use std::collections::BTreeMap;

use ferrymq_openwire::destination::Destination;
use tokio::time::Instant;

use crate::destination_pattern::DestinationPattern;
use crate::rules::verdict::Verdict;

/// How many destinations are remembered; the one that was noted longest ago makes room.
const MOST: usize = 1024;

/// What became of wishes for a destination that came over a link.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DemandNote {
    /// When the last consumer there left that had been followed.
    pub ended: Option<Instant>,
    /// Why a consumer there was not followed, and when it was last announced.
    pub ignored: Option<(Verdict, Instant)>,
    /// Why the own broker refused to follow one, and when.
    pub refused: Option<(String, Instant)>,
}

/// The notes of one link.
#[derive(Debug, Default)]
pub(super) struct DemandNotes {
    notes: BTreeMap<Destination, (u64, DemandNote)>,
    /// The destinations by when they were noted last.
    order: BTreeMap<u64, Destination>,
    next: u64,
}

impl DemandNotes {
    /// A demand came into being.
    pub(super) fn began(&mut self, destination: &Destination) {
        if let Some((order, _)) = self.notes.remove(destination) {
            self.order.remove(&order);
        }
    }

    /// A demand ended.
    pub(super) fn ended(&mut self, destination: &Destination, now: Instant) {
        self.note(destination).ended = Some(now);
    }

    /// A consumer is not followed.
    pub(super) fn ignored(&mut self, destination: &Destination, verdict: &Verdict, now: Instant) {
        self.note(destination).ignored = Some((verdict.clone(), now));
    }

    /// The own broker did not let a consumer be followed.
    pub(super) fn refused(&mut self, destination: &Destination, reason: &str, now: Instant) {
        self.note(destination).refused = Some((reason.to_owned(), now));
    }

    /// What is noted of a destination, or of a pattern that matches it; the newest first.
    pub(super) fn of(&self, destination: &Destination) -> Vec<DemandNote> {
        let newest_first = self.order.values().rev();
        newest_first
            .filter(|noted| DestinationPattern::of(noted).matches(destination))
            .filter_map(|noted| self.notes.get(noted))
            .map(|(_, note)| note.clone())
            .collect()
    }

    fn note(&mut self, destination: &Destination) -> &mut DemandNote {
        if !self.notes.contains_key(destination)
            && self.notes.len() >= MOST
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.notes.remove(&oldest);
        }
        self.next += 1;
        let entry = self.notes.entry(destination.clone()).or_default();
        self.order.remove(&entry.0);
        entry.0 = self.next;
        self.order.insert(self.next, destination.clone());
        &mut entry.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_found_by_what_they_match() {
        let now = Instant::now();
        let mut notes = DemandNotes::default();
        notes.ended(&Destination::queue("orders.>"), now);
        notes.ignored(&Destination::queue("orders.eu"), &Verdict::NotIncluded, now);
        let found = notes.of(&Destination::queue("orders.eu"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].ignored, Some((Verdict::NotIncluded, now)));
        assert_eq!(found[1].ended, Some(now));
        assert!(notes.of(&Destination::topic("orders.eu")).is_empty());
        notes.began(&Destination::queue("orders.>"));
        assert_eq!(notes.of(&Destination::queue("orders.us")), []);
    }

    #[test]
    fn the_oldest_notes_make_room() {
        let now = Instant::now();
        let mut notes = DemandNotes::default();
        let name = |number: usize| Destination::queue(format!("q{number}"));
        for number in 0..MOST {
            notes.ended(&name(number), now);
        }
        notes.ended(&name(0), now);
        notes.ended(&name(MOST), now);
        assert_eq!(notes.notes.len(), MOST);
        assert_eq!(notes.order.len(), MOST);
        assert_eq!(notes.of(&name(0)).len(), 1, "it was noted again");
        assert_eq!(notes.of(&name(1)), []);
    }
}
