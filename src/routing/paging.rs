//! What a queue tells its store, and hears of it, about messages that need not be in memory.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_store::contract::Refusal;

use super::pager::Recall;
use super::persistence::QueueStore;
use crate::destination::Queue;

/// Lets go out what may, and asks for what is to come in. Under the queue's lock, after each input.
pub(super) fn look_after(queue: &mut Queue, store: &QueueStore, address: &Destination) {
    if !queue.is_paging() {
        return;
    }
    let persistence = store.persistence();
    queue.page_out(persistence.store().settled().0);
    if queue.wants_fence() {
        let recall = Recall { pager: Arc::clone(persistence.pager()), queue: address.clone() };
        match persistence.barrier(Arc::new(recall)) {
            Ok(ticket) => {
                queue.set_fence(ticket.0);
                queue.page_out(persistence.store().settled().0);
            }
            Err(Refusal::Full) => persistence.pager().call_later(address),
            // The broker ends.
            Err(_) => {}
        }
    }
    if queue.ask_for_page() {
        persistence.pager().call(address);
    }
}
