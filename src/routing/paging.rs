//! What a queue tells its store, and hears of it, about messages that need not be in memory.

use std::sync::Arc;

use ferrymq_store::contract::{QueueState, Refusal, Ticket};

use super::pager::{Paged, Recall};
use super::persistence::QueueStore;
use crate::destination::{Keeping, Queue};

/// Lets go out what may, and asks for what is to come in. Under the queue's lock, after each input.
pub(super) fn look_after(
    queue: &mut Queue,
    store: &QueueStore,
    spool: Option<&QueueStore>,
    who: &dyn Fn() -> Paged,
) {
    if queue.wants_mark_fence()
        && let Some(ticket) = recall(store, who)
    {
        queue.set_mark_fence(ticket.0);
    }
    if !queue.is_paging() {
        return;
    }
    page_out(queue, store, Keeping::Store, who);
    if let Some(spool) = spool {
        page_out(queue, spool, Keeping::Spool, who);
    }
    if queue.ask_for_page() {
        store.persistence().pager().call(&who());
    }
}

fn page_out(queue: &mut Queue, store: &QueueStore, of: Keeping, who: &dyn Fn() -> Paged) {
    let settled = || store.persistence().store().settled().0;
    queue.page_out(settled(), of);
    if queue.wants_fence(of)
        && let Some(ticket) = recall(store, who)
    {
        queue.set_fence(ticket.0, of);
        queue.page_out(settled(), of);
    }
}

/// Looks after the queue again when all that was handed to the store until now is settled, with this
/// batch; or when the store has room, if it has none.
pub(super) fn recall(store: &QueueStore, who: &dyn Fn() -> Paged) -> Option<Ticket> {
    let persistence = store.persistence();
    let recall = Recall { pager: Arc::clone(persistence.pager()), queue: who() };
    match persistence.barrier(Arc::new(recall)) {
        Ok(ticket) => Some(ticket),
        Err(Refusal::Full) => {
            persistence.pager().call_later(&who());
            None
        }
        // The broker ends.
        Err(_) => None,
    }
}

/// Whether the store keeps so many bytes of a queue. When that changes, or may change because it was
/// not known exactly, the queue is looked after.
pub(super) fn is_full(store: &mut QueueStore, who: &dyn Fn() -> Paged, limit: u64) -> bool {
    if store.bytes() < limit {
        return false;
    }
    if store.wants_mark()
        && let Some(ticket) = recall(store, who)
    {
        store.mark(ticket);
    }
    store.bytes() >= limit
}

/// Takes up what the store holds for a queue.
pub(super) fn take_up(queue: &mut Queue, state: &QueueState) {
    if let (Some(first), Some(last)) = (state.first, state.last) {
        let place = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let count = usize::try_from(state.messages).unwrap_or(usize::MAX);
        queue.take_up(count, place(first), place(last));
    }
}

/// Says what is set aside.
pub(super) fn tell_set_aside(who: &Paged, damaged: &[(i64, String)]) {
    for (place, error) in damaged {
        tracing::error!(
            queue = %who,
            place,
            %error,
            "a damaged message is set aside, and stays in the store until it is released"
        );
    }
}
