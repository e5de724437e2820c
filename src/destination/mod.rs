//! The living things at addresses: queues, topic subscriptions, their windows and limits.
//!
//! Everything here is a plain machine: input and time in, effects out. Nothing here knows of
//! connections, sockets or tasks, and no destination knows of another.

mod acknowledgement;
mod admission;
mod audit;
mod backlog;
mod browse;
mod effects;
mod entry;
mod exclusive;
mod insight;
mod memory;
mod on_request;
mod queue;
mod ready;
mod shared_window;
mod topic_subscription;
mod window;

#[cfg(test)]
mod tests;

pub use acknowledgement::{AckError, AckKind, Acknowledgement};
pub use admission::{Admission, NotAdmitted};
pub use audit::{Audit, AuditMemory, AuditSettings, Seen};
pub use effects::{DeadLetter, Dispatch, Effects, SubscriptionKey};
pub use insight::{HeldMessage, Obstacle, Search, SubscriptionInsight};
pub use memory::{Charge, MemoryAccount, SharedCharge};
pub use queue::{Delivered, Queue, QueueSubscription};
pub use shared_window::{MemberNumber, Settled, SharedWindow};
pub use topic_subscription::{Pending, TopicSubscription};
pub use window::Outcome;
