//! What must outlive the broker: where and how it is kept.

use std::path::PathBuf;
use std::time::Duration;

use ferrymq_network::document::text::{Text, TextError};

/// Where and how a broker keeps what must outlive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder.
    pub directory: PathBuf,
    /// When what is written is made to survive a loss of power.
    pub sync: SyncStrategy,
    /// How long that may take with [`SyncStrategy::Interval`].
    pub sync_interval: Duration,
    /// Bytes of one file.
    pub segment_bytes: u32,
    /// Bytes of all files.
    pub limit: u64,
    /// Bytes of the files of what waits for want of memory only.
    pub temp_limit: u64,
}

impl StoreConfig {
    /// The disk is given back by whole segments: of a limit, one may take this part at most.
    pub const SEGMENTS: u64 = 5;
    /// The folder of a broker that is only told to keep messages.
    pub const DEFAULT_DIRECTORY: &'static str = "ferrymq-data";

    /// A store with the defaults, in a folder.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            sync: SyncStrategy::default(),
            sync_interval: Duration::from_secs(1),
            segment_bytes: 32 * 1024 * 1024,
            limit: 100 * 1024 * 1024 * 1024,
            temp_limit: 50 * 1024 * 1024 * 1024,
        }
    }
}

/// When what is written is made to survive a loss of power (ActiveMQ's
/// `journalDiskSyncStrategy`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncStrategy {
    /// Before it is confirmed.
    #[default]
    Always,
    /// At least every so often.
    Interval,
    /// When the system likes.
    Never,
}

impl Text for SyncStrategy {
    const EXPECTED: &'static str = "\"always\", \"interval\" or \"never\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        match text {
            "always" => Ok(Self::Always),
            // As ActiveMQ calls it.
            "interval" | "periodic" => Ok(Self::Interval),
            "never" => Ok(Self::Never),
            _ => Err(TextError::at(0, format!("`{text}` is not {}", Self::EXPECTED))),
        }
    }
}

/// A folder's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(pub PathBuf);

impl Text for DataDir {
    const EXPECTED: &'static str = "the path of a folder";

    fn parse(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::at(0, "the path of the folder is empty"));
        }
        Ok(Self(PathBuf::from(text)))
    }
}
