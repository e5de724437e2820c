//! Which of a queue's exclusive consumers has it to itself.

/// The subscriptions that want a queue for themselves (`consumer.exclusive`), in the order in which
/// they came. The first of the highest priority has it, as in ActiveMQ; while there is one, no other
/// consumer gets anything new.
#[derive(Debug, Default)]
pub(super) struct Exclusives {
    claims: Vec<(i8, usize)>,
}

impl Exclusives {
    /// A subscription in this slot claims the queue.
    pub(super) fn claim(&mut self, priority: i8, slot: usize) {
        self.claims.push((priority, slot));
    }

    /// It does so no more.
    pub(super) fn withdraw(&mut self, slot: usize) {
        self.claims.retain(|(_, other)| *other != slot);
    }

    /// Who has the queue; none: all share it.
    pub(super) fn holder(&self) -> Option<usize> {
        let highest = self.claims.iter().map(|(priority, _)| *priority).max()?;
        self.claims.iter().find(|(priority, _)| *priority == highest).map(|(_, slot)| *slot)
    }

    /// Whether a subscription may get something.
    pub(super) fn let_in(&self, slot: usize) -> bool {
        self.claims.is_empty() || self.holder() == Some(slot)
    }
}
