//! What `send`, `receive` and `bench` share: where to connect, and how things are written on the
//! command line.

pub(super) mod base64;
pub(super) mod connect;
pub(super) mod destination;
pub(super) mod json;
pub(super) mod property;
pub(super) mod quantity;
pub(super) mod waiting;
