//! The summary of a segment: the records of all its groups, so that a journal opens without reading
//! what it keeps.

use super::format::{Cursor, GroupHeader, GroupKind, SegmentHeader, TRAILER, Trailer};
use super::index::Change;
use super::scan::{Found, Window, changes};
use std::io;

/// Adds a group whose bodies begin at `bodies`.
pub(super) fn add(summary: &mut Vec<u8>, bodies: u32, records: &[u8]) {
    summary.extend_from_slice(&bodies.to_le_bytes());
    summary.extend_from_slice(&(records.len() as u32).to_le_bytes());
    summary.extend_from_slice(records);
}

/// The groups of a summary: where the bodies of each begin, and its records. Ends early where the
/// summary makes no sense.
pub(super) fn groups(summary: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut cursor = Cursor(summary);
    std::iter::from_fn(move || {
        let bodies = cursor.u32()?;
        let length = cursor.u32()?;
        Some((bodies, cursor.take(length as usize)?))
    })
}

/// Calls `visit` with each change of a segment in order; says whether its summary made sense.
pub(super) fn all_changes(segment: u32, summary: &[u8], mut visit: impl FnMut(Change)) -> bool {
    let mut read = 0;
    let sound = groups(summary).all(|(bodies, records)| {
        read += 8 + records.len();
        changes(segment, bodies, records, &mut visit)
    });
    sound && read == summary.len()
}

/// A sealed segment's summary, or what is wrong with it and where.
pub(super) type Sealed = Result<(GroupHeader, Vec<u8>), (u64, &'static str)>;

/// Reads the summary of a sealed segment.
pub(super) fn read(window: &mut Window<'_>, segment: &SegmentHeader) -> io::Result<Sealed> {
    let end = u64::from(segment.capacity) - TRAILER as u64;
    let trailer = Trailer::decode(window.get(end, TRAILER)?);
    let trailer = trailer
        .filter(|trailer| trailer.segment == segment.segment && trailer.journal == segment.journal);
    let Some(trailer) = trailer else { return Ok(Err((end, "the end of a full segment"))) };
    let offset = u64::from(trailer.summary);
    Ok(match window.group(segment, offset)? {
        Found::Group(header, records) if header.kind == GroupKind::Summary => {
            Ok((header, records.to_vec()))
        }
        Found::Broken { offset, what } => Err((offset, what)),
        Found::Group(..) | Found::Nothing => Err((offset, "a segment's summary")),
    })
}
