//! Reading a journal as it was left: what is kept, and where its end is. Nothing is written.

use std::collections::BTreeMap;

use thiserror::Error;

use super::format::{GROUP_HEADER, GroupHeader, GroupKind, HEADER, HeaderError, SegmentHeader};
use super::index::Index;
use super::scan::{Found, Window, after};
use super::segment::{SegmentFile, number_in};
use super::summary;
use crate::contract::Failure;
use crate::volume::Volume;

/// Why a journal cannot be opened. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Something that had been made durable is not there any more. Where a torn write may explain
    /// it, it is no error.
    #[error("{file} is damaged at offset {offset}: {what} does not fit")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it, in bytes.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// A whole file is gone.
    #[error("segment {segment} of the journal is missing in {place}")]
    Missing {
        /// The segment's number.
        segment: u32,
        /// Where it should be.
        place: String,
    },
    /// Another program wrote it.
    #[error("{file} has format {version}; this program reads and writes format 1 only")]
    Version {
        /// The file.
        file: String,
        /// Its format.
        version: u16,
    },
    /// Files of two journals are in one place.
    #[error("{file} belongs to another journal than {other}")]
    Foreign {
        /// A file.
        file: String,
        /// Another one.
        other: String,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] Failure),
}

/// What a loss of power left behind the last group that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub file: String,
    /// Where in it, in bytes: what stands from here on was never durable, and is forgotten.
    pub offset: u64,
}

/// A journal as it was left.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) index: Index,
    /// Those that are needed, by number.
    pub(super) segments: BTreeMap<u32, SegmentFile>,
    /// `None` when there is no journal yet.
    pub(super) last: Option<Tail>,
    /// Files that are of no use any more, and can be used again.
    pub(super) unused: Vec<SegmentFile>,
    /// The highest number in a file's name.
    pub(super) last_name: u64,
}

/// The last segment, and how it ends.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) header: SegmentHeader,
    /// Where the next group goes.
    pub(super) end: u64,
    /// The last group's number.
    pub(super) number: u64,
    /// The lowest segment that is needed, as the last group knew it.
    pub(super) head: u32,
    /// What of it was not known to be synced when its last group was written.
    pub(super) unattested: std::ops::Range<u64>,
    /// The records of its groups.
    pub(super) summary: Vec<u8>,
    /// Where its summary begins, if it is written.
    pub(super) sealed: Option<u64>,
    /// Whether something stands behind its end that could be taken for a group later.
    pub(super) dirty: bool,
    pub(super) torn: Option<TornTail>,
}

/// Segments as they lie there.
pub(super) struct Files {
    /// By number.
    pub(super) segments: BTreeMap<u32, (SegmentFile, SegmentHeader)>,
    /// Without a header that counts.
    blank: Vec<SegmentFile>,
    last_name: u64,
}

/// Reads the journal of a volume.
pub(super) fn load(volume: &dyn Volume) -> Result<Loaded, OpenError> {
    let files = find(volume)?;
    let mut loaded = Loaded { last_name: files.last_name, ..Loaded::default() };
    let Some((last, (file, header))) = files.segments.last_key_value() else {
        loaded.unused = checked_blank(volume, files.blank, 0)?;
        return Ok(loaded);
    };
    let last = *last;
    let mut tail = read_tail(volume, file, *header)?;
    let blank = checked_blank(volume, files.blank, last)?;
    let mut expected = None;
    for number in tail.head..=last {
        let Some((file, header)) = files.segments.get(&number) else {
            return Err(missing(volume, &blank, number));
        };
        if expected.is_some_and(|expected| expected != header.first_group) {
            let what = "the number of a segment's first group";
            return Err(damaged(volume, file, 0, what));
        }
        loaded.index.last_sequence = loaded.index.last_sequence.max(header.last_sequence);
        if number == last {
            let sound = summary::all_changes(last, &tail.summary, |change| {
                loaded.index.apply(change);
            });
            debug_assert!(sound, "it was made of groups that are whole");
        } else {
            expected = Some(read_sealed(volume, file, header, &mut loaded.index)?);
        }
    }
    loaded.unused = blank;
    for (number, (file, _)) in files.segments {
        if number < tail.head {
            loaded.unused.push(file);
        } else {
            loaded.segments.insert(number, file);
        }
    }
    loaded.index.last_sequence = loaded.index.last_sequence.max(tail.last_sequence());
    tail.summary.shrink_to_fit();
    loaded.last = Some(tail);
    Ok(loaded)
}

