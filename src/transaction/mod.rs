//! Transactions as machines: which are open, what each step makes of them, and how those ended that
//! a client may ask about again.
//!
//! Nothing here knows what a transaction does: its work is of a type that the caller chooses.

mod branches;
mod outcomes;
mod tag;
mod xa_error;

#[cfg(test)]
mod tests;

pub use branches::{Branch, BranchSnapshot, Branches, Ending, MOST_REMEMBERED, Phase, Prepare};
pub use outcomes::{CommitPage, Outcome, Outcomes, RecentCommits};
pub use tag::{Tag, TagLease, Tags};
pub use xa_error::{XaCode, XaError};
