//! The journal of a broker that must not forget.

use std::io::ErrorKind;
use std::sync::Arc;

use ferrymq_store::contract::Store;
use ferrymq_store::journal::{Journal, OpenError, Options, Sync};
use ferrymq_store::volume::{Directory, DirectoryError};

use crate::config::{StoreConfig, SyncStrategy};
use crate::node::OpenSpool;

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

/// The folder, within that of a broker, of what waits for want of memory.
const SPOOL: &str = "tmp";
/// The range of the length of its files, in bytes: large enough for what a broker asks for at once,
/// small enough that what is drained is given back.
const SPOOL_SEGMENTS: (u64, u64) = (2 * 1024 * 1024, 8 * 1024 * 1024);

/// Removes what a former broker spooled in a folder that is taken, and says how to spool there. It is
/// a journal as well, which is never synced: it gives space back as messages go, and is bounded, by
/// the code that does so for what is kept.
pub(super) fn spool(config: &StoreConfig, identity: u64) -> OpenSpool {
    let (path, limit) = (config.directory.join(SPOOL), config.temp_limit);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(folder = %path.display(), %error, "what was spooled is still there");
        }
        _ => {}
    }
    let (least, most) = SPOOL_SEGMENTS;
    let options = Options {
        sync: Sync::Never,
        segment_bytes: u32::try_from((limit / 8).clamp(least, most)).unwrap_or(u32::MAX),
        disk_limit: limit,
        ..Options::new(identity)
    };
    Arc::new(move || {
        let directory = Directory::take_empty(&path)?;
        let (journal, _) = Journal::open(Arc::new(directory), &options)?;
        Ok(Arc::new(journal) as Arc<dyn Store>)
    })
}
