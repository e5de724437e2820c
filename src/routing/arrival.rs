//! How messages come.

use crate::destination::MemoryAccount;

/// How a message comes to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From a producer here: it is new.
    Produced,
    /// Over a bridge, which may bring it a second time: the destination's audit is asked.
    Forwarded,
}

impl Arrival {
    /// Whether what comes so must wait for room on an account.
    pub(super) fn finds_full(self, account: &MemoryAccount) -> bool {
        match self {
            Self::Produced => account.is_full_for_producers(),
            Self::Forwarded => account.is_full(),
        }
    }
}
