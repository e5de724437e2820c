//! Whether a queue has room for the next message.

use std::sync::atomic::Ordering;

use ferrymq_openwire::destination::Destination;
use ferrymq_store::contract::Space;

use super::arrival::Arrival;
use super::pager::Paged;
use super::paging::is_full;
use super::persistence::QueueStore;
use super::queue_handle::{QueueHandle, State};
use super::shortage::{LimitKind, NoSpace, Shortage};
use crate::destination::{MemoryAccount, Queue};

impl QueueHandle {
    /// Whether the next message that comes so must wait for room. What a store keeps goes to disk
    /// while memory is full, unless consumers hold too much already.
    pub(super) fn is_full(&self, arrival: Arrival, persistent: bool) -> bool {
        let without_memory = arrival.finds_full(self.account());
        if (!persistent || self.store_limit.is_none()) && !without_memory {
            return false;
        }
        // Before the queue is asked: it may change its mind at once.
        self.turned_away.store(true, Ordering::SeqCst);
        if !persistent {
            let mut state = self.state.lock();
            let State { queue, spool, .. } = &mut *state;
            // What it spools need not wait for memory either.
            return spool.as_ref().is_none_or(|spool| !spool.has_room()) || queue.would_hold();
        }
        let waits = |queue: &mut Queue, store: &mut QueueStore| {
            Some(self.fills(store) || without_memory && queue.would_hold())
        };
        self.with_store(waits).unwrap_or(without_memory)
    }

    /// Which limit keeps the next message out that comes so; none: it has room by now.
    pub(super) fn shortage(&self, arrival: Arrival, persistent: bool) -> Option<Shortage> {
        if !self.is_full(arrival, persistent) {
            return None;
        }
        if !persistent && let Some(space) = self.spool_space() {
            // One that makes room at this moment is not full.
            let (used, allowed) = (space.used, space.limit);
            let destination = self.address().clone();
            return space.full.then_some(Shortage {
                limit: LimitKind::Temp,
                destination,
                used,
                allowed,
                passing: false,
            });
        }
        let on_disk = |_: &mut Queue, store: &mut QueueStore| {
            let limit = self.store_limit.filter(|_| persistent && self.fills(store))?;
            Some(Shortage {
                limit: LimitKind::DestinationStore,
                destination: self.address().clone(),
                used: store.bytes(),
                allowed: limit,
                passing: store.written() < limit,
            })
        };
        // There may be room by now.
        let of_memory = || {
            let full = arrival.finds_full(self.account());
            full.then(|| of_memory(self.account(), self.address()))
        };
        self.with_store(on_disk).or_else(of_memory)
    }

    /// How the temporary store stands, if that is what its messages wait for.
    fn spool_space(&self) -> Option<Space> {
        let state = self.state.lock();
        state.spool.as_ref()?.space().filter(|_| !state.queue.would_hold())
    }

    /// Whether the store keeps as much of it as it may.
    pub(super) fn fills_its_store(&self) -> bool {
        self.with_store(|_, store| Some(self.fills(store))).unwrap_or(false)
    }

    /// What becomes of a message for which there is no room.
    pub(super) fn no_space(&self) -> NoSpace {
        self.no_space
    }

    fn fills(&self, store: &mut QueueStore) -> bool {
        self.store_limit
            .is_some_and(|limit| is_full(store, &|| Paged::Queue(self.address().clone()), limit))
    }
}

/// A destination's account is full: its own limit is reached, or that of the broker.
pub(super) fn of_memory(account: &MemoryAccount, destination: &Destination) -> Shortage {
    let destination = destination.clone();
    if account.used() >= account.limit() {
        let (used, allowed) = (account.used(), account.limit());
        let limit = LimitKind::DestinationMemory;
        return Shortage { limit, destination, used, allowed, passing: false };
    }
    let (used, allowed) = account.of_broker();
    Shortage { limit: LimitKind::Memory, destination, used, allowed, passing: false }
}
