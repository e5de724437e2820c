//! What a destination lives by.

use std::sync::Arc;

use crate::destination::{Audit, MemoryAccount};

/// What a destination is given when it comes to life.
pub(super) struct Terms {
    /// What its messages count on.
    pub(super) account: Arc<MemoryAccount>,
    /// Its memory of what bridges brought.
    pub(super) audit: Audit,
}
