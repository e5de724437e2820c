//! The remote consumers of one demand, and what they want between them.

use std::collections::BTreeMap;

use ferrymq_openwire::text::Text;

use super::policy::Wish;

/// Nearest first; among equally near ones the first that came.
pub(super) type Rank = (usize, u64);

/// How many different selectors one demand keeps.
const MOST_SELECTORS: usize = 32;
/// How long they may be together.
const MOST_BYTES: usize = 8 * 1024;

/// Who stands behind a demand, by rank.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Boxed: most demands have one, and a node of the tree has room for eleven.
    by_rank: BTreeMap<Rank, Box<Wish>>,
    /// How many want what each of these selectors matches.
    selectors: BTreeMap<Text, usize>,
    /// The length of those together.
    bytes: usize,
}

impl Members {
    /// One alone.
    pub(super) fn of(rank: Rank, wish: Wish) -> Self {
        let mut members = Self::default();
        members.insert(rank, wish);
        members
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_rank.is_empty()
    }

    pub(super) fn get(&self, rank: &Rank) -> Option<&Wish> {
        self.by_rank.get(rank).map(Box::as_ref)
    }

    /// All, the one that leads first.
    pub(super) fn values(&self) -> impl Iterator<Item = &Wish> {
        self.by_rank.values().map(Box::as_ref)
    }

    /// Adds one whose rank is its own.
    pub(super) fn insert(&mut self, rank: Rank, wish: Wish) {
        if let Some(selector) = &wish.selector {
            let wanted = self.selectors.entry(selector.clone()).or_default();
            *wanted += 1;
            if *wanted == 1 {
                self.bytes += selector.as_bytes().len();
            }
        }
        self.by_rank.insert(rank, Box::new(wish));
    }

    pub(super) fn remove(&mut self, rank: &Rank) {
        let Some(selector) = self.by_rank.remove(rank).and_then(|wish| wish.selector) else {
            return;
        };
        if let Some(wanted) = self.selectors.get_mut(&selector) {
            *wanted -= 1;
            if *wanted == 0 {
                self.selectors.remove(&selector);
                self.bytes -= selector.as_bytes().len();
            }
        }
    }

    /// What any of them wants: a selector that is true of it. None where one wants everything, or
    /// where the selectors are too many or too long.
    pub(super) fn selector(&self) -> Option<Text> {
        let selective: usize = self.selectors.values().sum();
        if selective < self.by_rank.len()
            || self.selectors.len() > MOST_SELECTORS
            || self.bytes > MOST_BYTES
        {
            return None;
        }
        if let (1, Some((only, _))) = (self.selectors.len(), self.selectors.first_key_value()) {
            return Some(only.clone());
        }
        let each =
            self.selectors.keys().map(|selector| format!("({})", selector.to_string_lossy()));
        let all = each.collect::<Vec<String>>().join(" OR ");
        (!all.is_empty()).then(|| Text::from(all))
    }
}
