//! What a topic remembers of the messages that came, also when its broker was started anew.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::{Batch, MOST_KEY, QueueId, Table};

use super::persistence::Persistence;
use crate::destination::{Audit, AuditRecord, Bringer, Seen};

/// How many words a store has still that were forgotten, before it is told.
const STALE: usize = 64;

/// A topic's audit. As far as durable subscriptions get what it remembers, that is kept with their
/// messages: a bridge that brings one again after a crash finds it known.
pub(super) struct TopicAudit {
    audit: Audit,
    persistence: Option<Arc<Persistence>>,
    /// The topic's number in the store, given with the first message that is kept.
    id: Option<QueueId>,
    /// What the store may have and is to forget.
    stale: Vec<AuditRecord>,
}

impl TopicAudit {
    pub(super) fn new(audit: Audit, persistence: Option<Arc<Persistence>>) -> Self {
        Self { audit, persistence, id: None, stale: Vec::new() }
    }

    /// A durable subscription stands in the topic: what it is given is remembered for good.
    pub(super) fn record(&mut self) {
        if self.persistence.is_some() {
            self.audit.record();
        }
    }

    /// The store knows the topic by this number.
    pub(super) fn take_up(&mut self, id: QueueId) {
        self.id = Some(id);
        self.record();
    }

    /// Remembers again what the store has.
    pub(super) fn recall(&mut self, record: &AuditRecord) {
        self.audit.restore(record);
    }

    pub(super) fn seen(&mut self, message: &Message, by: Bringer) -> Option<Seen> {
        self.audit.seen(message, by)
    }

    pub(super) fn take_forgotten(&mut self) -> u64 {
        self.audit.take_forgotten()
    }

    /// Adds to `batch`, which keeps a message, that it has come.
    pub(super) fn keep(&mut self, topic: &Destination, batch: &mut Batch) {
        let Some(persistence) = &self.persistence else { return };
        let mut records = self.stale.drain(..).chain(self.audit.take_records()).peekable();
        if records.peek().is_none() {
            return;
        }
        let id = *self.id.get_or_insert_with(|| {
            let id = persistence.next_queue();
            let name = topic.name().as_bytes().to_vec();
            batch.put(Table::Topic, Table::queue_key(id).to_vec(), name);
            id
        });
        records.for_each(|record| write(id, &record, batch));
    }

    /// The message that came last is not kept.
    pub(super) fn pass(&mut self) {
        let Self { audit, persistence, id, stale } = self;
        // What is said of a message again says it of those before.
        stale.extend(audit.take_records().filter(|record| record.word == 0 && id.is_some()));
        if let (Some(persistence), Some(id)) = (persistence, *id)
            && stale.len() >= STALE
        {
            let mut batch = Batch::new();
            stale.drain(..).for_each(|record| write(id, &record, &mut batch));
            persistence.submit(&mut batch);
        }
    }

    /// The topic ends: nothing of it is kept any more.
    pub(super) fn end(&mut self) {
        self.audit.forget_all();
        let records = self.stale.drain(..).chain(self.audit.take_records());
        if let (Some(persistence), Some(id)) = (&self.persistence, self.id.take()) {
            let mut batch = Batch::new();
            records.for_each(|record| write(id, &record, &mut batch));
            batch.remove(Table::Topic, Table::queue_key(id).to_vec());
            persistence.submit(&mut batch);
        }
    }
}

fn write(id: QueueId, record: &AuditRecord, batch: &mut Batch) {
    let key = [&id.0.to_be_bytes()[..], &record.key].concat();
    if key.len() > MOST_KEY {
        return;
    }
    if record.word == 0 {
        batch.remove(Table::Receipt, key);
    } else {
        batch.put(Table::Receipt, key, record.word.to_be_bytes().to_vec());
    }
}
