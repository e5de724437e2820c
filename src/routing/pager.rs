//! Which queues something is to be done for about what they have on disk.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_store::contract::{Failure, Listener, Ticket};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::durable_name::DurableName;

/// Who has messages on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paged {
    /// A queue.
    Queue(Destination),
    /// A durable subscription.
    Subscription(DurableName),
}

impl fmt::Display for Paged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(address) => address.fmt(f),
            Self::Subscription(DurableName { client, name }) => {
                write!(f, "durable subscription {name} of client {client}")
            }
        }
    }
}

/// Queues that wait for a page, or for messages that can be read by now. Its lock is the last of all:
/// a queue calls it under its own, and a store's thread under the store's.
#[derive(Debug, Default)]
pub(super) struct Pager {
    /// The one that was served last: all have their turn.
    last: Mutex<Option<Paged>>,
    called: Mutex<BTreeSet<Paged>>,
    calls: Notify,
    /// Somebody waits for memory that queues may hold for their backlogs.
    short: Notify,
    /// Those that call when the store has room again.
    later: Mutex<BTreeSet<Paged>>,
}

impl Pager {
    /// Something is to be done for a queue.
    pub(super) fn call(&self, queue: &Paged) {
        if self.called.lock().insert(queue.clone()) {
            self.calls.notify_one();
        }
    }

    /// Something is to be done for a queue when the store has room.
    pub(super) fn call_later(&self, queue: &Paged) {
        self.later.lock().insert(queue.clone());
    }

    /// The store has room.
    pub(super) fn room(&self) {
        let later = std::mem::take(&mut *self.later.lock());
        if !later.is_empty() {
            self.called.lock().extend(later);
            self.calls.notify_one();
        }
    }

    /// Memory is short.
    pub(super) fn press(&self) {
        self.short.notify_one();
    }

    /// Completes when memory is short, perhaps before this was called.
    pub(super) async fn pressed(&self) {
        self.short.notified().await;
    }

    /// The next queue, in turn.
    pub(super) fn next(&self) -> Option<Paged> {
        let mut last = self.last.lock();
        let mut called = self.called.lock();
        let after = match &*last {
            Some(last) => called.range(last..).find(|queue| *queue != last).cloned(),
            None => None,
        };
        let next = after.or_else(|| called.first().cloned())?;
        called.remove(&next);
        *last = Some(next.clone());
        Some(next)
    }

    /// Completes when a queue has called, perhaps before this was called.
    pub(super) async fn calls(&self) {
        self.calls.notified().await;
    }
}

/// Calls for a queue when a batch is settled.
pub(super) struct Recall {
    pub(super) pager: Arc<Pager>,
    pub(super) queue: Paged,
}

impl Listener for Recall {
    fn settled(&self, _: Ticket, outcome: Result<(), &Failure>) {
        if outcome.is_ok() {
            self.pager.call(&self.queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_have_their_turn_however_often_one_calls() {
        let pager = Pager::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| Paged::Queue(Destination::queue(name)));
        let mut served = Vec::new();
        for _ in 0..6 {
            for queue in [&a, &b, &c] {
                pager.call(queue);
            }
            served.extend(pager.next());
        }
        assert_eq!(served, [a.clone(), b.clone(), c.clone(), a, b, c]);
    }
}
