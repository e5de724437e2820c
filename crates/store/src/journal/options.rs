//! How a journal is kept.

use std::time::Duration;

/// When what was written is made to survive a loss of power. The end of the process, `kill -9`
/// included, loses no settled batch in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before it is settled: no settled batch is ever lost.
    Always,
    /// At least this often: a loss of power may take the batches that were settled since then, the
    /// latest ones and no others.
    Interval(Duration),
    /// When a segment is full, and else when the system likes: a loss of power may take all that
    /// was settled since then, the latest batches and no others.
    Never,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// Threads of the journal: one that writes, and one that makes room ahead.
    Threads,
    /// Whoever calls [`step`](super::Journal::step), and `close`: for simulations, whose history must
    /// follow from a seed.
    Steps,
}

/// The settings of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// When it syncs.
    pub sync: Sync,
    /// Bytes of a segment, which is a file; from 16 KiB to 1 GiB (values beyond are cut).
    pub segment_bytes: u32,
    /// Bytes that its files may have before it counts as full; five segments in any case. What only
    /// forgets may go beyond, by the little that it needs.
    pub disk_limit: u64,
    /// Who does the work.
    pub drive: Drive,
    /// A random number. A journal that is made now takes it as its mark, so that files of two
    /// journals are told apart.
    pub identity: u64,
}

impl Options {
    /// Syncs always, in segments of 16 MiB, without a limit but the disk's.
    pub fn new(identity: u64) -> Self {
        Self {
            sync: Sync::Always,
            segment_bytes: 16 * 1024 * 1024,
            disk_limit: u64::MAX,
            drive: Drive::Threads,
            identity,
        }
    }

    pub(super) fn capacity(&self) -> u32 {
        self.segment_bytes.clamp(16 * 1024, 1024 * 1024 * 1024).next_multiple_of(4096)
    }
}
