//! What a connection knows of its peer, and what each command does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ferrymq_network::local_broker::IN_DOUBT;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, BrokerSubscriptionInfo, ConnectionError, ConnectionInfo, ExceptionResponse,
    ProducerAck, RemoveInfo, Response,
};
use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_openwire::ids::{BrokerId, ConsumerId, ProducerId};
use ferrymq_transport::outbox::Outbox;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::duplex::{BridgeBack, BridgesBack};
use super::guidance::Guidance;
use super::held_answers::HeldAnswers;
use super::parked::Parked;
use super::producer::{LastTarget, Producer};
use super::pulls::Pulls;
use super::refusal::Refusal;
use super::roster::Entry;
use super::synchronises::Synchronises;
use super::transactions::Transactions;
use super::windows::Windows;
use crate::destination::Delivered;
use crate::routing::{Broker, ClientLease, Former, Subscription};

/// How many answers may wait for a peer that does not read them.
const MOST_ANSWERS: usize = 1024;
/// How many dispatches may wait for it beside them, however wide its windows are.
const MOST_WINDOW: usize = 65_536;
/// How many bytes of names one connection may have kept.
const MOST_RETAINED: usize = 64 * 1024 * 1024;
/// Since when `RemoveInfo` says what was delivered.
const FIRST_WITH_LAST_DELIVERED: u8 = 5;

/// One connection: what its peer has opened, and the way back to it.
///
/// Only the connection's task touches it. Commands are handled one at a time and never wait; what
/// must wait (a message for a full destination) is parked.
pub(super) struct Peer {
    pub(super) broker: Arc<Broker>,
    pub(super) outbox: Outbox,
    pub(super) remote: String,
    /// The protocol's version that the peer speaks.
    pub(super) version: u8,
    /// What may cross the bridge behind an in-process link.
    pub(super) permits: Option<Arc<Permits>>,
    /// Ends the connection from elsewhere.
    pub(super) end: CancellationToken,
    /// Whether the peer is a broker's bridge.
    pub(super) is_network: bool,
    /// Whether it sends again, over another link, what was not answered.
    pub(super) resends: Resends,
    /// What its bridge still waits to be told.
    pub(super) synchronises: Option<Synchronises>,
    /// That broker.
    pub(super) bridge_of: Option<BrokerId>,
    /// An own bridge's: the broker at its far end is no FerryMQ.
    pub(super) foreign: bool,
    /// The frames that it takes; none: of any size.
    pub(super) takes: Option<FrameLimit>,
    /// What others may see of it.
    pub(super) entry: Arc<Entry>,
    pub(super) client: Option<ClientLease>,
    pub(super) sessions: BTreeSet<i64>,
    pub(super) producers: HashMap<ProducerId, Producer>,
    /// Ordered, because each acknowledgement looks its consumer up: comparing is cheaper than hashing.
    pub(super) consumers: BTreeMap<ConsumerId, Consumer>,
    /// How many consumers there have been: the next one's number.
    pub(super) consumers_so_far: u64,
    /// Consumers that wait for what they pulled.
    pub(super) pulls: Pulls,
    pub(super) windows: Windows,
    /// Bytes of names that the broker keeps for this peer's producers and consumers.
    pub(super) retained: usize,
    pub(super) parked: Parked,
    pub(super) held_answers: HeldAnswers,
    pub(super) transactions: Transactions,
    pub(super) last_target: Option<LastTarget>,
    /// Whether the peer has closed its connection.
    pub(super) closed: bool,
    /// Set when the peer has closed its connection and messages of it still wait for room.
    pub(super) leaving: Option<Leaving>,
    /// The same connection over another link, which must be gone before this one goes on.
    pub(super) former: Option<Former>,
    /// Builds bridges back; none over a link that carries one already.
    pub(super) bridges_back: Option<Arc<dyn BridgesBack>>,
    pub(super) duplex: Duplex,
    /// For that bridge: the peer's durable subscriptions, as ActiveMQ tells of them beforehand.
    pub(super) theirs: Option<Box<BrokerSubscriptionInfo>>,
    /// What clients of its connector are told about other brokers, if they are.
    pub(super) guidance: Option<Arc<Guidance>>,
}

/// The bridge back that a peer asks for.
#[derive(Default)]
pub(super) enum Duplex {
    /// None, or it has been started.
    #[default]
    None,
    /// The peer asked for one; it has not been let in.
    Wanted(Box<BrokerInfo>),
    /// It is to be started.
    Admitted(Box<dyn BridgeBack>),
}

