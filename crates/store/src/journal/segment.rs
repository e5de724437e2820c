//! Segments as files.

use std::io;
use std::sync::Arc;

use crate::contract::Failure;
use crate::volume::{Volume, VolumeFile};

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".segment";

/// How much is written at once to fill a new file.
const FILLING: usize = 1024 * 1024;

/// A file that is a segment, or may become one.
#[derive(Debug, Clone)]
pub(super) struct SegmentFile {
    pub(super) name: String,
    pub(super) file: Arc<dyn VolumeFile>,
    /// Its length in bytes.
    pub(super) capacity: u32,
}

/// Whether the blocks of a new file are written once, which makes every later write of them
/// quicker: writing into blocks that were only reserved changes what the file system knows of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    Zeros,
    None,
}

impl SegmentFile {
    /// Makes a file that will be found again. Nothing is left of one that cannot be made.
    pub(super) fn make(
        volume: &dyn Volume,
        name: String,
        capacity: u32,
        filling: Filling,
    ) -> io::Result<Self> {
        let file = volume.create(&name)?;
        let made = fill(&*file, capacity, filling).and_then(|()| volume.sync_names());
        if let Err(error) = made {
            // The first error is the one to tell.
            let _ = volume.remove(&name);
            return Err(error);
        }
        Ok(Self { name, file, capacity })
    }

    /// Puts the file and what failed in words.
    pub(super) fn failure<'a>(
        &'a self,
        volume: &'a dyn Volume,
        attempt: &'static str,
    ) -> impl Fn(io::Error) -> Failure + 'a {
        move |error| Failure::new(attempt, &volume.show(&self.name), error)
    }
}

fn fill(file: &dyn VolumeFile, capacity: u32, filling: Filling) -> io::Result<()> {
    file.allocate(u64::from(capacity))?;
    if filling == Filling::Zeros {
        let zeros = vec![0; FILLING];
        let end = capacity as usize;
        for offset in (0..end).step_by(FILLING) {
            let part = zeros.get(..FILLING.min(end - offset)).unwrap_or_default();
            file.write_at(part, offset as u64)?;
        }
    }
    file.sync()
}

/// The name of the file with this number.
pub(super) fn name_of(number: u64) -> String {
    format!("{PREFIX}{number:06}{SUFFIX}")
}

/// The number in a file's name, if it is that of a segment.
pub(super) fn number_in(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}
