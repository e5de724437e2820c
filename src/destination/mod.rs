//! The living things at addresses: queues, topic subscriptions, their windows and limits.
//!
//! Everything here is a plain machine: input and time in, effects out. Nothing here knows of
//! connections, sockets or tasks, and no destination knows of another.

mod acknowledgement;
mod admission;
mod allowance;
mod audit;
mod audit_window;
mod backlog;
mod browse;
mod contender;
mod deadlines;
mod delivered;
mod doubts;
mod effects;
mod entry;
mod exclusive;
mod expiry;
mod filling;
mod former_ways;
mod frames;
mod handed;
mod in_doubt;
mod in_transactions;
mod inflow;
mod insight;
mod later;
mod memory;
mod on_request;
mod paged_places;
mod pages;
mod paging;
mod queue;
mod rate;
mod ready;
mod redelivery;
mod removal;
mod returns;
mod shared_window;
mod sharing;
mod sole_consumer;
mod spooled;
mod spooling;
mod subscription;
mod topic_subscription;
mod transacted;
mod way_changes;
mod ways;
mod window;

#[cfg(test)]
mod at_rest;
#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod doubt_tests;
#[cfg(test)]
mod long_scan_tests;
#[cfg(test)]
mod paging_bench;
#[cfg(test)]
mod paging_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod ways_tests;

pub use acknowledgement::{AckError, AckKind, Acknowledgement};
pub use admission::{Admission, NotAdmitted};
pub use audit::{Audit, AuditMemory, AuditSettings, Bringer};
pub use audit_window::{AuditRecord, Seen};
pub use delivered::Delivered;
pub use doubts::Doubt;
pub use effects::{DeadLetter, Dispatch, Effects, SubscriptionKey};
pub use frames::{Frames, TooLarge};
pub use handed::MarkRecord;
pub use inflow::{Gate, Inflow, Takers};
pub use insight::{HeldMessage, Obstacle, Search, SubscriptionInsight};
pub use memory::{Charge, MemoryAccount, SharedCharge, UncommittedCharge, WaitingCharge};
pub use pages::{Page, PageSize};
pub use paging::Keeping;
pub use queue::Queue;
pub use redelivery::RedeliveryPolicy;
pub use shared_window::{MemberNumber, Settled, SharedWindow};
pub use subscription::QueueSubscription;
pub use topic_subscription::{Pending, TopicSubscription};
pub use ways::Way;
pub use window::Outcome;
