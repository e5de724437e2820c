//! When messages expire that wait on disk only.

use std::collections::BTreeMap;

/// How many messages one stretch counts before another one begins.
const STRETCH: u32 = 1024;

/// The earliest expirations of stretches of places: a few bytes for a thousand messages, and nothing
/// for those that never expire. They may be too early, which costs a look, and never too late.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// By their first places; they do not overlap.
    stretches: BTreeMap<i64, Stretch>,
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    last: i64,
    /// In milliseconds since 1970; none when nobody knows, because the broker has just started.
    earliest: Option<i64>,
    messages: u32,
}

impl Deadlines {
    /// Notes that the message at `place` expires.
    pub(super) fn note(&mut self, place: i64, expiration: i64) {
        if let Some((_, stretch)) = self.stretches.range_mut(..=place).next_back()
            && (place <= stretch.last || stretch.messages < STRETCH)
        {
            stretch.last = stretch.last.max(place);
            stretch.messages = stretch.messages.saturating_add(1);
            stretch.earliest = stretch.earliest.map(|earliest| earliest.min(expiration));
            return;
        }
        let stretch = Stretch { last: place, earliest: Some(expiration), messages: 1 };
        self.stretches.insert(place, stretch);
    }

    /// Any message between these places may expire at any time.
    pub(super) fn note_unknown(&mut self, first: i64, last: i64) {
        self.cut(first, last);
        self.stretches.insert(first, Stretch { last, earliest: None, messages: STRETCH });
    }

    /// What is from `first` to `last` has been looked at.
    pub(super) fn cut(&mut self, first: i64, last: i64) {
        while let Some((&from, &stretch)) = self.stretches.range(..=last).next_back()
            && stretch.last >= first
        {
            self.stretches.remove(&from);
            if stretch.last > last {
                self.stretches.insert(last.saturating_add(1), stretch);
            }
            if from < first {
                self.stretches.insert(from, Stretch { last: first.saturating_sub(1), ..stretch });
            }
        }
    }

    /// Where messages begin of which one has expired by now.
    pub(super) fn due(&self, now: i64) -> Option<i64> {
        let is_due = |stretch: &Stretch| stretch.earliest.is_some_and(|earliest| earliest < now);
        self.stretches.iter().find(|(_, stretch)| is_due(stretch)).map(|(first, _)| *first)
    }

    /// Where messages begin of which nobody knows when they expire.
    pub(super) fn unknown(&self) -> Option<i64> {
        let unknown = self.stretches.iter().find(|(_, stretch)| stretch.earliest.is_none());
        unknown.map(|(first, _)| *first)
    }

    pub(super) fn clear(&mut self) {
        self.stretches.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_found_until_it_has_been_looked_at() {
        let mut deadlines = Deadlines::default();
        for place in 0..5_000 {
            deadlines.note(place, 100_000 + place);
        }
        assert!(deadlines.stretches.len() < 10);
        deadlines.note(2_500, 7);
        assert_eq!(deadlines.due(7), None);
        let mut looked_at = 0;
        while let Some(from) = deadlines.due(8) {
            deadlines.cut(from, from + 99);
            looked_at += 100;
        }
        assert!(looked_at <= 1_100, "{looked_at}");
        assert_eq!(deadlines.due(100_000), None);
        assert_eq!(deadlines.due(100_001), Some(0));
        deadlines.note_unknown(10_000, 12_000);
        assert_eq!(deadlines.unknown(), Some(10_000));
        deadlines.cut(9_000, 10_999);
        assert_eq!(deadlines.unknown(), Some(11_000));
        deadlines.cut(11_000, 20_000);
        assert_eq!(deadlines.unknown(), None);
    }
}
