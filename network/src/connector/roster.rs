//! The links of a connector, for whoever looks at them: discovery lets them come and go.

use std::sync::Arc;

use parking_lot::Mutex;

use super::board::LinkBoard;

/// The boards of a connector's links, in the order in which the links came.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkRoster {
    boards: Arc<Mutex<Vec<Arc<LinkBoard>>>>,
}

impl LinkRoster {
    pub(super) fn add(&self, board: Arc<LinkBoard>) {
        self.boards.lock().push(board);
    }

    pub(super) fn remove(&self, board: &Arc<LinkBoard>) {
        self.boards.lock().retain(|other| !Arc::ptr_eq(other, board));
    }

    /// Those that there are now.
    pub(super) fn boards(&self) -> Vec<Arc<LinkBoard>> {
        self.boards.lock().clone()
    }
}
