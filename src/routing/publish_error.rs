//! Why a message is not taken.

use ferrymq_openwire::destination::Destination;

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
    /// The broker keeps no more destinations.
    #[error("cannot create {address}: the broker already has {most} destinations")]
    TooManyDestinations {
        /// The address.
        address: Destination,
        /// How many it keeps.
        most: usize,
    },
}
