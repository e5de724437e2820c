//! Which limit keeps a message out.

use std::fmt;
use std::time::Duration;

use ferrymq_openwire::destination::Destination;

/// What the broker has only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKind {
    /// Memory of the broker (`memory_limit` of `[system_usage]`).
    Memory,
    /// Memory of one destination (`memory_limit` of a policy).
    DestinationMemory,
    /// What the store may keep of one destination (`store_limit` of a policy).
    DestinationStore,
    /// The store as a whole (`store_limit` of `[system_usage]`), or its disk.
    Store,
    /// The temporary store (`temp_limit` of `[system_usage]`), or its disk; memory is full, too.
    Temp,
}

impl LimitKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Memory, Self::DestinationMemory, Self::DestinationStore, Self::Store, Self::Temp];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::DestinationMemory => "destination_memory",
            Self::DestinationStore => "destination_store",
            Self::Store => "store",
            Self::Temp => "temp",
        }
    }

    /// Whether each destination has its own.
    pub fn is_of_destination(self) -> bool {
        matches!(self, Self::DestinationMemory | Self::DestinationStore)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Memory => "the broker's memory is full",
            Self::DestinationMemory => "the destination's memory is full",
            Self::DestinationStore => "the store has as much of the destination as it may",
            Self::Store => "the store or its disk is full",
            Self::Temp => "memory and the temporary store, or its disk, are full",
        }
    }
}

/// A limit that is reached: a message for a destination has to wait, or is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Which.
    pub limit: LimitKind,
    /// Where the message was to go.
    pub destination: Destination,
    /// Bytes in use.
    pub used: u64,
    /// Bytes that may be; `u64::MAX` when there is no limit but the disk.
    pub allowed: u64,
    /// Whether it may be over in a moment, for some of that counts twice until it is written.
    pub passing: bool,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, destination, used, allowed, .. } = self;
        write!(f, "no room for a message to {destination}: {} (", limit.words())?;
        match *allowed {
            u64::MAX => write!(f, "{used} bytes used)"),
            allowed => write!(f, "{used} of {allowed} bytes used)"),
        }
    }
}

/// What becomes of a message for which there is no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoSpace {
    /// It waits.
    #[default]
    Wait,
    /// It is refused after so long (ActiveMQ's `sendFailIfNoSpaceAfterTimeout`), or at once
    /// (`sendFailIfNoSpace`).
    FailAfter(Duration),
}

impl NoSpace {
    /// What the two settings of ActiveMQ's names say: the first one wins, and without a time there
    /// is none.
    pub fn of(fail: bool, after: Duration) -> Self {
        match (fail, after) {
            (true, _) => Self::FailAfter(Duration::ZERO),
            (false, Duration::ZERO) => Self::Wait,
            (false, after) => Self::FailAfter(after),
        }
    }
}
