//! Ways that carry messages still, although nearer ones were found.

use std::collections::BTreeMap;

use ferrymq_openwire::ids::BrokerId;

/// Where a nearer way was found while another one to the same broker was in use: it waits until that
/// has run empty, so that nothing overtakes what it carries.
#[derive(Debug, Default)]
pub(super) struct FormerWays {
    /// By the broker that they lead to.
    pub(super) waiting: BTreeMap<BrokerId, Waiting>,
}

/// For how long, and what for.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: i64,
    /// When something was last seen on a former way.
    pub(super) in_use: i64,
    /// How long that takes beyond the next broker.
    pub(super) underway: i64,
    /// When to look again.
    pub(super) due: i64,
}

impl FormerWays {
    /// When to look whether they have run empty.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }
}
