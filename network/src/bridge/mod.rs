//! One live, one-directional forwarding relation between two brokers.
//!
//! [`machine::Bridge`] decides, without I/O; [`driver`] moves commands between its two links.
//! Nothing here redials: a bridge ends once, with a reason.

mod advised;
mod by_number;
mod credit;
pub mod driver;
pub mod effects;
mod forwarder;
mod introduction;
mod liveness;
pub mod machine;
mod outgoing;
pub mod phase;
mod recent;
mod refusal;
pub mod settings;
mod settling;
mod window;
mod work;
