//! Finding another broker, and giving it the connection's state back.
//!
//! A [`FailoverList`] names brokers and agents that find more of them. [`FailoverPolicy`] says which
//! address is tried and when, `RestoreState` what a new broker is told; both are machines without
//! I/O. It does not dial and asks no agent: the connection's driver does.

mod brokers;
mod event;
mod list;
mod list_error;
mod members;
mod options;
mod policy;
mod restore;
mod same;

pub use brokers::Found;
pub use event::{ConnectionEvent, Observer};
pub use list::FailoverList;
pub use list_error::ListError;
pub use options::{FAILOVER_OPTIONS, FailoverOptions};
pub(crate) use options::{addresses, read_list};
pub use policy::{FailoverPolicy, Next, Reaction};
pub(crate) use restore::{RestoreState, Tied};
pub(crate) use same::same;
