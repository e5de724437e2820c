//! The demand beyond one bridge: who over there wants what, and the subscriptions made for it here.
//!
//! No I/O and no time: announcements in, subscriptions to make and to end out.

pub mod durable;
mod members;
pub mod policy;
pub mod table;
