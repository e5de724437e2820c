//! A broker that takes up what it kept, and what its connections ask about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferrymq_store::contract::{Failure, Listener, Observer, Refusal, Ticket};
use tokio::sync::watch;

use super::broker::Broker;
use super::directory::Living;
use super::kept_error::KeptError;
use super::pager::{Paged, Pager};
use super::publish_error::PublishError;
use super::queue_handle::Aftermath;
use super::room::Room;
use super::subscribe_error::SubscribeError;
use super::undecided::Undecided;
use crate::destination::MemoryAccount;

/// So many bytes may be kept at once by whoever is at it, beside what room was asked for.
const SMALL: usize = 64 * 1024;

/// When what a connection confirms is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safe {
    /// It need not be, or nothing is kept.
    Now,
    /// When this batch is settled.
    After(Ticket),
    /// Nobody can say yet: the store has no room, and tells when it has.
    Later,
    /// It will not be: the store has failed, and the broker ends.
    Never,
}

/// Why a broker cannot go on with what its store holds.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// It cannot be read, or is not what a broker keeps.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// It names a destination that cannot live.
    #[error(transparent)]
    Destination(#[from] PublishError),
    /// It holds a subscription that cannot be made.
    #[error(transparent)]
    Subscription(#[from] SubscribeError),
}

impl Broker {
    /// Brings back what the store holds: before anybody connects.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or holds what no broker wrote. Nothing is changed then.
    pub fn recover(&self) -> Result<Recovered, RecoveryError> {
        let mut recovered = Recovered::default();
        let Some(persistence) = &self.persistence else { return Ok(recovered) };
        persistence.watch(Arc::new(Watcher {
            memory: Arc::clone(&self.memory),
            pager: Arc::clone(persistence.pager()),
            failed: self.store_failure.clone(),
        }));
        self.sequence.fetch_max(persistence.last_sequence().saturating_add(1), Ordering::Relaxed);
        // All that has a number is known before anything may be given a new one.
        let (kept, subscriptions) = (persistence.queues()?, persistence.subscriptions()?);
        let kept_topics = persistence.topics()?;
        let mut undecided = Undecided::read(persistence, &self.tags)?;
        let mut queues = BTreeMap::new();
        let mut aftermath = Aftermath::default();
        for (id, address) in kept {
            // Whether its name may still be sent to is of no matter: it is there.
            let Living::Queue(queue) = self.create_destination(&address)? else { continue };
            queues.insert(id, Arc::clone(&queue));
            recovered.queues += 1;
            let state = persistence.state(id);
            recovered.messages += usize::try_from(state.messages).unwrap_or(usize::MAX);
            aftermath.append(queue.take_up(&state));
            for (place, tag) in undecided.held_of(id) {
                if let Some(message) = persistence.message(id, place)? {
                    queue.restore_held(message, tag);
                }
            }
            undecided.join_queue(id, &queue);
        }
        for (id, (info, permits)) in subscriptions {
            let back = (&mut undecided, &mut recovered);
            let left = self.recover_durable(persistence, (id, info, permits), back)?;
            aftermath.append(left);
        }
        let mut topics = BTreeMap::new();
        for (id, address) in kept_topics {
            if let Living::Topic(topic) = self.create_destination(&address)? {
                topic.take_up(id);
                topics.insert(id, topic);
            }
        }
        persistence.receipts(|id, record| match (queues.get(&id), topics.get(&id)) {
            (Some(queue), _) => {
                queue.recall(record);
                true
            }
            (None, Some(topic)) => {
                topic.recall(record);
                true
            }
            (None, None) => false,
        })?;
        let now = self.clock.now_millis();
        persistence.marks(|id, mark| {
            let queue = queues.get(&id);
            queue.map(|queue| aftermath.append(queue.recall_mark(mark, now))).is_some()
        })?;
        recovered.branches = undecided.restore(self);
        self.recover_outcomes(persistence)?;
        self.clear_up(aftermath);
        // The fronts of queues, as long as there is memory: the rest comes when somebody wants it.
        for queue in queues.values().take_while(|_| !self.memory.is_pressed()) {
            self.page(&Paged::Queue(queue.address().clone()));
        }
        Ok(recovered)
    }

    /// Whether persistent messages are kept.
    pub fn is_persistent(&self) -> bool {
        self.persistence.is_some()
    }

    /// Whether a persistent message of so many bytes can be kept now. What wakes those who wait for
    /// memory wakes those who were turned away here.
    pub fn has_room_to_keep(&self, bytes: usize) -> bool {
        self.persistence.as_ref().is_none_or(|persistence| persistence.has_room(bytes))
    }

    /// Sets aside room for a persistent message of so many bytes, if there is any now. A small one
    /// needs nothing set aside.
    pub fn room_to_keep(&self, bytes: usize) -> Option<Room> {
        match &self.persistence {
            Some(persistence) if bytes > SMALL => Room::of(persistence, bytes),
            _ => self.has_room_to_keep(bytes).then(Room::default),
        }
    }

    /// Completes when the store has failed: then the broker can confirm nothing any more, and must
    /// end.
    pub async fn store_failed(&self) -> Failure {
        let mut failed = self.store_failure.subscribe();
        loop {
            if let Some(failure) = failed.borrow_and_update().clone() {
                return failure;
            }
            // The sender is the broker's own.
            if failed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// When all that was done until now is safe; `listener` hears of it.
    pub fn safe(&self, listener: impl FnOnce() -> Arc<dyn Listener>) -> Safe {
        match &self.persistence {
            None => Safe::Now,
            Some(persistence) => match persistence.barrier(listener()) {
                Ok(ticket) => Safe::After(ticket),
                Err(Refusal::Full) => Safe::Later,
                Err(refusal) => {
                    let failure = Failure::new("keep a batch in", "the store", refusal);
                    self.store_failure.send_if_modified(|known| {
                        let first = known.is_none();
                        known.get_or_insert(failure);
                        first
                    });
                    Safe::Never
                }
            },
        }
    }
}

/// Hears of the store what concerns the whole broker.
struct Watcher {
    memory: Arc<MemoryAccount>,
    pager: Arc<Pager>,
    failed: watch::Sender<Option<Failure>>,
}

impl Observer for Watcher {
    /// Wakes producers, and queues that could not ask what they may let go.
    fn room(&self) {
        self.pager.room();
        self.memory.space().notify_waiters();
    }

    fn failed(&self, failure: &Failure) {
        self.failed.send_replace(Some(failure.clone()));
    }
}

/// What a broker took up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Queues.
    pub queues: usize,
    /// Durable subscriptions.
    pub subscriptions: usize,
    /// Messages in all of them.
    pub messages: usize,
    /// Prepared branches of distributed transactions that wait for a decision.
    pub branches: usize,
}
