//! Messages that a broker beyond a lost link may have.

use std::collections::BTreeMap;

use ferrymq_openwire::ids::BrokerId;

/// A queue's messages that were forwarded over a link which was lost before they were answered.
///
/// Their broker may have them and give them to its consumers, or may not. Brought to it again they
/// are recognised; given to anybody else they may be second copies. So for a while they are for the
/// next bridge to that broker only.
#[derive(Debug)]
pub(super) struct Doubts {
    /// How long, in milliseconds; 0: not at all.
    hold: i64,
    /// By place.
    held: BTreeMap<i64, Doubt>,
}

/// One such message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The broker that may have it.
    pub at: BrokerId,
    /// Until when nobody else gets it, in milliseconds since 1970.
    pub until: i64,
}

impl Doubts {
    pub(super) fn new(hold: i64) -> Self {
        Self { hold, held: BTreeMap::new() }
    }

    /// A message may be at this broker; until when it is held for it. `None`: it is not.
    pub(super) fn hold(&mut self, sequence: i64, at: &BrokerId, now: i64) -> Option<i64> {
        if self.hold <= 0 {
            return None;
        }
        let until = now.saturating_add(self.hold);
        self.held.insert(sequence, Doubt { at: at.clone(), until });
        Some(until)
    }

    /// Until when a message is not for a subscription that leads to `next`.
    pub(super) fn bars(&self, sequence: i64, next: Option<&BrokerId>, now: i64) -> Option<i64> {
        let doubt = self.about(sequence)?;
        (doubt.until > now && next != Some(&doubt.at)).then_some(doubt.until)
    }

    /// What is in doubt about a message.
    pub(super) fn about(&self, sequence: i64) -> Option<&Doubt> {
        if self.held.is_empty() { None } else { self.held.get(&sequence) }
    }

    /// The message leaves the queue, or goes to who may have it.
    pub(super) fn forget(&mut self, sequence: i64) {
        if !self.held.is_empty() {
            self.held.remove(&sequence);
        }
    }

    /// Whether a message is not held any more from now on: it may be a second copy.
    pub(super) fn ends(&mut self, sequence: i64, now: i64) -> bool {
        let ended = self.about(sequence).is_some_and(|doubt| doubt.until <= now);
        if ended {
            self.held.remove(&sequence);
        }
        ended
    }
}
