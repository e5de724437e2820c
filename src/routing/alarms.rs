//! Which queues want to be woken, and when.

use std::collections::BTreeSet;

use ferrymq_openwire::destination::Destination;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Queues by the time at which they want to be woken; locked alone. A queue stands here again only
/// for an earlier time.
#[derive(Default)]
pub(super) struct Alarms {
    set: Mutex<BTreeSet<(i64, Destination)>>,
    earlier: Notify,
}

impl Alarms {
    /// Wakes a queue at a time, in milliseconds since 1970.
    pub(super) fn set(&self, at: i64, queue: Destination) {
        let mut set = self.set.lock();
        let first = set.first().is_none_or(|(first, _)| at < *first);
        set.insert((at, queue));
        drop(set);
        if first {
            self.earlier.notify_one();
        }
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<i64> {
        self.set.lock().first().map(|(at, _)| *at)
    }

    /// Completes when another one has become the first.
    pub(super) async fn changed(&self) {
        self.earlier.notified().await;
    }

    /// Takes out one that is due.
    pub(super) fn take_due(&self, now: i64) -> Option<Destination> {
        let mut set = self.set.lock();
        if set.first()?.0 > now {
            return None;
        }
        set.pop_first().map(|(_, queue)| queue)
    }
}
