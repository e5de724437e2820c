//! Why a message waits: every consumer and every link that was considered, with the verdict and
//! what would change it.
//!
//! Nothing here decides anything. A queue's own admission and the bridges' rules are asked the same
//! questions as when they dispatch, about messages and subscriptions that were copied out of the
//! queue's lock.

mod answer;
mod build;
mod consumers;
mod finding;
mod links;
mod wish;

pub use answer::{
    Considered, ExplainAnswer, GroupAnswer, GroupFinding, HeldMessageAnswer, MessagePlace,
};
pub(super) use build::explain;
pub(super) use wish::Wish;
