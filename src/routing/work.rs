//! What an open transaction has done so far, which nobody else sees yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::Batch;
use parking_lot::Mutex;

use super::arrival::Arrival;
use super::directory::Target;
use super::durable_subscriber::DurableSubscriber;
use super::prepared::KeptBranch;
use super::queue_group::QueueGroup;
use super::queue_handle::QueueHandle;
use super::room::Room;
use super::topic_set::TopicSet;
use super::topic_subscriber::TopicSubscriber;
use crate::destination::{AckError, UncommittedCharge};
use crate::transaction::{BranchSnapshot, TagLease};

/// How many messages one transaction may send, and how many acknowledgements of topics' messages it
/// may hold: what is small in bytes is not free.
const MOST_MESSAGES: usize = 1_000_000;

/// What a store takes, at most, to keep a message beside what it consists of, in bytes.
const KEEPING: usize = 80;

/// The messages that a transaction sends and the acknowledgements that it makes, until it ends with
/// `Broker::commit` or [`Broker::roll_back`](super::Broker::roll_back).
pub struct Work {
    pub(super) tag: TagLease,
    pub(super) sends: BTreeMap<Destination, Sends>,
    messages: usize,
    /// Queues that hold messages for it.
    pub(super) queues: BTreeMap<Destination, Arc<QueueHandle>>,
    /// Durable subscriptions that do.
    pub(super) durables: Vec<(Arc<DurableSubscriber>, Arc<TopicSet>)>,
    /// Consumers of several queues whose windows do.
    pub(super) groups: Vec<Group>,
    /// Topic subscriptions, which count only, and how many of their messages it acknowledges.
    pub(super) topics: Vec<(Arc<TopicSubscriber>, Arc<TopicSet>, usize)>,
    /// Room for what it keeps, once that was asked for.
    pub(super) room: Mutex<Option<Room>>,
    /// What the store has of it, once it is prepared.
    pub(super) kept: Option<KeptBranch>,
    /// What is kept of it when it ends, if an operator has ended it.
    pub(super) decided: Option<BranchSnapshot>,
}

/// Messages for one destination.
pub(super) struct Sends {
    pub(super) messages: Vec<(Arc<Message>, Arrival)>,
    charge: UncommittedCharge,
    /// Bytes of those that a store keeps.
    persistent: usize,
}

/// A consumer of several queues, and of topics beside them.
pub(super) struct Group {
    pub(super) queues: Arc<QueueGroup>,
    pub(super) topics: Option<(Arc<TopicSubscriber>, Arc<TopicSet>)>,
}

/// Why a transaction cannot do a thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Open transactions hold too much.
    #[error(
        "open transactions may hold no more for {0}: half of its memory limit, or of the broker's. \
         Commit more often, or raise the limit"
    )]
    TooLarge(Destination),
    /// It has sent too many messages.
    #[error("a transaction may send no more than {MOST_MESSAGES} messages")]
    TooMany,
    /// There are as many open transactions as can be told apart.
    #[error("too many transactions are open")]
    TooManyOpen,
    /// The acknowledgement does not fit.
    #[error(transparent)]
    Ack(#[from] AckError),
}

impl Work {
    pub(super) fn new(tag: TagLease) -> Self {
        Self {
            tag,
            sends: BTreeMap::new(),
            messages: 0,
            queues: BTreeMap::new(),
            durables: Vec::new(),
            groups: Vec::new(),
            topics: Vec::new(),
            room: Mutex::default(),
            kept: None,
            decided: None,
        }
    }

    /// Whether a commit would change nothing.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
            && self.queues.is_empty()
            && self.durables.is_empty()
            && self.groups.is_empty()
            && self.topics.is_empty()
    }

    /// Bytes of messages that it holds.
    pub fn bytes(&self) -> u64 {
        self.sends.values().map(|sends| sends.charge.bytes()).sum()
    }

    /// Takes a message for a destination, which counts it from now on.
    pub(super) fn push(&mut self, target: &Target, message: Arc<Message>, arrival: Arrival) {
        self.messages += 1;
        let sends = self.sends.entry(target.address().clone()).or_insert_with(|| Sends {
            messages: Vec::new(),
            charge: target.account().charge_uncommitted(),
            persistent: 0,
        });
        if message.persistent() {
            sends.persistent += message.image_len() + KEEPING;
        }
        sends.charge.grow(message.size());
        sends.messages.push((message, arrival));
    }

    /// Bytes that a store must have room for, by destination.
    pub(super) fn persistent(&self) -> impl Iterator<Item = (&Destination, usize)> {
        let sends = self.sends.iter().filter(|(_, sends)| sends.persistent > 0);
        sends.map(|(address, sends)| (address, sends.persistent))
    }

    /// The messages that a store keeps.
    pub(super) fn persistent_messages(&self) -> impl Iterator<Item = &Message> {
        let messages = self.sends.values().flat_map(|sends| &sends.messages);
        messages.map(|(message, _)| &**message).filter(|message| message.persistent())
    }

    /// It ends: what the store has of it is forgotten, or replaced by how an operator ended it.
    pub(super) fn conclude(&mut self, batch: &mut Batch) {
        let Some(kept) = self.kept.take() else { return };
        let Some(branch) = self.decided.take() else { return kept.forget(batch) };
        if let Err(error) = kept.decide(&branch, batch) {
            // Its identifiers could be written before.
            tracing::error!(id = %branch.id, %error, "how a transaction ended is not kept");
            kept.forget(batch);
        }
    }

    /// Whether it may send another message.
    pub(super) fn check_count(&self) -> Result<(), WorkError> {
        if self.messages < MOST_MESSAGES { Ok(()) } else { Err(WorkError::TooMany) }
    }

    /// A queue holds messages for it.
    pub(super) fn holds_of(&mut self, queue: &Arc<QueueHandle>) {
        match self.queues.get_mut(queue.address()) {
            // One of the same name that was deleted holds nothing any more.
            Some(known) if !Arc::ptr_eq(known, queue) => *known = Arc::clone(queue),
            Some(_) => {}
            None => {
                self.queues.insert(queue.address().clone(), Arc::clone(queue));
            }
        }
    }

    /// A durable subscription does.
    pub(super) fn holds_of_durable(
        &mut self,
        subscriber: &Arc<DurableSubscriber>,
        topics: &Arc<TopicSet>,
    ) {
        if !self.durables.iter().any(|(other, _)| Arc::ptr_eq(other, subscriber)) {
            self.durables.push((Arc::clone(subscriber), Arc::clone(topics)));
        }
    }

    /// The window of a consumer of several queues does.
    pub(super) fn holds_of_group(
        &mut self,
        queues: &Arc<QueueGroup>,
        topics: Option<&(Arc<TopicSubscriber>, Arc<TopicSet>)>,
    ) {
        if !self.groups.iter().any(|group| Arc::ptr_eq(&group.queues, queues)) {
            self.groups.push(Group { queues: Arc::clone(queues), topics: topics.cloned() });
        }
    }

    /// It acknowledges so many messages of a topic subscription.
    pub(super) fn counts_of(
        &mut self,
        subscriber: &Arc<TopicSubscriber>,
        topics: &Arc<TopicSet>,
        count: usize,
    ) {
        match self.topics.iter_mut().find(|(other, ..)| Arc::ptr_eq(other, subscriber)) {
            Some((.., held)) => *held = held.saturating_add(count),
            None => self.topics.push((Arc::clone(subscriber), Arc::clone(topics), count)),
        }
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Work({:?}: {} messages, {} bytes)", self.tag.tag(), self.messages, self.bytes())
    }
}
