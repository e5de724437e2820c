//! Packing a journal.

use std::sync::Arc;

use thiserror::Error;

use crate::contract::{Failure, Store};
use crate::journal::load::OpenError;
use crate::journal::options::{Drive, Options};
use crate::journal::store::Journal;
use crate::volume::Volume;

/// What packing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the files before.
    pub before: u64,
    /// Bytes of the files after; the spare files among them go when they are not needed.
    pub after: u64,
}

/// Why a journal was not packed. What it keeps is kept in any case.
#[derive(Debug, Error)]
pub enum CompactError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] Failure),
}

/// Moves all that a journal keeps together and gives the rest back. A loss of power meanwhile loses
/// nothing. Needs room for two segments.
///
/// # Errors
///
/// See [`CompactError`].
pub fn compact(volume: Arc<dyn Volume>, options: &Options) -> Result<Compacted, CompactError> {
    let options = Options { drive: Drive::Steps, ..options.clone() };
    let (journal, _) = Journal::open(volume, &options)?;
    let before = journal.disk_bytes();
    journal.compact()?;
    let after = journal.disk_bytes();
    journal.close()?;
    Ok(Compacted { before, after })
}
