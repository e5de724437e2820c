//! Commits whose messages nobody gets before they are safe: a consumer here might act on what never
//! happened, and a broker beyond a bridge would keep a part of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_store::contract::{Failure, Listener, Ticket};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::broker::Broker;
use super::queue_handle::{Aftermath, QueueHandle};

/// The commits that the store has not settled, in their order.
///
/// Its lock is taken alone.
#[derive(Default)]
pub(super) struct SafeCommits {
    waiting: Mutex<VecDeque<Arc<Commit>>>,
    news: Arc<Notify>,
}

/// A commit, and what its queues hold back for it.
pub(super) struct Commit {
    places: Vec<(Arc<QueueHandle>, Vec<i64>)>,
    safe: AtomicBool,
    news: Arc<Notify>,
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commit").field("safe", &self.safe).finish_non_exhaustive()
    }
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
    pub(super) fn expect(&self, places: Vec<(Arc<QueueHandle>, Vec<i64>)>) -> Arc<Commit> {
        let (safe, news) = (AtomicBool::new(false), Arc::clone(&self.news));
        let commit = Arc::new(Commit { places, safe, news });
        self.waiting.lock().push_back(Arc::clone(&commit));
        commit
    }

    /// The next one that is safe.
    fn next(&self) -> Option<Arc<Commit>> {
        let mut waiting = self.waiting.lock();
        let safe = waiting.front().is_some_and(|commit| commit.safe.load(Ordering::Acquire));
        if safe { waiting.pop_front() } else { None }
    }
}

impl Broker {
    /// Completes when a commit has become safe, perhaps before this was called.
    pub async fn commit_is_safe(&self) {
        self.safe_commits.news.notified().await;
    }

    /// Lets consumers have what was committed and is safe. Whoever tells a client that its commit is
    /// done calls this before: what the client sends next comes behind it.
    pub fn let_go_of_commits(&self) {
        let now = self.clock.now_millis();
        let mut aftermath = Aftermath::default();
        while let Some(commit) = self.safe_commits.next() {
            for (queue, places) in &commit.places {
                aftermath.append(queue.let_go(places, now));
            }
        }
        self.clear_up(aftermath);
    }
}
