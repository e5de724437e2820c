//! Checking every byte that a journal relies on.

use crate::contract::Failure;
use crate::journal::format::{GROUP_HEADER, GroupKind, HEADER, SegmentHeader};
use crate::journal::load::{OpenError, TornTail, find, load};
use crate::journal::scan::{Found, Window, after};
use crate::journal::segment::SegmentFile;
use crate::journal::summary;
use crate::volume::Volume;

/// What checking came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments that are needed.
    pub segments: usize,
    /// Groups that were checked, with all their bodies.
    pub groups: u64,
    /// Messages that are kept; one that several queues hold counts for each. 0 if it cannot be
    /// opened.
    pub messages: u64,
    /// All that is damaged; none if it is sound.
    pub findings: Vec<Finding>,
    /// What was left unfinished at the end. It was never settled, and is no damage.
    pub torn: Option<TornTail>,
}

/// Something that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, if it is one.
    pub file: Option<String>,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong, as a sentence that names file and offset too.
    pub what: String,
}

impl From<OpenError> for Finding {
    fn from(error: OpenError) -> Self {
        let what = error.to_string();
        let (file, offset) = match error {
            OpenError::Damaged { file, offset, .. } => (Some(file), offset),
            OpenError::Version { file, .. } | OpenError::Foreign { file, .. } => (Some(file), 0),
            OpenError::Missing { .. } | OpenError::Device(_) => (None, 0),
        };
        Self { file, offset, what }
    }
}

/// Reads a journal through, and checks all that it relies on. Nothing is changed.
///
/// # Errors
///
/// If the device fails; damage is in what is returned.
pub fn verify(volume: &dyn Volume) -> Result<Verified, Failure> {
    let mut verified = Verified::default();
    let mut head = 0;
    match load(volume) {
        Ok(loaded) => {
            verified.segments = loaded.segments.len();
            let states = loaded.index.states();
            verified.messages = states.iter().map(|state| state.messages).sum();
            if let Some(tail) = loaded.last {
                verified.torn = tail.torn;
                head = tail.head;
            }
        }
        Err(OpenError::Device(failure)) => return Err(failure),
        Err(error) => verified.findings.push(error.into()),
    }
    let files = match find(volume) {
        Ok(files) => files,
        Err(OpenError::Device(failure)) => return Err(failure),
        // It has been noted.
        Err(_) => return Ok(verified),
    };
    let last = files.segments.keys().next_back().copied();
    for (number, (file, header)) in &files.segments {
        if *number >= head {
            check(volume, file, header, Some(*number) == last, &mut verified)?;
        }
    }
    Ok(verified)
}

/// Checks a segment group by group, and that its summary says the same.
fn check(
    volume: &dyn Volume,
    file: &SegmentFile,
    header: &SegmentHeader,
    is_last: bool,
    verified: &mut Verified,
) -> Result<(), Failure> {
    let failed = file.failure(volume, "read");
    let mut window = Window::new(file);
    let mut offset = HEADER as u64;
    let mut records = Vec::new();
    for number in header.first_group.. {
        let wrong = match window.group(header, offset).map_err(&failed)? {
            Found::Group(group, content) if group.number == number => {
                verified.groups += 1;
                if group.kind == GroupKind::Summary {
                    if content != records {
                        verified.note(volume, file, offset, "a segment's summary");
                    }
                    break;
                }
                let bodies = (offset as usize + GROUP_HEADER) as u32;
                let part = content.get(group.bodies as usize..).unwrap_or_default();
                summary::add(&mut records, bodies, part);
                offset = after(offset, &group);
                continue;
            }
            Found::Broken { offset, what } => (offset, what),
            Found::Group(..) | Found::Nothing => (offset, "a group"),
        };
        // Where the last segment ends was judged when it was loaded.
        if !is_last {
            verified.note(volume, file, wrong.0, wrong.1);
        }
        break;
    }
    if !is_last {
        let read = summary::read(&mut window, header).map_err(&failed)?;
        if let Err((offset, what)) = read {
            verified.note(volume, file, offset, what);
        }
    }
    Ok(())
}

impl Verified {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn note(&mut self, volume: &dyn Volume, file: &SegmentFile, offset: u64, what: &'static str) {
        let error = OpenError::Damaged { file: volume.show(&file.name), offset, what };
        let finding = Finding::from(error);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}