/// The command that closed the connection, to be answered when all its messages are taken.
pub(super) struct Leaving {
    pub(super) id: i32,
    pub(super) wanted: bool,
}

/// A consumer of this connection.
pub(super) struct Consumer {
    pub(super) subscription: Subscription,
    pub(super) window: usize,
    /// Its share of the peer's [`retained`](Peer::retained) bytes.
    pub(super) retained: usize,
    /// Its place among the connection's: they end in the order in which they came.
    pub(super) number: u64,
    /// Until when it waits for what it pulled.
    pub(super) pull_until: Option<Instant>,
}

/// Whether a client sends again what was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resends {
    /// It does not: its connection ends with the link.
    Never,
    /// When this link is lost, over another one.
    Later,
    /// It may have begun to, for this link takes a lost one's place.
    Now,
}

impl Resends {
    /// What a client says of itself.
    pub(super) fn of(info: &ConnectionInfo) -> Self {
        match (info.failover_reconnect, info.fault_tolerant) {
            (true, _) => Self::Now,
            (false, true) => Self::Later,
            (false, false) => Self::Never,
        }
    }
}

/// Whether a connection goes on after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It does.
    Continue,
    /// It ends: the peer leaves, or does not keep to the protocol.
    End,
    /// It ends, and the peer was told why.
    Refused,
}

/// What a handler made of a command.
pub(super) enum Outcome {
    /// Done; answered by a plain `Response` if the peer asked for one.
    Done,
    /// The same, after what it set going: a message that was handed on and need not be kept.
    Passed,
    /// The same, but not before what was done is safe.
    Kept,
    /// The same, and its producer's window opens instead of a `Response`.
    Opens(ProducerAck),
    /// The answer comes later, or is none of a command's kind.
    Unanswered,
}

impl Outcome {
    /// What is done must be safe before it is answered.
    fn kept(self) -> Self {
        match self {
            Self::Done => Self::Kept,
            other => other,
        }
    }
}

fn response(id: i32) -> Command {
    Command::Response(Response { correlation_id: id, ..Response::default() })
}

impl Peer {
    pub(super) fn new(
        broker: Arc<Broker>,
        outbox: Outbox,
        remote: String,
        version: u8,
        permits: Option<Arc<Permits>>,
        end: CancellationToken,
        entry: Arc<Entry>,
    ) -> Self {
        Self {
            broker,
            outbox,
            remote,
            version,
            permits,
            end,
            is_network: false,
            resends: Resends::Never,
            synchronises: None,
            bridge_of: None,
            foreign: false,
            takes: None,
            entry,
            client: None,
            sessions: BTreeSet::new(),
            producers: HashMap::new(),
            consumers: BTreeMap::new(),
            consumers_so_far: 0,
            pulls: Pulls::default(),
            windows: Windows::default(),
            retained: 0,
            parked: Parked::default(),
            held_answers: HeldAnswers::default(),
            transactions: Transactions::default(),
            last_target: None,
            closed: false,
            leaving: None,
            former: None,
            bridges_back: None,
            duplex: Duplex::None,
            theirs: None,
            guidance: None,
        }
    }

    /// Whether the peer has opened its connection (and so is who it says) and not closed it.
    pub(super) fn is_open(&self) -> bool {
        self.client.is_some() && self.leaving.is_none()
    }

    /// How many commands may lie in the outbox before the peer is not read any more: what its
    /// windows allow within reason (they are the peer's own choice), and a share of answers.
    pub(super) fn most_outbound(&self) -> usize {
        MOST_ANSWERS + self.windows.total().min(MOST_WINDOW)
    }

    /// Lets the peer have `bytes` more of names that the broker keeps for it.
    pub(super) fn retain(&mut self, bytes: usize) -> Result<(), Refusal> {
        if self.retained.saturating_add(bytes) > MOST_RETAINED {
            return Err(Refusal::limit(format!(
                "the names of this connection's producers and consumers are longer than \
                 {MOST_RETAINED} bytes in all"
            )));
        }
        self.retained += bytes;
        Ok(())
    }

