//! What a store promises, whatever it is made of.

mod batch;
mod bounds;
mod error;
mod store;

pub use batch::{Batch, Holders, MOST_BODY, MOST_HOLDERS, MOST_KEY, Operation, QueueId, Table};
pub use error::{Failure, ReadError, Refusal};
pub use store::{Entry, Listener, Observer, QueueState, ReadLimits, Space, Store, Stored, Ticket};
