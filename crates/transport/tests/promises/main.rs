//! What the transport promises, one file each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod addresses;
mod frames;
mod half_open_peers;
mod handshakes;
mod links;
mod liveness;
mod outboxes;
mod parity;
mod pipes;
mod simulated_faults;
mod simulated_lines;
mod sockets;
