//! Where everything is that is kept: in memory, and rebuilt whenever a journal is opened.

mod changes;
mod kept;
mod place;
mod queue;

pub(super) use changes::Change;
pub(super) use kept::Index;
pub(super) use place::Place;
