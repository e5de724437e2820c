//! Which other brokers there are, how many clients they have, and who would go where.

mod announcement;
mod balance;
mod members;

pub(super) use announcement::{Announcement, TOPIC};
pub use balance::{Move, Plan};
pub use members::Member;
pub(super) use members::Members;
