//! Topologies: what is refused, and what is found in what is accepted.

mod findings;
mod loading;
mod reachability;
