//! Whether there is a journal at all.

use std::path::Path;

use crate::journal::segment::number_in;

/// Whether files of a journal are in a directory. Nothing is made or locked.
pub fn is_in(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.into_iter().any(|name| number_in(&name).is_some())
}
