//! Answers that wait until what they confirm is safe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_openwire::command::Command;
use ferrymq_store::contract::{Failure, Listener, Ticket};
use ferrymq_transport::outbox::Outbox;
use tokio::sync::Notify;

/// How many answers may wait before the connection is not read any more. A bridge has no more than
/// this under way.
const MOST: usize = 16 * 1024;

/// One connection's answers that wait for the store.
///
/// What the store has not settled is not confirmed, but neither does it hold up the connection:
/// answers name the commands that they belong to, so others may overtake them.
#[derive(Debug, Default)]
pub(super) struct HeldAnswers {
    /// In the order of their tickets.
    waiting: VecDeque<(Ticket, Command)>,
    heard: Arc<Heard>,
}

/// What the store has said of this connection's batches.
#[derive(Debug, Default)]
pub(super) struct Heard {
    settled: AtomicU64,
    /// Wakes the connection's task.
    news: Notify,
}

impl Listener for Heard {
    fn settled(&self, ticket: Ticket, outcome: Result<(), &Failure>) {
        // After a failure nothing is confirmed any more; the broker ends.
        if outcome.is_ok() {
            self.settled.fetch_max(ticket.0, Ordering::Release);
            self.news.notify_one();
        }
    }
}

impl HeldAnswers {
    /// Who is to hear of this connection's batches.
    pub(super) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.heard) as Arc<dyn Listener>
    }

    /// What to wait on for news of the store.
    pub(super) fn heard(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// Sends an answer once a batch is settled: at once, if it is.
    pub(super) fn send(&mut self, after: Ticket, answer: Command, outbox: &Outbox) {
        if self.waiting.is_empty() && after <= self.heard.last() {
            outbox.push(answer);
        } else {
            self.waiting.push_back((after, answer));
        }
    }

    /// Sends what need not wait any more.
    pub(super) fn release(&mut self, outbox: &Outbox) {
        let last = self.heard.last();
        let ready = self.waiting.iter().take_while(|(ticket, _)| *ticket <= last).count();
        let mut answers = self.waiting.drain(..ready).map(|(_, answer)| answer).collect();
        outbox.push_all(&mut answers);
    }
}

impl Heard {
    /// The last batch of this connection that is settled.
    fn last(&self) -> Ticket {
        Ticket(self.settled.load(Ordering::Acquire))
    }

    /// Completes when more is settled, perhaps before this was called.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}
