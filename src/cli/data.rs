//! The journal of a broker that must not forget.

use std::sync::Arc;

use ferrymq_store::contract::Store;
use ferrymq_store::journal::{Journal, OpenError, Options, Sync};
use ferrymq_store::volume::{Directory, DirectoryError};

use crate::config::{StoreConfig, SyncStrategy};

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot open the journal: {0}; `ferrymq store verify` says more")]
    Journal(#[from] OpenError),
}

/// Opens the journal that a configuration names, and makes it if there is none.
pub(super) fn open(config: &StoreConfig, identity: u64) -> Result<Arc<dyn Store>, DataError> {
    let directory = Directory::take(&config.directory)?;
    let options = Options {
        sync: match config.sync {
            SyncStrategy::Always => Sync::Always,
            SyncStrategy::Interval => Sync::Interval(config.sync_interval),
            SyncStrategy::Never => Sync::Never,
        },
        segment_bytes: config.segment_bytes,
        disk_limit: config.limit,
        ..Options::new(identity)
    };
    let (journal, opened) = Journal::open(Arc::new(directory), &options)?;
    if let Some(torn) = &opened.torn {
        tracing::info!(
            file = %torn.file,
            offset = torn.offset,
            "what was being written when the broker ended is dropped: it was confirmed to nobody"
        );
    }
    Ok(Arc::new(journal))
}
