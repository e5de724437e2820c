//! The temporary store, for non-persistent messages of queues for which there is no memory.

use std::sync::{Arc, OnceLock};

use ferrymq_openwire::destination::Destination;
use ferrymq_store::contract::{QueueId, Space};
use tokio::sync::Notify;

use super::persistence::{Persistence, QueueStore};
use crate::destination::Queue;

/// The temporary store of a broker. It is opened when it is wanted, which at most brokers is never.
#[derive(Debug, Default)]
pub(super) struct Spool {
    opened: OnceLock<Arc<Persistence>>,
    wanted: Notify,
}

/// A queue's part of it; the queue's lock guards it.
pub(super) struct QueueSpool {
    spool: Arc<Spool>,
    /// Made when it is first wanted.
    store: Option<QueueStore>,
    /// Bytes of a message that had to stay in memory: as much room is waited for.
    lacks: usize,
}

impl Spool {
    /// Completes when it is wanted, perhaps before this was called.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// It is open.
    pub(super) fn open(&self, persistence: Arc<Persistence>) {
        // There is one.
        let _ = self.opened.set(persistence);
    }

    /// How it stands, once it is open.
    pub(super) fn space(&self) -> Option<Space> {
        self.opened.get().map(|persistence| persistence.store().space())
    }
}

impl QueueSpool {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self { spool, store: None, lacks: 0 }
    }

    /// What the queue has there, if anything.
    pub(super) fn store(&self) -> Option<&QueueStore> {
        self.store.as_ref()
    }

    pub(super) fn store_mut(&mut self) -> Option<&mut QueueStore> {
        self.store.as_mut()
    }

    /// How the temporary store stands, once it is open.
    pub(super) fn space(&self) -> Option<Space> {
        self.spool.space()
    }

    /// Whether a message would be taken now that is as large as the last one that was not.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_for(self.lacks)
    }

    /// Whether so many bytes would be. What is not open yet is asked for.
    fn has_room_for(&self, bytes: usize) -> bool {
        match self.spool.opened.get() {
            Some(persistence) => persistence.has_room(bytes),
            None => {
                self.spool.wanted.notify_one();
                false
            }
        }
    }

    /// A message comes while memory is short: if it has to wait, it waits on disk.
    pub(super) fn expect(&mut self, bytes: usize, queue: &mut Queue) {
        if self.has_room_for(bytes) {
            self.lacks = 0;
            queue.spool_next();
        } else {
            self.lacks = bytes;
        }
    }

    /// Hands over what the queue spools, and what it has done with.
    pub(super) fn carry(&mut self, queue: &mut Queue, address: &Destination) {
        if self.store.is_none() && !queue.is_spooling() {
            return;
        }
        let Some(persistence) = self.spool.opened.get() else { return };
        let store = self.store.get_or_insert_with(|| persistence.queue_store(address));
        for message in queue.take_spooled() {
            store.keep(address, &message);
        }
        for place in queue.take_unspooled() {
            store.forget(place);
        }
        store.submit();
    }

    /// Forgets all of it.
    pub(super) fn end(&mut self) {
        if let Some(mut store) = self.store.take() {
            store.end(std::iter::empty());
        }
    }

    /// Where a page of it is read.
    pub(super) fn place(&self) -> Option<(Arc<Persistence>, QueueId)> {
        let store = self.store.as_ref()?;
        Some((Arc::clone(store.persistence()), store.id()?))
    }
}
