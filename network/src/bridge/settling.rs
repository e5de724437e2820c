//! Asks the remote broker which messages it has that were handed to an earlier bridge.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConsumerInfo, MessageAck, MessageDispatch, NetworkBridgeFilter, RemoveInfo,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConsumerId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::Message;

use super::by_number::ByNumber;
use super::outgoing::Outgoing;
use super::window::{INDIVIDUAL, NOTHING_DELIVERED};
use crate::local_broker::{ABSENCE, HERE, IN_DOUBT};

/// How many queues are asked about at once.
const MOST_QUEUES: usize = 8;
/// How many messages of each.
const PREFETCH: i32 = 512;

/// What does not change while a bridge asks.
#[derive(Debug)]
pub(super) struct SettlingTerms {
    /// The bridge's session at the local broker.
    pub(super) session: SessionId,
    /// The bridge's producer at the remote broker.
    pub(super) producer: ProducerId,
    /// The local broker, for the path.
    pub(super) own: BrokerId,
    pub(super) filter: NetworkBridgeFilter,
}

/// The questions of one bridge, before it forwards anything.
///
/// A message that the remote broker has is acknowledged here; one that it does not have goes back to
/// its queue. What is not answered stays in doubt.
#[derive(Debug)]
pub(super) struct Settling {
    terms: SettlingTerms,
    /// The queues that it has not come to.
    queues: VecDeque<Destination>,
    /// By the number of its consumer here.
    open: BTreeMap<i64, Asking>,
    /// The number of the last one: they count down, demands count up.
    last: i64,
    /// Consumers that the local broker has not confirmed, by request.
    subscribing: ByNumber<i32, i64>,
    /// Questions that are not answered, by request.
    asked: ByNumber<i32, (i64, MessageId)>,
}

/// One queue.
#[derive(Debug)]
struct Asking {
    consumer: ConsumerId,
    queue: Destination,
    /// How many questions are not answered.
    open: usize,
    /// Whether there are no more.
    complete: bool,
}

impl Settling {
    pub(super) fn new(terms: SettlingTerms) -> Self {
        Self {
            terms,
            queues: VecDeque::new(),
            open: BTreeMap::new(),
            last: 0,
            subscribing: ByNumber::default(),
            asked: ByNumber::default(),
        }
    }

    /// Begins with these queues.
    pub(super) fn begin(
        &mut self,
        queues: impl IntoIterator<Item = Destination>,
        local: &mut Outgoing,
    ) {
        self.queues.extend(queues);
        self.go_on(local);
    }

    /// Whether all questions are answered.
    pub(super) fn is_done(&self) -> bool {
        self.queues.is_empty() && self.open.is_empty()
    }

    /// Messages that the remote broker was asked about, without an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.asked.len()
    }

    fn go_on(&mut self, local: &mut Outgoing) {
        while self.open.len() < MOST_QUEUES
            && let Some(queue) = self.queues.pop_front()
        {
            self.last -= 1;
            let consumer = ConsumerId {
                connection_id: self.terms.session.connection_id.clone(),
                session_id: self.terms.session.value,
                value: self.last,
            };
            let id = local.request(Command::ConsumerInfo(Box::new(ConsumerInfo {
                consumer_id: Some(consumer.clone()),
                destination: Some(queue.clone()),
                prefetch_size: PREFETCH,
                browser: true,
                dispatch_async: true,
                network_subscription: true,
                additional_predicate: Some(self.terms.filter.clone()),
                ..ConsumerInfo::default()
            })));
            self.subscribing.insert(id, self.last);
            self.open.insert(self.last, Asking { consumer, queue, open: 0, complete: false });
        }
    }

    /// The local broker answered a request; it may have refused it.
    pub(super) fn local_answered(&mut self, command: i32, refused: bool, local: &mut Outgoing) {
        if let Some(number) = self.subscribing.remove(&command)
            && refused
        {
            self.open.remove(&number);
            self.go_on(local);
        }
    }

    /// The local broker dispatched something to a consumer of this number; false if that is none of
    /// these.
    pub(super) fn dispatched(
        &mut self,
        dispatch: &MessageDispatch,
        local: &mut Outgoing,
        remote: &mut Outgoing,
    ) -> bool {
        let Some(number) = dispatch.consumer_id.as_ref().map(|consumer| consumer.value) else {
            return false;
        };
        let Some(asking) = self.open.get_mut(&number) else { return false };
        let named =
            dispatch.message.as_ref().and_then(|message| Some((message, message.message_id()?)));
        match named {
            Some((message, id)) => {
                let question = question(&self.terms, message, &asking.queue);
                asking.open += 1;
                self.asked.insert(remote.request(question), (number, id));
            }
            None => {
                asking.complete = true;
                self.close(number, local);
            }
        }
        true
    }

    /// The remote broker answered a question; false if none has this number.
    pub(super) fn answered(&mut self, command: i32, answer: i32, local: &mut Outgoing) -> bool {
        let Some((number, id)) = self.asked.remove(&command) else { return false };
        if let Some(asking) = self.open.get_mut(&number) {
            asking.open = asking.open.saturating_sub(1);
            local.push(Command::from(MessageAck {
                destination: Some(asking.queue.clone()),
                consumer_id: Some(asking.consumer.clone()),
                ack_type: if answer == HERE { INDIVIDUAL } else { ABSENCE },
                last_message_id: Some(id),
                message_count: 1,
                ..MessageAck::default()
            }));
            self.close(number, local);
        }
        true
    }

    /// Ends with a queue of which nothing is open.
    fn close(&mut self, number: i64, local: &mut Outgoing) {
        if self.open.get(&number).is_some_and(|asking| asking.complete && asking.open == 0)
            && let Some(asking) = self.open.remove(&number)
        {
            local.request(removal(asking.consumer, NOTHING_DELIVERED));
            self.go_on(local);
        }
    }

    /// Asks no more; what is not answered stays in doubt.
    pub(super) fn abandon(&mut self, local: &mut Outgoing) {
        self.queues.clear();
        self.asked.clear();
        self.subscribing.clear();
        while let Some((_, asking)) = self.open.pop_last() {
            local.request(removal(asking.consumer, IN_DOUBT));
        }
    }
}

fn removal(consumer: ConsumerId, last_delivered_sequence_id: i64) -> Command {
    Command::RemoveInfo(RemoveInfo {
        object_id: Some(Box::new(Command::ConsumerId(consumer))),
        last_delivered_sequence_id,
        ..RemoveInfo::default()
    })
}

/// The message as it would be forwarded, to be looked at and not taken: without its content, which
/// tells nothing.
fn question(terms: &SettlingTerms, message: &Message, queue: &Destination) -> Command {
    let forwarded = message.forwarded(&terms.producer, &terms.own);
    let bare = forwarded.to_fields().ok().map(|mut fields| {
        fields.content = None;
        Message::from_fields(&fields)
    });
    let message = bare.and_then(Result::ok).unwrap_or(forwarded);
    Command::MessageDispatch(MessageDispatch {
        destination: Some(queue.clone()),
        message: Some(Arc::new(message)),
        ..MessageDispatch::default()
    })
}
