//! `ferrymq up`: every broker of a topology on this machine, in one process, with its links and
//! workloads, and a live view of them.

mod command;
mod gate;
mod picture;
mod plan;
mod screen;
mod workload;

pub(super) use command::{UpArguments, run};
