//! What a queue does with non-persistent messages for which there is no memory: they wait in a
//! temporary store, in their places among the others.

use std::sync::Arc;

use ferrymq_openwire::message::Message;

use super::entry::Entry;
use super::paging::Keeping;
use super::queue::Queue;
use super::spooled::Spooled;

impl Queue {
    /// Whether a message that comes now, and has to wait, had better wait on disk.
    pub fn is_short_of_memory(&self) -> bool {
        self.paging.is_some() && self.account.is_short()
    }

    /// The next message that comes goes to the temporary store if it has to wait.
    pub fn spool_next(&mut self) {
        if let Some(paging) = &mut self.paging {
            paging.spool.next = true;
        }
    }

    /// What the temporary store is to keep, each under its `broker_sequence_id`.
    pub fn take_spooled(&mut self) -> Vec<Arc<Message>> {
        let paging = self.paging.as_mut();
        paging.map(|paging| std::mem::take(&mut paging.spool.fresh)).unwrap_or_default()
    }

    /// Places of what it is to forget, after that.
    pub fn take_unspooled(&mut self) -> Vec<i64> {
        self.paging.as_ref().map(|paging| paging.spool.gone.take()).unwrap_or_default()
    }

    /// Whether it is to keep something.
    pub fn is_spooling(&self) -> bool {
        self.paging.as_ref().is_some_and(|paging| !paging.spool.fresh.is_empty())
    }

    /// An entry begins to wait: one for which there is no memory goes to the temporary store. One
    /// that returns to an old place stays in memory, for stores take messages in their order.
    pub(super) fn spool(&mut self, mut entry: Entry) -> Entry {
        let Some(paging) = &mut self.paging else { return entry };
        if !std::mem::take(&mut paging.spool.next)
            || entry.persistent
            || !paging.is_latest(entry.sequence)
        {
            return entry;
        }
        entry.follows = paging.kept(entry.sequence, Keeping::Spool);
        entry.spooled = Some(Spooled::new(entry.sequence, &paging.spool.gone));
        paging.spool.fresh.push(Arc::clone(&entry.message));
        entry
    }
}
