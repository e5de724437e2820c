//! The transactions of one connection.

use std::collections::HashMap;

use ferrymq_openwire::commands::TransactionInfo;
use ferrymq_openwire::ids::TransactionId;

use crate::routing::Work;
use crate::transaction::RecentCommits;

/// Local transactions that are open, and what waits for their parked messages.
#[derive(Default)]
pub(super) struct Transactions {
    /// By their numbers in the connection.
    pub(super) local: HashMap<i64, Local>,
    /// The latest commits, also of the same connection over an earlier link; asked for when the
    /// first transaction comes.
    pub(super) commits: Option<RecentCommits>,
    /// A step for which the store has no room: nothing else is handled before it has had a moment.
    pub(super) lacking: Option<TransactionInfo>,
    /// How many messages of each transaction wait for room.
    parked: HashMap<TransactionId, Waiting>,
    /// Steps that must not be taken before those messages are in.
    steps: Vec<(TransactionId, TransactionInfo)>,
}

/// A local transaction.
pub(super) struct Local {
    pub(super) work: Work,
    /// Why it can only be rolled back: a command in it failed whose sender wanted no answer.
    pub(super) failure: Option<String>,
}

struct Waiting {
    messages: usize,
    /// The transaction has been rolled back: they are not wanted any more.
    void: bool,
}

/// What is to be done with a message that need not wait any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unparked {
    /// Take it in.
    Wanted,
    /// Its transaction has been rolled back.
    Void,
}

impl Transactions {
    /// A message of a transaction waits for room.
    pub(super) fn park(&mut self, within: &TransactionId) {
        let waiting = self.parked.entry(within.clone());
        waiting.or_insert(Waiting { messages: 0, void: false }).messages += 1;
    }

    /// It waits no more.
    pub(super) fn unpark(&mut self, within: &TransactionId) -> Unparked {
        let Some(waiting) = self.parked.get_mut(within) else { return Unparked::Wanted };
        waiting.messages -= 1;
        let void = waiting.void;
        if waiting.messages == 0 {
            self.parked.remove(within);
        }
        if void { Unparked::Void } else { Unparked::Wanted }
    }

    /// Whether messages of a transaction wait.
    pub(super) fn waits(&self, within: &TransactionId) -> bool {
        self.parked.get(within).is_some_and(|waiting| !waiting.void)
    }

    /// A transaction is rolled back: what waits is not wanted, nor are the steps behind it.
    pub(super) fn void(&mut self, within: &TransactionId) {
        if let Some(waiting) = self.parked.get_mut(within) {
            waiting.void = true;
        }
        self.steps.retain(|(other, _)| other != within);
    }

    /// The same for all.
    pub(super) fn void_all(&mut self) {
        self.parked.values_mut().for_each(|waiting| waiting.void = true);
        self.steps.clear();
    }

    /// How many steps wait.
    pub(super) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// A step waits for the transaction's messages.
    pub(super) fn put_off(&mut self, within: TransactionId, step: TransactionInfo) {
        self.steps.push((within, step));
    }

    /// The next step that need not wait any more.
    pub(super) fn next_step(&mut self) -> Option<TransactionInfo> {
        let at = self.steps.iter().position(|(within, _)| !self.waits(within))?;
        Some(self.steps.remove(at).1)
    }
}
