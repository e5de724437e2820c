//! What a destination lives by.

use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;

use super::persistence::{Persistence, QueueStore};
use crate::destination::{Audit, MemoryAccount, RedeliveryPolicy};

/// What a destination is given when it comes to life.
pub(super) struct Terms {
    /// What its messages count on.
    pub(super) account: Arc<MemoryAccount>,
    /// Its memory of what bridges brought.
    pub(super) audit: Audit,
    /// A queue's: what goes back over bridges.
    pub(super) replay: ReplayPolicy,
    /// A queue's: what is tried again.
    pub(super) redelivery: RedeliveryPolicy,
    /// A queue's: how long what another broker may have is held for that one, in milliseconds.
    pub(super) in_doubt_hold: i64,
    /// A topic's: where what it remembers is kept.
    pub(super) persistence: Option<Arc<Persistence>>,
    /// A queue's: where its persistent messages are kept.
    pub(super) store: Option<QueueStore>,
    /// How many bytes of what is kept and waits stay in memory.
    pub(super) window: u64,
    /// How many bytes the store may keep of it before producers wait.
    pub(super) store_limit: Option<u64>,
}
