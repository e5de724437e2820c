//! How messages come.

use super::persistence::Origin;
use crate::destination::MemoryAccount;

/// How a message comes to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From a producer here: it is new.
    Produced,
    /// Over a bridge, which may bring it a second time: the destination's audit is asked.
    Forwarded,
    /// From another queue of this broker, which it has left: what is kept of it there is forgotten
    /// when it is kept here.
    Moved(Origin),
}

impl Arrival {
    /// Where it is still kept.
    pub(super) fn origin(self) -> Option<Origin> {
        match self {
            Self::Moved(origin) => Some(origin),
            Self::Produced | Self::Forwarded => None,
        }
    }

    /// Whether what comes so must wait for room on an account.
    pub(super) fn finds_full(self, account: &MemoryAccount) -> bool {
        match self {
            Self::Produced => account.is_full_for_producers(),
            Self::Forwarded | Self::Moved(_) => account.is_full(),
        }
    }
}
