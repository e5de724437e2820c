//! When the log is told of a link that is down.

use std::time::Duration;

use tokio::time::Instant;

/// How long after the first word the next ones follow; then one follows every so often.
const WORDS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(10 * 60), Duration::from_secs(60 * 60)];

/// An outage, as far as the log has been told: at once, whenever the reason changes, and while it
/// lasts ever more seldom, so that neither is it forgotten nor does it fill the log.
#[derive(Debug)]
pub(super) struct Outage {
    since: Instant,
    tries: u64,
    told: String,
    words: usize,
    next: Instant,
}

/// What to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// How long the outage has lasted.
    pub(super) lasting: Duration,
    /// How often the broker was dialled.
    pub(super) tries: u64,
}

impl Outage {
    /// The first failure, which is told.
    pub(super) fn begin(reason: &str, now: Instant) -> (Self, Word) {
        let outage =
            Self { since: now, tries: 1, told: reason.to_owned(), words: 0, next: now + WORDS[0] };
        let word = outage.word(now);
        (outage, word)
    }

    /// Another failure; what to tell of it, if anything.
    pub(super) fn goes_on(&mut self, reason: &str, now: Instant) -> Option<Word> {
        self.tries += 1;
        if now >= self.next {
            self.words = (self.words + 1).min(WORDS.len() - 1);
            self.next = now + WORDS.get(self.words).copied().unwrap_or_default();
        } else if self.told == reason {
            return None;
        }
        self.told = reason.to_owned();
        Some(self.word(now))
    }

    fn word(&self, now: Instant) -> Word {
        Word { lasting: now.saturating_duration_since(self.since), tries: self.tries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_outage_is_told_ever_more_seldom() {
        let start = Instant::now();
        let (mut outage, first) = Outage::begin("refused", start);
        assert_eq!(first, Word { lasting: Duration::ZERO, tries: 1 });
        let told: Vec<u64> = (1..=4 * 3600 / 30)
            .map(|turn| turn * 30)
            .filter(|at| outage.goes_on("refused", start + Duration::from_secs(*at)).is_some())
            .collect();
        assert_eq!(told, [60, 660, 4260, 7860, 11460]);
    }

    #[test]
    fn another_reason_is_told_at_once() {
        let start = Instant::now();
        let (mut outage, _) = Outage::begin("refused", start);
        let later = start + Duration::from_secs(1);
        assert_eq!(outage.goes_on("refused", later), None);
        let word = outage.goes_on("no route", later).unwrap();
        assert_eq!(word, Word { lasting: Duration::from_secs(1), tries: 3 });
        assert_eq!(outage.goes_on("no route", later), None);
    }
}