    /// Whether somebody waits for what the broker makes of a command: the peer for its answer,
    /// someone for a reply, a consumer for room.
    pub(super) fn awaits(&self, command: &Command) -> bool {
        match command {
            // A bridge asks for answers, and goes on sending: its window is far wider than what
            // comes in the time of a rest.
            Command::Message(message) => {
                (message.response_required && !self.is_network) || message.is_part_of_a_dialogue()
            }
            Command::MessageAck(ack) => ack.response_required || self.windows.are_short(),
            _ => true,
        }
    }

    /// Whether more like this may lie unread for a while: acknowledgements that make room where
    /// there is plenty.
    pub(super) fn can_leave_unread(&self, batch: &[Command]) -> bool {
        self.windows.are_wide()
            && batch.iter().all(
                |command| matches!(command, Command::MessageAck(ack) if !ack.response_required),
            )
    }

    /// Handles one command.
    pub(super) fn handle(&mut self, command: Command) -> Flow {
        // The two commands of the hot path first.
        match command {
            Command::Message(message) if self.is_open() => return self.produce(message),
            Command::MessageAck(ack) if self.is_open() => {
                let (id, wanted) = (ack.command_id, ack.response_required);
                let outcome = self.acknowledge(&ack).map(|()| Outcome::Kept);
                return self.answer(id, wanted, outcome);
            }
            _ => {}
        }
        if !self.is_open()
            && !matches!(
                command,
                Command::ConnectionInfo(_)
                    // What a client that failed over says first: that it will do so again.
                    | Command::ConnectionControl(_)
                    | Command::BrokerInfo(_)
                    // ActiveMQ's bridges send it there already; it is of use to duplex ones only.
                    | Command::BrokerSubscriptionInfo(_)
                    | Command::ConnectionError(_)
                    | Command::KeepAliveInfo(_)
                    | Command::ShutdownInfo(_)
            )
        {
            if self.closed {
                return self.refuse_late(&command);
            }
            tracing::warn!(remote = %self.remote, "closing: a command before ConnectionInfo");
            return Flow::End;
        }
        let (id, wanted) = (command.command_id().unwrap_or(0), command.response_required());
        let outcome = match command {
            Command::ConnectionInfo(info) => self.open(&info),
            Command::BrokerInfo(info) => self.meet_broker(&info),
            Command::SessionInfo(info) => self.add_session(&info),
            Command::ProducerInfo(info) => self.add_producer(&info),
            Command::ConsumerInfo(info) if info.subscription_name.is_some() => {
                self.add_consumer(&info).map(Outcome::kept)
            }
            Command::ConsumerInfo(info) => self.add_consumer(&info),
            Command::RemoveInfo(info) => self.remove(&info).map(Outcome::kept),
            Command::DestinationInfo(info) => self.change_destination(&info).map(Outcome::kept),
            Command::ConsumerControl(control) => self.control_consumer(&control),
            Command::RemoveSubscriptionInfo(info) => {
                self.remove_subscription(&info).map(Outcome::kept)
            }
            Command::TransactionInfo(info) => self.transact(&info),
            Command::MessagePull(pull) => self.pull(&pull),
            Command::ShutdownInfo(_) => return Flow::End,
            Command::ConnectionError(error) => {
                let told = error.exception.and_then(|exception| exception.message);
                tracing::warn!(
                    remote = %self.remote,
                    error = %told.unwrap_or_default(),
                    "the peer reports an error and is let go"
                );
                return Flow::End;
            }
            Command::MessageDispatch(asked) if self.is_network => {
                self.say_whether_it_is_here(&asked)
            }
            // Hints, and answers to what needs none.
            Command::ControlCommand(_) | Command::FlushCommand(_) => Ok(Outcome::Done),
            Command::BrokerSubscriptionInfo(theirs) => {
                if !matches!(self.duplex, Duplex::None) {
                    self.theirs = Some(theirs);
                }
                Ok(Outcome::Unanswered)
            }
            Command::KeepAliveInfo(_)
            | Command::ConnectionControl(_)
            | Command::MessageDispatchNotification(_)
            | Command::Response(_)
            | Command::ExceptionResponse(_)
            | Command::DataResponse(_)
            | Command::DataArrayResponse(_)
            | Command::IntegerResponse(_)
            | Command::ProducerAck(_) => Ok(Outcome::Unanswered),
            other => Err(Refusal::protocol(format!("{} is not for brokers", other.wire_name()))),
        };
        self.entry.holds(self.consumers.len(), self.producers.len());
        self.answer(id, wanted, outcome)
    }

