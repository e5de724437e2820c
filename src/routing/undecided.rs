//! Prepared branches that are brought back when a broker starts.

use std::collections::HashMap;
use std::sync::Arc;

use ferrymq_openwire::message::Message;
use ferrymq_store::contract::QueueId;

use super::arrival::Arrival;
use super::broker::Broker;
use super::durable_subscriber::DurableSubscriber;
use super::kept_error::{KeptError, unknown};
use super::persistence::{Origin, Persistence};
use super::prepared::FoundBranch;
use super::queue_handle::QueueHandle;
use super::topic_set::TopicSet;
use super::work::Work;
use crate::transaction::{BranchSnapshot, Phase, Tag, Tags};

/// The branches of a store, while the queues and subscriptions come back of which they hold messages.
pub(super) struct Undecided {
    branches: Vec<Kept>,
    /// Which branch has acknowledged a message, by queue and place.
    held: HashMap<QueueId, HashMap<i64, Tag>>,
}

struct Kept {
    branch: BranchSnapshot,
    work: Work,
    messages: Vec<Message>,
}

impl Undecided {
    pub(super) fn read(persistence: &Persistence, tags: &Arc<Tags>) -> Result<Self, KeptError> {
        let mut held = HashMap::<QueueId, HashMap<i64, Tag>>::new();
        let mut branches = Vec::new();
        for FoundBranch { branch, kept, held: origins, messages } in persistence.branches()? {
            let tag = tags.lease();
            let tag = tag.ok_or_else(|| unknown("prepared transactions", "they are too many"))?;
            for Origin { queue, sequence } in origins {
                if let Ok(place) = i64::try_from(sequence) {
                    held.entry(queue).or_default().insert(place, tag.tag());
                }
            }
            let mut work = Work::new(tag);
            work.kept = Some(kept);
            branches.push(Kept { branch, work, messages });
        }
        Ok(Self { branches, held })
    }

    /// What branches have acknowledged of a queue, by places and in their order.
    pub(super) fn held_of(&self, queue: QueueId) -> Vec<(i64, Tag)> {
        let held = self.held.get(&queue).into_iter().flatten();
        let mut held: Vec<(i64, Tag)> = held.map(|(place, tag)| (*place, *tag)).collect();
        held.sort_by_key(|(place, _)| *place);
        held
    }

    /// A queue is back.
    pub(super) fn join_queue(&mut self, id: QueueId, queue: &Arc<QueueHandle>) {
        self.each_holder(id, |work| work.holds_of(queue));
    }

    /// A durable subscription is back.
    pub(super) fn join_durable(
        &mut self,
        id: QueueId,
        subscriber: &Arc<DurableSubscriber>,
        topics: &Arc<TopicSet>,
    ) {
        self.each_holder(id, |work| work.holds_of_durable(subscriber, topics));
    }

    fn each_holder(&mut self, id: QueueId, mut each: impl FnMut(&mut Work)) {
        let Some(held) = self.held.get(&id) else { return };
        for Kept { work, .. } in &mut self.branches {
            if held.values().any(|tag| *tag == work.tag.tag()) {
                each(work);
            }
        }
    }

    /// All that they hold is back: they go on. Returns how many wait for their coordinators.
    pub(super) fn restore(self, broker: &Broker) -> usize {
        let mut waiting = 0;
        for Kept { branch, mut work, messages } in self.branches {
            if branch.phase != Phase::Prepared {
                broker.branches.lock().restore(branch, None);
                continue;
            }
            for message in messages {
                let address = message.destination();
                match address.as_ref().map(|address| broker.resolve(address)) {
                    Some(Ok(to)) => work.push(&to, Arc::new(message), Arrival::Produced),
                    // A temporary destination has ended with its connection.
                    Some(Err(error)) => {
                        let id = &branch.id;
                        tracing::warn!(%id, %error, "a prepared transaction sends to nowhere");
                    }
                    None => {}
                }
            }
            broker.branches.lock().restore(branch, Some(work));
            waiting += 1;
        }
        waiting
    }
}