pub(super) fn find(volume: &dyn Volume) -> Result<Files, OpenError> {
    let failed = |error| Failure::new("list", &volume.show(""), error);
    let mut names: Vec<(u64, String)> = Vec::new();
    for name in volume.list().map_err(failed)? {
        names.extend(number_in(&name).map(|number| (number, name)));
    }
    names.sort();
    let last_name = names.last().map_or(0, |(number, _)| *number);
    let mut files = Files { segments: BTreeMap::new(), blank: Vec::new(), last_name };
    let mut first: Option<(u64, String)> = None;
    for (_, name) in names {
        let shown = volume.show(&name);
        let failed = |error| Failure::new("read", &shown, error);
        let file = volume.open(&name).map_err(failed)?;
        let mut page = vec![0; HEADER];
        let filled = file.read_at(&mut page, 0).map_err(failed)?;
        page.truncate(filled);
        let length = file.length().map_err(failed)?;
        match SegmentHeader::decode(&page) {
            Ok(header) => {
                let (journal, other) = first.get_or_insert((header.journal, shown.clone()));
                if header.journal != *journal {
                    return Err(OpenError::Foreign { file: shown, other: other.clone() });
                }
                let file = SegmentFile { name, file, capacity: header.capacity };
                if files.segments.insert(header.segment, (file, header)).is_some() {
                    let what = "a segment's number, which another file has too,";
                    return Err(OpenError::Damaged { file: shown, offset: 12, what });
                }
            }
            Err(HeaderError::Version(version)) => {
                return Err(OpenError::Version { file: shown, version });
            }
            Err(HeaderError::Invalid) => {
                let capacity = u32::try_from(length).unwrap_or(0);
                files.blank.push(SegmentFile { name, file, capacity });
            }
        }
    }
    Ok(files)
}

/// A file without a header was never begun, unless it holds a group that is newer than all others.
fn checked_blank(
    volume: &dyn Volume,
    blank: Vec<SegmentFile>,
    last: u32,
) -> Result<Vec<SegmentFile>, OpenError> {
    for file in &blank {
        if first_group(volume, file)?.is_some_and(|group| group.segment > last) {
            return Err(damaged(volume, file, 0, "a segment's header"));
        }
    }
    Ok(blank)
}

fn first_group(volume: &dyn Volume, file: &SegmentFile) -> Result<Option<GroupHeader>, Failure> {
    let mut bytes = [0; GROUP_HEADER];
    let read = file.file.read_at(&mut bytes, HEADER as u64);
    read.map_err(file.failure(volume, "read"))?;
    Ok(GroupHeader::decode(&bytes))
}

/// A segment is not there, or its header is damaged.
fn missing(volume: &dyn Volume, blank: &[SegmentFile], segment: u32) -> OpenError {
    let holds = |file: &&SegmentFile| {
        first_group(volume, file).ok().flatten().is_some_and(|group| group.segment == segment)
    };
    match blank.iter().find(holds) {
        Some(file) => damaged(volume, file, 0, "a segment's header"),
        None => OpenError::Missing { segment, place: volume.show("") },
    }
}

fn damaged(volume: &dyn Volume, file: &SegmentFile, offset: u64, what: &'static str) -> OpenError {
    OpenError::Damaged { file: volume.show(&file.name), offset, what }
}

