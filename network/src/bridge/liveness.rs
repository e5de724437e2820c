//! Proof that the far broker lives.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::{MessageId, ProducerId};
use ferrymq_openwire::message::{Message, MessageFields};
use tokio::time::Instant;

use super::outgoing::Outgoing;

/// Knows when the far broker last answered, and asks it when that is long ago.
///
/// Any answer of the far broker is proof. Without one for half of `link_timeout` it is asked, and
/// has the other half to answer.
///
/// The question is a message to a temporary destination that does not exist. Keep-alives would not
/// do: transports answer them without asking their broker. Other commands would not do either:
/// over a duplex link ActiveMQ's bridge passes messages to its broker and answers nothing else. A
/// temporary destination is always permitted to cross (which lists of destinations would keep any
/// other from), and one that does not exist is refused at once, by the broker itself, without
/// waiting for memory and without a trace: an `ExceptionResponse`, which is the proof.
#[derive(Debug)]
pub(super) struct Liveness {
    timeout: Duration,
    producer: ProducerId,
    state: State,
    /// When the far broker answered last.
    proven: Option<Instant>,
    questions: i64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing is expected: the bridge is not up yet, or on its way down.
    Resting,
    /// The far broker answered just then.
    Proven(Instant),
    /// It was asked, by the command of this number.
    Asked { number: i32, at: Instant },
}

/// What the passing of time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// It is time to ask.
    Question,
    /// The far broker did not answer in time.
    Verdict,
}

/// No broker makes one of this name: theirs begin with the identifier of a connection.
const NOWHERE: &str = "ID:ferrymq-liveness:0";

impl Liveness {
    pub(super) fn new(timeout: Duration, producer: ProducerId) -> Self {
        Self { timeout, producer, state: State::Resting, proven: None, questions: 0 }
    }

    /// Asks the far broker for proof.
    pub(super) fn ask(&mut self, now: Instant, remote: &mut Outgoing) {
        self.questions += 1;
        let fields = MessageFields {
            producer_id: Some(self.producer.clone()),
            destination: Some(Destination::new(DestinationKind::TempTopic, NOWHERE)),
            message_id: Some(MessageId::new(self.producer.clone(), self.questions)),
            ..MessageFields::default()
        };
        // It holds nothing that cannot be written.
        let Ok(question) = Message::from_fields(&fields) else { return };
        let number = remote.request(Command::Message(Arc::new(question)));
        self.state = State::Asked { number, at: now };
    }

    /// The far broker answered a command; true if it was the question.
    pub(super) fn answered(&mut self, number: i32, now: Instant) -> bool {
        self.proven = Some(now);
        let question = matches!(self.state, State::Asked { number: asked, .. } if asked == number);
        if !matches!(self.state, State::Resting) {
            self.state = State::Proven(now);
        }
        question
    }

    /// The bridge is up: from now on proof is expected.
    pub(super) fn begin(&mut self, now: Instant) {
        self.proven = Some(now);
        self.state = State::Proven(now);
    }

    /// The far broker is busy and known to be: it gets as long once more.
    pub(super) fn extend(&mut self, now: Instant) {
        if let State::Asked { at, .. } = &mut self.state {
            *at = now;
        }
    }

    /// When the far broker answered last.
    pub(super) fn proven(&self) -> Option<Instant> {
        self.proven
    }

    /// The far broker may take its time from now on.
    pub(super) fn rest(&mut self) {
        self.state = State::Resting;
    }

    /// How long it may take to answer the question.
    fn half(&self) -> Duration {
        self.timeout / 2
    }

    pub(super) fn next_tick(&self) -> Option<Instant> {
        match self.state {
            State::Resting => None,
            State::Proven(at) | State::Asked { at, .. } => Some(at + self.half()),
        }
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        match self.state {
            State::Proven(at) if now >= at + self.half() => Due::Question,
            State::Asked { at, .. } if now >= at + self.half() => Due::Verdict,
            _ => Due::Nothing,
        }
    }
}
