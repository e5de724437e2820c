//! Why a message is not taken.

use ferrymq_openwire::destination::Destination;

use super::shortage::Shortage;

/// Why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Nobody can send to such a name.
    #[error("cannot send to {address}: {reason}")]
    InvalidName {
        /// The address.
        address: Destination,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A temporary destination that is gone, or never was.
    #[error("the destination {address} does not exist.")]
    DoesNotExist {
        /// The address.
        address: Destination,
    },
    /// The name, or all names together, are too long.
    #[error(
        "no room for a name of {length} bytes: one may have {longest}, and all together {most}"
    )]
    NamesTooLong {
        /// How long the name is.
        length: usize,
        /// How long one may be.
        longest: usize,
        /// How long all may be.
        most: usize,
    },
    /// A list that is too long.
    #[error("cannot send to {targets} destinations at once: {most} are allowed")]
    TooManyTargets {
        /// How many it names.
        targets: usize,
        /// How many it may.
        most: usize,
    },
    /// A limit is reached, and messages do not wait for room.
    #[error("{0}")]
    NoSpace(Shortage),
    /// There was no room for as long as messages wait.
    #[error("no room for a message to {address} for as long as messages wait")]
    Overdue {
        /// The address.
        address: Destination,
    },
    /// The broker keeps no more destinations.
    #[error("cannot create {address}: the broker already has {most} destinations")]
    TooManyDestinations {
        /// The address.
        address: Destination,
        /// How many it keeps.
        most: usize,
    },
}
