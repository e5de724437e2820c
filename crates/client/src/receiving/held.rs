//! Messages that a consumer holds, and acknowledgements of runs of them.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::throwable::Throwable;

/// The consumer's word on a run of messages, as the wire numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AckKind {
    /// Received but not settled: only widens the prefetch window.
    Delivered = 0,
    /// Given up: to the dead letter queue.
    Poison = 1,
    /// Done with everything from the first to the last.
    Standard = 2,
    /// Will be handed out again from the client's memory; changes nothing at the broker.
    Redelivered = 3,
    /// Done with exactly this one.
    Individual = 4,
    /// Too old when its turn came.
    Expired = 6,
}

/// A message that the broker dispatched, until it is settled.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The number under which it was last handed out; later ones are larger.
    pub(crate) serial: u64,
    /// The message itself.
    pub(crate) message: Arc<Message>,
    /// Where the broker took it from: the real address, not a pattern. Acks name it.
    pub(crate) destination: Destination,
    /// How often it was delivered before.
    pub(crate) redeliveries: u32,
    /// Whether a `Delivered` ack has covered it, so that its place in the window is free already.
    pub(crate) reported: bool,
}

/// An ack for the run from `first` to `last`.
fn ack(
    kind: AckKind,
    consumer: &ConsumerId,
    destination: &Destination,
    first: Option<&Message>,
    last: &Message,
    count: usize,
) -> MessageAck {
    MessageAck {
        destination: Some(destination.clone()),
        consumer_id: Some(consumer.clone()),
        ack_type: kind as i8,
        first_message_id: first.and_then(Message::message_id),
        last_message_id: last.message_id(),
        message_count: i32::try_from(count).unwrap_or(i32::MAX),
        ..MessageAck::default()
    }
}

/// Acknowledges exactly one message, naming it as the run's last only.
pub(crate) fn individual(consumer: &ConsumerId, held: &Held) -> Command {
    let ack = ack(AckKind::Individual, consumer, &held.destination, None, &held.message, 1);
    Command::from(ack)
}

/// Gives one message up, saying why.
pub(crate) fn poison(consumer: &ConsumerId, held: &Held, cause: String) -> Command {
    let mut ack =
        ack(AckKind::Poison, consumer, &held.destination, Some(&held.message), &held.message, 1);
    ack.poison_cause = Some(Throwable::new("java.lang.Throwable", cause));
    Command::from(ack)
}

/// A run of messages that are settled together, while it grows.
///
/// A run never spans two destinations: a consumer of a pattern has a place in each queue's dispatch
/// order, and a range means nothing across them.
#[derive(Debug)]
pub(crate) struct Run {
    destination: Destination,
    first: Arc<Message>,
    last: Arc<Message>,
    count: usize,
}

impl Run {
    /// How many messages it covers.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The acknowledgement of the run.
    pub(crate) fn close(self, kind: AckKind, consumer: &ConsumerId) -> Command {
        Command::from(ack(
            kind,
            consumer,
            &self.destination,
            Some(&self.first),
            &self.last,
            self.count,
        ))
    }

    /// Grows the run by a message. One of another destination closes it and starts the next.
    pub(crate) fn extend(
        run: &mut Option<Self>,
        held: &Held,
        kind: AckKind,
        consumer: &ConsumerId,
        acks: &mut Vec<Command>,
    ) {
        match run {
            Some(open) if open.destination == held.destination => {
                open.last = Arc::clone(&held.message);
                open.count += 1;
            }
            _ => {
                let next = Self {
                    destination: held.destination.clone(),
                    first: Arc::clone(&held.message),
                    last: Arc::clone(&held.message),
                    count: 1,
                };
                if let Some(closed) = run.replace(next) {
                    acks.push(closed.close(kind, consumer));
                }
            }
        }
    }
}

/// Acknowledges these messages, in dispatch order, in as few ranges as possible.
pub(crate) fn ranges<'a>(
    kind: AckKind,
    consumer: &ConsumerId,
    messages: impl IntoIterator<Item = &'a Held>,
    acks: &mut Vec<Command>,
) {
    let mut run = None;
    for held in messages {
        Run::extend(&mut run, held, kind, consumer, acks);
    }
    if let Some(run) = run {
        acks.push(run.close(kind, consumer));
    }
}