/// Adds a full segment; returns the number of the next one's first group.
fn read_sealed(
    volume: &dyn Volume,
    file: &SegmentFile,
    header: &SegmentHeader,
    index: &mut Index,
) -> Result<u64, OpenError> {
    let mut window = Window::new(file);
    let read = summary::read(&mut window, header).map_err(file.failure(volume, "read"))?;
    let (group, records) = read.map_err(|(offset, what)| damaged(volume, file, offset, what))?;
    let sound = summary::all_changes(header.segment, &records, |change| index.apply(change));
    if !sound {
        return Err(damaged(volume, file, 0, "a segment's summary"));
    }
    index.last_sequence = index.last_sequence.max(group.last_sequence);
    Ok(group.number + 1)
}

/// Reads the last segment group by group. What stops this must be what a loss of power can leave;
/// otherwise something durable is damaged.
fn read_tail(
    volume: &dyn Volume,
    file: &SegmentFile,
    header: SegmentHeader,
) -> Result<Tail, OpenError> {
    let failed = file.failure(volume, "read");
    let mut tail = Tail::new(header);
    let mut window = Window::new(file);
    // Groups that may not have been synced: where each begins.
    let mut unattested: BTreeMap<u64, u64> = BTreeMap::new();
    let broken = loop {
        let number = tail.number + 1;
        match window.group(&header, tail.end).map_err(&failed)? {
            Found::Group(group, content) if group.number == number => {
                unattested.insert(number, tail.end);
                unattested = unattested.split_off(&(group.synced + 1));
                tail.take(&group, content);
                if tail.sealed.is_some() {
                    break None;
                }
            }
            Found::Group(..) => break Some((tail.end, "a group's number")),
            Found::Broken { offset, what } => break Some((offset, what)),
            Found::Nothing => break Some((tail.end, "a group")),
        }
    };
    tail.unattested = unattested.values().next().copied().unwrap_or(tail.end)..tail.end;
    if let Some((at, what)) = broken {
        look_behind(volume, file, &mut window, &mut tail, (at, what))?;
    }
    let length = file.file.length().map_err(&failed)?;
    tail.dirty |= length < u64::from(header.capacity);
    Ok(tail)
}

/// A group is not whole. If a later one says that it had been, the journal is damaged; if not, it
/// was never durable.
fn look_behind(
    volume: &dyn Volume,
    file: &SegmentFile,
    window: &mut Window<'_>,
    tail: &mut Tail,
    (at, what): (u64, &'static str),
) -> Result<(), OpenError> {
    let number = tail.number + 1;
    let mut from = tail.end;
    loop {
        let next = window.next_header(&tail.header, from, number);
        let Some((place, group)) = next.map_err(file.failure(volume, "read"))? else {
            return Ok(());
        };
        if group.synced >= number {
            return Err(damaged(volume, file, at, what));
        }
        tail.dirty = true;
        let torn = TornTail { file: volume.show(&file.name), offset: tail.end };
        tail.torn.get_or_insert(torn);
        from = place + 8;
    }
}

impl Tail {
    fn new(header: SegmentHeader) -> Self {
        Self {
            header,
            end: HEADER as u64,
            number: header.first_group.saturating_sub(1),
            head: header.head,
            unattested: 0..0,
            summary: Vec::new(),
            sealed: None,
            dirty: false,
            torn: None,
        }
    }

    fn take(&mut self, group: &GroupHeader, content: &[u8]) {
        let bodies = (self.end as usize + GROUP_HEADER) as u32;
        self.number = group.number;
        self.head = self.head.max(group.head.min(self.header.segment));
        self.header.last_sequence = self.header.last_sequence.max(group.last_sequence);
        if group.kind == GroupKind::Summary {
            self.sealed = Some(self.end);
        } else {
            let records = content.get(group.bodies as usize..).unwrap_or_default();
            summary::add(&mut self.summary, bodies, records);
        }
        self.end = after(self.end, group);
    }

    fn last_sequence(&self) -> u64 {
        self.header.last_sequence
    }
}
