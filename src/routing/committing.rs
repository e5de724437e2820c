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
    /// know of it is added to `batch`; until it does, nobody gets the messages at the places that
    /// are returned.
    pub(super) fn stage(
        &mut self,
        by: Tag,
        messages: Vec<(Arc<Message>, Arrival)>,
        sequence: &AtomicI64,
        now: i64,
        batch: &mut Batch,
    ) -> Vec<i64> {
        let State { queue, effects, store, .. } = &mut *self.state;
        let hold_back = store.is_some() && messages.iter().any(|(message, _)| message.persistent());
        if let Some(store) = store {
            store.swap(batch);
        }
        self.handle.counters().add_settled(queue.commit_held(by, now, effects));
        let mut held_back = Vec::new();
        for (message, arrival) in messages {
            let state = &mut self.state;
            held_back
                .extend(self.handle.take_in(state, message, arrival, sequence, now, hold_back));
        }
        if let State { effects, store: Some(store), .. } = &mut *self.state {
            effects.consumed.drain(..).for_each(|place| store.forget(place));
            store.swap(batch);
        }
        held_back
    }

    /// The batch is in the store: now consumers may have what was taken in.
    pub(super) fn finish(mut self, now: i64) -> Aftermath {
        self.handle.carry_out(&mut self.state, now)
    }
}
