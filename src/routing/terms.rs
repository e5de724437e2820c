//! What a destination lives by.

use std::sync::Arc;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_transport::clock::WallOffset;

use super::persistence::{Persistence, QueueStore};
use super::shortage::NoSpace;
use super::spool::Spool;
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
    /// How far the clock is ahead by which its messages expire.
    pub(super) offset: WallOffset,
    /// A topic's: where what it remembers is kept.
    pub(super) persistence: Option<Arc<Persistence>>,
    /// A queue's: where its persistent messages are kept.
    pub(super) store: Option<QueueStore>,
    /// A queue's: where other messages wait for which there is no memory.
    pub(super) spool: Option<Arc<Spool>>,
    /// How many bytes of what is kept and waits stay in memory.
    pub(super) window: u64,
    /// How many bytes the store may keep of it before producers wait.
    pub(super) store_limit: Option<u64>,
    /// What becomes of messages for which there is no room.
    pub(super) no_space: NoSpace,
}
