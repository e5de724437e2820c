//! Answers that wait until what they confirm is safe.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_openwire::command::Command;
use ferrymq_store::contract::{Failure, Listener, Ticket};
use ferrymq_transport::outbox::Outbox;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::routing::{Broker, Safe};

/// How many answers may wait before the connection is not read any more: as many messages as a
/// FerryMQ bridge has under way.
const MOST: usize = 16 * 1024;

/// One connection's answers that wait for the store.
///
/// Those to all commands of one reading wait for the same batch. Answers name the commands that they
/// belong to, so others may overtake them, and the connection is read on.
///
/// What need not wait for the store goes out after what its command set going, a dispatch most of
/// all: that is what somebody waits for, and each of the two wakes a task. The second one that is
/// woken would push the first one to another thread, which must be woken for it.
#[derive(Debug, Default)]
pub(super) struct HeldAnswers {
    /// To the commands that are being handled.
    fresh: Vec<Command>,
    /// Those of them that wait for nothing but their turn.
    following: Vec<Command>,
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
    /// What to wait on for news of the store, while answers wait.
    pub(super) fn heard(&self) -> Option<Arc<Heard>> {
        (!self.waiting.is_empty()).then(|| Arc::clone(&self.heard))
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() + self.fresh.len() >= MOST
    }

    /// Whether answers wait for room in the store.
    pub(super) fn want_room(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Sends all of them, as far as the store settles soon: the connection ends.
    pub(super) async fn finish(&mut self, broker: &Broker, outbox: &Outbox) {
        self.await_safety(broker, outbox);
        outbox.push_all(&mut self.following);
        while let Some(heard) = self.heard() {
            heard.news().await;
            self.release(outbox);
        }
    }

    /// Holds an answer to a command that is being handled.
    pub(super) fn hold(&mut self, answer: Command) {
        self.fresh.push(answer);
    }

    /// Sends an answer to a command that is being handled [after](Self::send_following) what it sets
    /// going.
    pub(super) fn follow(&mut self, answer: Command) {
        self.following.push(answer);
    }

    /// Lets what the commands of a reading have set going go first, and sends the answers that wait
    /// for nothing else.
    pub(super) async fn send_following(&mut self, outbox: &Outbox) {
        if !self.following.is_empty() {
            yield_now().await;
            outbox.push_all(&mut self.following);
        }
    }

    /// All commands of a reading have been handled: what was held back for them waits for the store,
    /// or for its turn.
    pub(super) fn await_safety(&mut self, broker: &Broker, outbox: &Outbox) {
        if self.fresh.is_empty() {
            return;
        }
        match broker.safe(|| Arc::clone(&self.heard) as Arc<dyn Listener>) {
            Safe::Now => self.following.append(&mut self.fresh),
            Safe::After(ticket) => {
                self.waiting.extend(self.fresh.drain(..).map(|answer| (ticket, answer)));
                self.release(outbox);
            }
            // It is asked again when the store has told of room.
            Safe::Later => {}
            Safe::Never => self.fresh.clear(),
        }
    }

    /// Sends what need not wait any more.
    pub(super) fn release(&mut self, outbox: &Outbox) {
        let last = self.heard.last();
        let ready = self.waiting.partition_point(|(ticket, _)| *ticket <= last);
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
