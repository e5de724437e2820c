//! What can go wrong.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why a store ended: the device did not do what it was told. It is for good; nothing is promised
/// to be durable any more, and a later attempt would prove nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Arc<str>);

impl Failure {
    /// Something that was attempted, on which file, and why it failed.
    pub fn new(attempt: &str, file: &str, reason: impl fmt::Display) -> Self {
        Self(format!("cannot {attempt} {file}: {reason}").into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Why a batch was not taken. It is untouched; nothing of it will ever take effect.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no room now for what the batch would keep. An [`Observer`](super::Observer) hears
    /// when there is again.
    #[error("the store is full")]
    Full,
    /// An operation of the batch is beyond a bound that always holds.
    #[error("{what} of {size} is more than a store takes ({most})")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size or number.
        size: usize,
        /// The bound.
        most: usize,
    },
    /// The store has failed, and takes nothing any more.
    #[error("the store has failed: {0}")]
    Failed(Failure),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// Why something that is kept could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// What is there is not what was written.
    #[error("{file} is damaged at offset {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What does not fit.
        what: &'static str,
        /// The number of the message that it is, if it is one: what comes after it may be sound.
        sequence: Option<u64>,
    },
    /// The device did not give it.
    #[error(transparent)]
    Device(Failure),
}
