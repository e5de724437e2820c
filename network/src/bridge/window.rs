//! What one demand subscription was dispatched and has not acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageAck, RemoveInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConsumerId};
use ferrymq_openwire::message::Message;
use ferrymq_openwire::throwable::Throwable;

use super::credit::Underway;
use crate::broker_path;
use crate::demand::durable::DurableKey;
use crate::destination_pattern::DestinationPattern;
use crate::local_broker::{IN_DOUBT, RETIREMENT};

/// The messages of one demand subscription between their dispatch and our word on them.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) consumer: ConsumerId,
    pub(super) destination: Destination,
    pub(super) wildcard: bool,
    /// The broker of its consumers, if that is not the next one.
    pub(super) toward: Option<BrokerId>,
    /// The durable subscription that it is, which outlives it.
    pub(super) durable: Option<DurableKey>,
    pub(super) state: WindowState,
    /// Whether one acknowledgement may stand for several messages.
    ranges: bool,
    next: u64,
    /// Unconfirmed, in the order of their dispatch: forwarded, except those that are `unsent`.
    outstanding: VecDeque<Dispatched>,
    /// The numbers of the last ones, which wait for credit.
    unsent: VecDeque<u64>,
    /// What of it is on its way.
    pub(super) underway: Underway,
    /// To be acknowledged with the next flush.
    settled: Vec<Dispatched>,
    /// To be dead letters with the next flush, before that.
    given_up: Vec<Command>,
}

/// What a window does with what is dispatched to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowState {
    /// Forward it.
    Open,
    /// The demand is gone, and the local broker was told where to stop: what it had dispatched
    /// beyond is its own again. The subscription ends once everything outstanding is confirmed.
    Draining,
    /// The subscription of a topic has a successor and is ending: forward it, because what was
    /// published before the successor came is dispatched only here.
    Superseded,
}

/// One dispatched message.
#[derive(Debug, Clone)]
pub(super) struct Dispatched {
    /// Its number in the order of dispatch.
    pub(super) number: u64,
    pub(super) message: Arc<Message>,
    /// Where it was dispatched from, without wildcards.
    pub(super) destination: Destination,
    /// How often it had been delivered, to consumers of the own broker and of those before it.
    pub(super) redeliveries: i32,
    /// How often the remote broker refused it.
    pub(super) refusals: u8,
}

const POISON: i8 = 1;
const STANDARD: i8 = 2;
pub(super) const INDIVIDUAL: i8 = 4;
/// `RemoveInfo`'s word for: nothing was delivered, raise no redelivery counter.
pub(super) const NOTHING_DELIVERED: i64 = -1;

impl Window {
    pub(super) fn new(info: &ConsumerInfo) -> Option<Self> {
        let destination = info.destination.clone()?;
        let wildcard = DestinationPattern::of(&destination).is_wildcard();
        Some(Self {
            consumer: info.consumer_id.clone()?,
            durable: DurableKey::of(info),
            toward: broker_path::brokers(info.broker_path.as_ref())
                .next()
                .filter(|_| info.broker_path.as_ref().is_some_and(|path| path.len() > 1))
                .cloned(),
            wildcard,
            destination,
            state: WindowState::Open,
            ranges: !wildcard,
            next: 0,
            outstanding: VecDeque::new(),
            unsent: VecDeque::new(),
            underway: Underway::default(),
            settled: Vec::new(),
            given_up: Vec::new(),
        })
    }

    /// Numbers a dispatched message.
    pub(super) fn enter(
        &mut self,
        message: Arc<Message>,
        destination: Destination,
        redeliveries: i32,
    ) -> Dispatched {
        let number = self.next;
        self.next += 1;
        Dispatched { number, message, destination, redeliveries, refusals: 0 }
    }

    /// The message now waits for the remote broker's word.
    pub(super) fn wait(&mut self, entry: Dispatched) {
        self.outstanding.push_back(entry);
    }

    /// The message waits for credit; true if none did.
    pub(super) fn wait_unsent(&mut self, entry: Dispatched) -> bool {
        let first = self.unsent.is_empty();
        self.unsent.push_back(entry.number);
        self.outstanding.push_back(entry);
        first
    }

    /// Whether messages wait for credit.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The first message that waits for credit, which is sent now.
    pub(super) fn next_unsent(&mut self) -> Option<&mut Dispatched> {
        let number = self.unsent.pop_front()?;
        self.waiting(number)
    }

