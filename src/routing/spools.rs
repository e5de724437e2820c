//! The temporary store of a broker: opening it, and looking at it.

use std::sync::Arc;

use ferrymq_store::contract::{Observer, Space, Store};

use super::broker::Broker;
use super::pager::Pager;
use super::persistence::Persistence;
use crate::destination::MemoryAccount;

impl Broker {
    /// Completes when a temporary store is wanted, perhaps before this was called; never without
    /// [`BrokerSettings::spools`](super::BrokerSettings::spools).
    pub async fn spool_wanted(&self) {
        match &self.spool {
            Some(spool) => spool.wanted().await,
            None => std::future::pending().await,
        }
    }

    /// The temporary store, which is empty and is forgotten when the broker ends.
    pub fn give_spool(&self, store: Arc<dyn Store>) {
        let (Some(spool), Some(kept)) = (&self.spool, &self.persistence) else { return };
        let spooled = Persistence::with_pager(store, Arc::clone(kept.pager()));
        let (memory, pager) = (Arc::clone(&self.memory), Arc::clone(kept.pager()));
        spooled.watch(Arc::new(Watcher { memory, pager }));
        spool.open(spooled);
        self.memory.space().notify_waiters();
    }

    /// Bytes that the temporary store has, and may have; `None` while there is none.
    pub fn spool_space(&self) -> Option<Space> {
        self.spool.as_ref().and_then(|spool| spool.space())
    }
}

/// Hears of room there. Its failure ends nothing: what is not there stays in memory.
struct Watcher {
    memory: Arc<MemoryAccount>,
    pager: Arc<Pager>,
}

impl Observer for Watcher {
    fn room(&self) {
        self.pager.room();
        self.memory.space().notify_waiters();
    }
}
