//! Why a consumer is refused.

use ferrymq_openwire::destination::Destination;

use super::durable_name::DurableError;
use super::publish_error::PublishError;
use crate::selector::SelectorError;

/// Why a consumer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// No destination.
    #[error("the consumer names no destination")]
    NoDestination,
    /// Nobody can consume from such a name.
    #[error("cannot consume from {address}: {reason}")]
    InvalidName {
        /// The address.
        address: Destination,
        /// What is wrong with it.
        reason: String,
    },
    /// Only its owner consumes from a temporary destination.
    #[error("cannot consume from {0}: only the connection that made it may")]
    ForeignTemporary(Destination),
    /// Something that this broker does not do yet.
    #[error("{0} not supported yet")]
    NotSupported(&'static str),
    /// Its selector cannot be understood.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// The destination cannot live.
    #[error(transparent)]
    Destination(#[from] PublishError),
    /// The durable subscription does not take it.
    #[error(transparent)]
    Durable(#[from] DurableError),
}
