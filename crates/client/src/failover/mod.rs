//! Finding another broker, and giving it the connection's state back.
//!
//! [`FailoverPolicy`] says which address is tried and when, `RestoreState` what a new broker is
//! told; both are machines without I/O. It does not dial: the connection's driver does.

mod event;
mod list;
mod options;
mod policy;
mod restore;

pub use event::{ConnectionEvent, Observer};
pub(crate) use list::same;
pub use list::{FailoverList, ListError};
pub use options::{FAILOVER_OPTIONS, FailoverOptions};
pub(crate) use options::{addresses, read_list};
pub use policy::{FailoverPolicy, Next, Reaction};
pub(crate) use restore::{RestoreState, Tied};
