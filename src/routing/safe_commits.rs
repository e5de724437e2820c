//! Commits whose messages nobody gets before they are safe: a consumer here might act on what never
//! happened, and a broker beyond a bridge would keep a part of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_store::contract::{Failure, Listener, Ticket};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::durable_subscriber::DurableSubscriber;
use super::queue_handle::{Aftermath, QueueHandle};

/// The commits that the store has not settled, in their order.
#[derive(Default)]
pub(super) struct SafeCommits {
    /// Taken under the locks of queues.
    waiting: Mutex<VecDeque<Arc<Commit>>>,
    /// Held while they let go, so that commits do so in their order; taken before their locks.
    turn: Mutex<()>,
    news: Arc<Notify>,
}

/// Who holds back what a commit sent there.
pub(super) enum Holder {
    Queue(Arc<QueueHandle>),
    Durable(Arc<DurableSubscriber>),
}

impl Holder {
    /// Lets consumers have it.
    pub(super) fn let_go(&self, places: &[i64], now: i64) -> Aftermath {
        match self {
            Self::Queue(queue) => queue.let_go(places, now),
            Self::Durable(subscriber) => subscriber.let_go(places, now),
        }
    }
}

/// A commit, and the places of what is held back for it.
pub(super) struct Commit {
    places: Vec<(Holder, Vec<i64>)>,
    safe: AtomicBool,
    news: Arc<Notify>,
}

impl Listener for Commit {
    fn settled(&self, _: Ticket, outcome: Result<(), &Failure>) {
        // After a failure the broker ends.
        if outcome.is_ok() {
            self.safe.store(true, Ordering::Release);
            self.news.notify_one();
        }
    }
}

impl SafeCommits {
    /// A commit whose batch is about to be handed to the store; it listens to that.
    pub(super) fn expect(&self, places: Vec<(Holder, Vec<i64>)>) -> Arc<Commit> {
        let (safe, news) = (AtomicBool::new(false), Arc::clone(&self.news));
        let commit = Arc::new(Commit { places, safe, news });
        self.waiting.lock().push_back(Arc::clone(&commit));
        commit
    }

    /// Completes when one has become safe, perhaps before this was called.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Lets `each` have what the safe ones hold back, one commit after the other.
    pub(super) fn let_go(&self, mut each: impl FnMut(&Holder, &[i64])) {
        let _turn = self.turn.lock();
        while let Some(commit) = self.next() {
            commit.places.iter().for_each(|(holder, places)| each(holder, places));
        }
    }

    /// The next one that is safe.
    fn next(&self) -> Option<Arc<Commit>> {
        let mut waiting = self.waiting.lock();
        let safe = waiting.front().is_some_and(|commit| commit.safe.load(Ordering::Acquire));
        if safe { waiting.pop_front() } else { None }
    }
}
