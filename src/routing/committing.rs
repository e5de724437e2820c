//! A queue while a transaction is committed.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use ferrymq_openwire::message::Message;
use ferrymq_store::contract::Batch;
use parking_lot::MutexGuard;

use super::arrival::Arrival;
use super::queue_handle::{Aftermath, QueueHandle, State};
use crate::transaction::Tag;

impl QueueHandle {
    /// Keeps everybody else away for a commit; not if the queue has been deleted.
    ///
    /// Whoever keeps them away from several queues takes these in the order of their addresses.
    pub(super) fn committing(&self) -> Option<Committing<'_>> {
        let state = self.state.lock();
        (!state.removed).then_some(Committing { handle: self, state })
    }
}

/// A queue while a transaction is committed; nobody else sees it.
pub(super) struct Committing<'a> {
    handle: &'a QueueHandle,
    state: MutexGuard<'a, State>,
}

impl Committing<'_> {
    /// What the transaction holds here is consumed, and `messages` are taken in. What a store must
    /// know of it is added to `batch`.
    pub(super) fn stage(
        &mut self,
        by: Tag,
        messages: Vec<(Arc<Message>, Arrival)>,
        sequence: &AtomicI64,
        now: i64,
        batch: &mut Batch,
    ) {
        let State { queue, effects, store, .. } = &mut *self.state;
        if let Some(store) = store {
            store.swap(batch);
        }
        self.handle.counters().add_settled(queue.commit_held(by, now, effects));
        for (message, arrival) in messages {
            self.handle.take_in(&mut self.state, message, arrival, sequence, now);
        }
        if let State { effects, store: Some(store), .. } = &mut *self.state {
            effects.consumed.drain(..).for_each(|place| store.forget(place));
            store.swap(batch);
        }
    }

    /// The batch is in the store: now consumers may have what was taken in.
    pub(super) fn finish(mut self, now: i64) -> Aftermath {
        self.handle.carry_out(&mut self.state, now)
    }
}