    /// The connection is closed. A client's other threads may not have known when they said this,
    /// and its last messages may still wait for room here.
    fn refuse_late(&mut self, command: &Command) -> Flow {
        tracing::debug!(
            remote = %self.remote,
            command = command.wire_name(),
            "a command after the end of its connection"
        );
        if self.leaving.is_none() {
            return Flow::End;
        }
        let (id, wanted) = (command.command_id().unwrap_or(0), command.response_required());
        if wanted {
            let closed = Refusal::state("the connection has been closed");
            return self.answer(id, wanted, Err(closed));
        }
        Flow::Continue
    }

    /// Tells the peer what became of its command `id`: an answer if it wants one, and of a failure
    /// in any case.
    pub(super) fn answer(
        &mut self,
        id: i32,
        wanted: bool,
        outcome: Result<Outcome, Refusal>,
    ) -> Flow {
        match outcome {
            Ok(Outcome::Done) if wanted => self.respond(id),
            Ok(Outcome::Passed) if wanted => self.held_answers.follow(response(id)),
            Ok(Outcome::Opens(ack)) => self.held_answers.hold(Command::ProducerAck(ack)),
            Ok(Outcome::Kept) if wanted => self.held_answers.hold(response(id)),
            Ok(_) => {}
            Err(refusal) => return self.refuse(id, wanted, &refusal),
        }
        Flow::Continue
    }

    pub(super) fn respond(&self, id: i32) {
        self.outbox.push(response(id));
    }

    fn refuse(&self, id: i32, wanted: bool, refusal: &Refusal) -> Flow {
        tracing::debug!(remote = %self.remote, error = refusal.message(), "a command is refused");
        let exception = Some(refusal.to_throwable());
        self.outbox.push(if wanted {
            Command::ExceptionResponse(ExceptionResponse {
                correlation_id: id,
                exception,
                ..ExceptionResponse::default()
            })
        } else {
            Command::ConnectionError(ConnectionError { exception, ..ConnectionError::default() })
        });
        if refusal.fatal {
            tracing::warn!(remote = %self.remote, error = refusal.message(), "closing");
            return Flow::Refused;
        }
        Flow::Continue
    }

    /// Removes what the peer names: a connection, session, producer or consumer.
    fn remove(&mut self, info: &RemoveInfo) -> Result<Outcome, Refusal> {
        let delivered = if self.version < FIRST_WITH_LAST_DELIVERED {
            Delivered::Unknown
        } else {
            match info.last_delivered_sequence_id {
                // An own bridge's; but only a FerryMQ recognises what it has.
                IN_DOUBT if self.permits.is_some() && self.foreign => Delivered::Nothing,
                IN_DOUBT if self.permits.is_some() => Delivered::InDoubt,
                last => Delivered::of(last),
            }
        };
        match info.object_id.as_deref() {
            Some(Command::ConsumerId(id)) => self.remove_consumer(id, delivered)?,
            Some(Command::ProducerId(id)) => self.remove_producer(id)?,
            Some(Command::SessionId(id)) => {
                if !self.sessions.remove(&id.value) {
                    return Err(Refusal::state(format!("there is no session {id}")));
                }
                self.end_consumers(delivered, |consumer| consumer.session_id == id.value);
                self.remove_producers(|producer| producer.session_id == id.value);
            }
            Some(Command::ConnectionId(_)) if !self.parked.is_empty() => {
                // What it sent before is not lost for want of room; what its consumers hold may be
                // what takes the room. What it has not committed is.
                self.forget_commits();
                self.end_transactions();
                self.end_consumers(delivered, |_| true);
                self.closed = true;
                self.leaving =
                    Some(Leaving { id: info.command_id, wanted: info.response_required });
                return Ok(Outcome::Unanswered);
            }
            Some(Command::ConnectionId(_)) => {
                self.forget_commits();
                self.close(delivered);
            }
            _ => return Err(Refusal::state("there is nothing to remove")),
        }
        Ok(Outcome::Done)
    }

    /// Ends everything that the peer has opened, in the order of JMS: consumers, producers,
    /// temporary destinations, and the connection.
    pub(super) fn close(&mut self, delivered: Delivered) {
        self.closed = true;
        self.end_transactions();
        self.end_consumers(delivered, |_| true);
        self.remove_producers(|_| true);
        self.sessions.clear();
        if let Some(client) = self.client.take() {
            self.broker.remove_temporaries(&client);
        }
    }
}
