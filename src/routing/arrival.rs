//! How messages come.

use super::persistence::Origin;
use crate::destination::{Bringer, MemoryAccount};

/// How a message comes to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From a producer here: it is new.
    Produced,
    /// The same, from a client that sends it again over another link if it is not answered.
    Repeatable,
    /// From a client that came back over another link: it may have been here before, which the
    /// destination's audit is asked.
    Repeated,
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
            Self::Produced | Self::Repeatable | Self::Repeated | Self::Forwarded => None,
        }
    }

    /// Who may bring it again: then it is remembered.
    pub(super) fn bringer(self) -> Option<Bringer> {
        match self {
            Self::Repeatable | Self::Repeated => Some(Bringer::Producer),
            Self::Forwarded => Some(Bringer::Bridge),
            Self::Produced | Self::Moved(_) => None,
        }
    }

    /// Whether it may be a second copy of what was here.
    pub(super) fn may_be_a_copy(self) -> bool {
        matches!(self, Self::Repeated | Self::Forwarded)
    }

    /// Whether what comes so must wait for room on an account.
    pub(super) fn finds_full(self, account: &MemoryAccount) -> bool {
        match self {
            Self::Produced | Self::Repeatable | Self::Repeated => account.is_full_for_producers(),
            Self::Forwarded | Self::Moved(_) => account.is_full(),
        }
    }
}
