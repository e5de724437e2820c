//! What a store holds and no broker writes.

use ferrymq_store::contract::ReadError;

/// Why what a store holds cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read is not what a broker writes.
    #[error("the store holds {what} that this program cannot read: {reason}")]
    Unknown {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
}

pub(super) fn unknown(what: impl Into<String>, reason: impl std::fmt::Display) -> KeptError {
    KeptError::Unknown { what: what.into(), reason: reason.to_string() }
}
