//! How much a bridge may have on its way, and how the destinations share it.

use std::collections::VecDeque;

use crate::demand::table::DemandNumber;

/// What is on its way, unconfirmed: in all, or of one demand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Underway {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The credit of one bridge.
///
/// A demand may have on its way at most so much as is left (a dynamic threshold, as Choudhury and
/// Hahne describe it): one alone has half of it, and a destination that is full beyond the link takes
/// half of what was left, so that something stays for those that flow. When nothing is, each that has
/// nothing on its way may send one message all the same, up to a second bound. What a demand may not
/// send yet waits in its window, and its turn comes as confirmations do.
#[derive(Debug, Default)]
pub(super) struct Credit {
    total: Underway,
    /// Demands with something to send, in turn; each once.
    waiting: VecDeque<DemandNumber>,
}

/// How much one bridge has on its way, unconfirmed: one message may go beyond the bytes.
const MOST: Underway = Underway { messages: 8 * 1024, bytes: 8 * 1024 * 1024 };
/// The same with those that have nothing else on their way. The far broker takes as much, and more,
/// of one connection before it stops reading it, so that its proofs of life and, over a duplex link,
/// its answers always come.
const MOST_IN_ALL: Underway = Underway { messages: 12 * 1024, bytes: 12 * 1024 * 1024 };
/// How many demands are given a turn for each confirmation: more come with more confirmations.
pub(super) const TURNS: usize = 8;

impl Underway {
    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn left_of(self, most: Self) -> Self {
        Self {
            messages: most.messages.saturating_sub(self.messages),
            bytes: most.bytes.saturating_sub(self.bytes),
        }
    }

    fn take(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Credit {
    /// Whether a demand that has so much on its way may send one more.
    pub(super) fn admits(&self, own: Underway) -> bool {
        let left = self.total.left_of(MOST);
        if own.messages == 0 {
            let left = self.total.left_of(MOST_IN_ALL);
            return left.messages > 0 && left.bytes > 0;
        }
        own.messages < left.messages && own.bytes < left.bytes
    }

    /// A demand sends one.
    pub(super) fn sent(&mut self, own: &mut Underway, bytes: usize) {
        own.add(bytes);
        self.total.add(bytes);
    }

    /// One is answered; `own` is absent if its demand has gone meanwhile.
    pub(super) fn answered(&mut self, own: Option<&mut Underway>, bytes: usize) {
        self.total.take(bytes);
        if let Some(own) = own {
            own.take(bytes);
        }
    }

    /// A demand that had nothing waiting has something now.
    pub(super) fn wait(&mut self, number: DemandNumber) {
        self.waiting.push_back(number);
    }

    /// Takes out who has waited longest.
    pub(super) fn next(&mut self) -> Option<DemandNumber> {
        self.waiting.pop_front()
    }

    /// Nothing is on its way, and nobody waits.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as many as are admitted; returns how many.
    fn fill(credit: &mut Credit, own: &mut Underway, bytes: usize) -> usize {
        let mut sent = 0;
        while credit.admits(*own) {
            credit.sent(own, bytes);
            sent += 1;
        }
        sent
    }

    #[test]
    fn one_alone_has_half_and_ten_that_are_full_leave_something_for_others() {
        for bytes in [0, 100, 1_000] {
            let (mut credit, mut own) = (Credit::default(), Underway::default());
            fill(&mut credit, &mut own, bytes);
            let used = |of: usize, all: usize| of * 100 / all;
            let most = used(own.messages, MOST.messages).max(used(own.bytes, MOST.bytes));
            assert!((49..=51).contains(&most), "{most} %");
            let mut full = [Underway::default(); 9];
            for other in &mut full {
                assert!(fill(&mut credit, other, bytes) > 0, "{bytes} bytes");
            }
            let mut flows = Underway::default();
            assert!(fill(&mut credit, &mut flows, bytes) > 3, "{bytes} bytes");
            let mut late = Underway::default();
            assert!(fill(&mut credit, &mut late, bytes) > 0, "one at least");
        }
    }

    #[test]
    fn one_message_may_be_larger_than_everything() {
        let (mut credit, mut own) = (Credit::default(), Underway::default());
        assert_eq!(fill(&mut credit, &mut own, 2 * MOST.bytes), 1);
        assert!(!credit.admits(own));
        assert!(!credit.admits(Underway::default()));
        credit.answered(Some(&mut own), 2 * MOST.bytes);
        assert_eq!(credit.total, Underway::default());
        assert!(credit.admits(own));
    }
}
