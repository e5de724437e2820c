//! Marks by which destinations know what a transaction holds.

use std::num::NonZeroU32;
use std::sync::Arc;

use parking_lot::Mutex;

/// A transaction, as destinations know it: of those that are open, each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(NonZeroU32);

/// The marks in use. A mark is used again when its transaction has let go of everything, so that a
/// branch which stays prepared for days never meets another of its mark.
#[derive(Debug, Default)]
pub struct Tags {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The highest that was ever in use.
    highest: u32,
    free: Vec<Tag>,
}

/// A mark, until it is dropped: no destination may bear it then.
#[derive(Debug)]
pub struct TagLease {
    tag: Tag,
    tags: Arc<Tags>,
}

impl Tags {
    /// A mark that no open transaction has; none when there are four thousand million.
    pub fn lease(self: &Arc<Self>) -> Option<TagLease> {
        let mut state = self.state.lock();
        let tag = match state.free.pop() {
            Some(tag) => tag,
            None => {
                state.highest = state.highest.checked_add(1)?;
                Tag(NonZeroU32::new(state.highest)?)
            }
        };
        Some(TagLease { tag, tags: Arc::clone(self) })
    }
}

impl TagLease {
    /// The mark.
    pub fn tag(&self) -> Tag {
        self.tag
    }
}

impl Drop for TagLease {
    fn drop(&mut self) {
        self.tags.state.lock().free.push(self.tag);
    }
}
