//! Whole brokers and their clients in one process, over simulated links on a paused clock.
//!
//! Every test binary compiles this module and uses its own part of it, hence the allowances.
#![allow(dead_code, unused_imports, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod device;
mod machine;
mod shape;
mod simulation;

pub use machine::Machine;
pub use shape::{LINE, MESH, NAMES, RING, STAR, Shape, TREE, brokers};
pub use simulation::{Simulation, address, run};
