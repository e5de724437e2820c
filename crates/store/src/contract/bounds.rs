//! Bounds that hold for every batch.

use super::batch::{Batch, MOST_BODY, MOST_HOLDERS, MOST_KEY, Operation};
use super::error::Refusal;

impl Batch {
    /// Whether each of its operations is within the bounds of every store.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.operations.iter().try_for_each(check)
    }
}

fn check(operation: &Operation) -> Result<(), Refusal> {
    match operation {
        Operation::Append { holders, body, .. } => {
            within("a message's list of queues", holders.as_slice().len(), MOST_HOLDERS)?;
            within("a message", body.len(), MOST_BODY)
        }
        Operation::Put { key, value, .. } => {
            within("a key", key.len(), MOST_KEY)?;
            within("a value", value.len(), MOST_BODY)
        }
        Operation::Remove { key, .. } => within("a key", key.len(), MOST_KEY),
        Operation::Acknowledge { .. } | Operation::Clear { .. } => Ok(()),
    }
}

fn within(what: &'static str, size: usize, most: usize) -> Result<(), Refusal> {
    if size > most { Err(Refusal::TooLarge { what, size, most }) } else { Ok(()) }
}