    /// Forgets what has not been sent: it goes back to the local broker.
    pub(super) fn give_up_unsent(&mut self) {
        let kept = self.outstanding.len() - self.unsent.len();
        self.outstanding.truncate(kept);
        self.unsent.clear();
    }

    /// The message may be acknowledged.
    pub(super) fn settle(&mut self, entry: Dispatched) {
        self.settled.push(entry);
    }

    /// The message stays unacknowledged for as long as the subscription lives, so nothing before
    /// or after it may be acknowledged as part of a range.
    pub(super) fn hold(&mut self) {
        self.ranges = false;
    }

    /// Takes a waiting message out.
    pub(super) fn take(&mut self, number: u64) -> Option<Dispatched> {
        if self.outstanding.front().is_some_and(|first| first.number == number) {
            return self.outstanding.pop_front();
        }
        let at = self.outstanding.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.outstanding.remove(at)
    }

    /// A waiting message.
    pub(super) fn waiting(&mut self, number: u64) -> Option<&mut Dispatched> {
        let at = self.outstanding.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.outstanding.get_mut(at)
    }

    /// Whether nothing waits for the remote broker's word.
    pub(super) fn is_drained(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Acknowledges what is settled. What precedes everything outstanding goes as one range: no
    /// other dispatched message can lie within it. The rest goes one by one.
    pub(super) fn acknowledge(&mut self, out: &mut Vec<Command>) {
        out.append(&mut self.given_up);
        self.settled.sort_unstable_by_key(|entry| entry.number);
        let oldest = self.outstanding.front().map_or(u64::MAX, |entry| entry.number);
        let mut settled = std::mem::take(&mut self.settled);
        let prefix = settled.partition_point(|entry| entry.number < oldest);
        let (before, after) = settled.split_at(prefix);
        match (before.first(), before.last()) {
            (Some(first), Some(last)) if self.ranges && prefix > 1 => {
                out.push(Command::from(MessageAck {
                    first_message_id: first.message.message_id(),
                    message_count: i32::try_from(prefix).unwrap_or(i32::MAX),
                    ..self.ack(STANDARD, last)
                }));
            }
            _ => out.extend(before.iter().map(|entry| Command::from(self.ack(INDIVIDUAL, entry)))),
        }
        out.extend(after.iter().map(|entry| Command::from(self.ack(INDIVIDUAL, entry))));
        settled.clear();
        self.settled = settled;
    }

    /// Sends one message to the local broker's dead letters.
    pub(super) fn give_up(&mut self, entry: &Dispatched, cause: String) {
        let poison = MessageAck {
            first_message_id: entry.message.message_id(),
            poison_cause: Some(Throwable::new("javax.jms.JMSException", cause)),
            ..self.ack(POISON, entry)
        };
        self.given_up.push(Command::from(poison));
    }

    /// Lets the local broker dispatch no more, and have back what it dispatched after the last
    /// message that waits for the remote broker's word; none: nothing waits for that.
    pub(super) fn retirement(&self) -> Option<Command> {
        let last = self.outstanding.back()?;
        Some(Command::from(MessageAck { message_count: 0, ..self.ack(RETIREMENT, last) }))
    }

    /// Ends the subscription; what it holds goes back as if it had never been dispatched.
    pub(super) fn removal(&self) -> Command {
        self.removal_saying(NOTHING_DELIVERED)
    }

    /// The same when the link is lost: the remote broker may have what it has not answered.
    pub(super) fn removal_in_doubt(&self) -> Command {
        self.removal_saying(IN_DOUBT)
    }

    fn removal_saying(&self, last_delivered_sequence_id: i64) -> Command {
        Command::RemoveInfo(RemoveInfo {
            object_id: Some(Box::new(Command::ConsumerId(self.consumer.clone()))),
            last_delivered_sequence_id,
            ..RemoveInfo::default()
        })
    }

    fn ack(&self, ack_type: i8, entry: &Dispatched) -> MessageAck {
        MessageAck {
            destination: Some(entry.destination.clone()),
            consumer_id: Some(self.consumer.clone()),
            ack_type,
            last_message_id: entry.message.message_id(),
            message_count: 1,
            ..MessageAck::default()
        }
    }
}
