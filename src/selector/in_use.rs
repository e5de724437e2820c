//! The selectors of a broker's consumers.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ferrymq_openwire::text::Text;
use parking_lot::Mutex;

use super::error::SelectorError;
use super::parsed::{Parsed, Selector};

/// From how many texts on those that nobody uses any more are looked for.
const FEW: usize = 64;

/// The selectors in use, each parsed once however many consumers have it. One that nobody holds any
/// more is forgotten in time.
#[derive(Default)]
pub struct Selectors {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_text: BTreeMap<Text, Weak<Parsed>>,
    /// How many were left when it was last cleared up.
    kept: usize,
}

impl Selectors {
    /// The selector of this text; none for blank texts, as in JMS.
    pub fn parse(&self, text: &Text) -> Result<Option<Selector>, SelectorError> {
        if text.as_bytes().trim_ascii().is_empty() {
            return Ok(None);
        }
        let known = self.known.lock().by_text.get(text).and_then(Weak::upgrade);
        if let Some(shared) = known {
            return Ok(Some(Selector::of(shared)));
        }
        let selector: Selector = text.to_string_lossy().parse()?;
        let mut known = self.known.lock();
        known.by_text.insert(text.clone(), Arc::downgrade(selector.shared()));
        if known.by_text.len() >= 2 * known.kept.max(FEW) {
            known.by_text.retain(|_, selector| selector.strong_count() > 0);
            known.kept = known.by_text.len();
        }
        Ok(Some(selector))
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.lock().by_text.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
