//! What a connection knows: a machine without I/O.
//!
//! Commands of the broker go in; it says for each what must happen. It knows who waits for which
//! response and which consumers and producers there are, and nothing of links or tasks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, MessageDispatch};
use ferrymq_openwire::ids::{ConsumerId, ProducerId};
use tokio::sync::oneshot;

use crate::error::{BrokerException, ConnectionLost, RequestFailure};
use crate::failover::Tied;
use crate::receiving::core::ConsumerCore;
use crate::receiving::held::Held;
use crate::requests::{Answer, RequestTable};
use crate::send_window::SendWindow;

/// How many asynchronous failures are kept for whoever asks; the oldest go first.
const MAX_ERRORS: usize = 64;

/// What a command of the broker asks for.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing more.
    Done,
    /// A message for this consumer.
    Deliver(Arc<ConsumerCore>, Held),
    /// A consumer's end or new window.
    Control(Arc<ConsumerCore>, Control),
    /// A failure that nobody waits for was noted.
    Noted,
    /// The connection is over.
    Over(ConnectionLost),
}

/// A broker's word on a live consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// It is no more.
    Close,
    /// Its prefetch is this now.
    Prefetch(usize),
}

/// The numbers of a session's part; its connection goes without saying.
type PartKey = (i64, i64);

/// What a connection knows.
#[derive(Debug)]
pub(crate) struct ConnectionMachine {
    /// Who waits for which response.
    requests: RequestTable,
    /// Live consumers.
    consumers: BTreeMap<PartKey, Arc<ConsumerCore>>,
    /// The windows of producers that have one.
    windows: BTreeMap<PartKey, Arc<SendWindow>>,
    /// What the broker said about itself.
    broker: Option<Box<BrokerInfo>>,
    /// Failures of commands that asked for no response.
    errors: VecDeque<BrokerException>,
    /// Set once, when the connection is over.
    lost: Option<ConnectionLost>,
    next_session: i64,
    next_temporary: i64,
    next_transaction: i64,
}

impl ConnectionMachine {
    /// A fresh connection.
    pub(crate) fn new() -> Self {
        Self {
            requests: RequestTable::default(),
            consumers: BTreeMap::new(),
            windows: BTreeMap::new(),
            broker: None,
            errors: VecDeque::new(),
            lost: None,
            next_session: 1,
            next_temporary: 1,
            next_transaction: 1,
        }
    }

    /// The broker sent this.
    pub(crate) fn handle(&mut self, command: Command) -> Step {
        match command {
            Command::MessageDispatch(dispatch) => self.dispatch(dispatch),
            Command::Response(response) => {
                self.answer(response.correlation_id, Command::Response(response))
            }
            Command::DataResponse(response) => {
                self.answer(response.correlation_id, Command::DataResponse(response))
            }
            Command::DataArrayResponse(response) => {
                self.answer(response.correlation_id, Command::DataArrayResponse(response))
            }
            Command::IntegerResponse(response) => {
                self.answer(response.correlation_id, Command::IntegerResponse(response))
            }
            Command::ExceptionResponse(refusal) => {
                let exception = BrokerException::from_wire(refusal.exception.as_ref());
                let answer = Err(RequestFailure::Refused(exception.clone()));
                if self.requests.answer(refusal.correlation_id, answer) {
                    Step::Done
                } else {
                    // The request was given up; its failure must not vanish unseen.
                    self.note(exception)
                }
            }
            Command::ConnectionError(error) => {
                self.note(BrokerException::from_wire(error.exception.as_ref()))
            }
            Command::ConsumerControl(control) => {
                let consumer = control.consumer_id.as_ref().and_then(|id| self.consumer(id));
                match consumer {
                    Some(consumer) if control.close => Step::Control(consumer, Control::Close),
                    Some(consumer) => {
                        let prefetch = usize::try_from(control.prefetch).unwrap_or(0);
                        Step::Control(consumer, Control::Prefetch(prefetch))
                    }
                    None => Step::Done,
                }
            }
            Command::ProducerAck(ack) => {
                let window = ack.producer_id.as_ref().and_then(|id| self.windows.get(&key_of(id)));
                if let Some(window) = window {
                    window.give_back(usize::try_from(ack.size).unwrap_or(0));
                }
                Step::Done
            }
            Command::BrokerInfo(info) => {
                self.broker = Some(info);
                Step::Done
            }
            Command::ShutdownInfo(_) => Step::Over(ConnectionLost::new("the broker shut down")),
            // Addresses of other brokers, for clients that fail over; keep-alives; the rest is not
            // for clients.
            other => {
                tracing::trace!(command = ?other, "ignored a command of the broker");
                Step::Done
            }
        }
    }

    fn dispatch(&mut self, dispatch: MessageDispatch) -> Step {
        // A dispatch to a consumer that is gone crosses its removal on the way; the broker takes
        // the message back. One without a message ends a pull or a browse; neither is offered.
        let consumer = dispatch.consumer_id.as_ref().and_then(|id| self.consumer(id));
        let (Some(consumer), Some(message)) = (consumer, dispatch.message) else {
            return Step::Done;
        };
        let Some(destination) = dispatch.destination.or_else(|| message.destination()) else {
            return Step::Done;
        };
        let redeliveries = u32::try_from(dispatch.redelivery_counter).unwrap_or(0);
        let held = Held { serial: 0, message, destination, redeliveries, reported: false };
        Step::Deliver(consumer, held)
    }

    fn answer(&mut self, correlation_id: i32, response: Command) -> Step {
        self.requests.answer(correlation_id, Ok(response));
        Step::Done
    }

    fn note(&mut self, exception: BrokerException) -> Step {
        tracing::warn!(class = exception.class, error = exception.message, "the broker reports");
        if self.errors.len() == MAX_ERRORS {
            self.errors.pop_front();
        }
        self.errors.push_back(exception);
        Step::Noted
    }

    /// Expects a response to this command, unless none can come any more.
    pub(crate) fn expect(&mut self, id: i32) -> Result<oneshot::Receiver<Answer>, ConnectionLost> {
        match &self.lost {
            Some(lost) => Err(lost.clone()),
            None => Ok(self.requests.register(id)),
        }
    }

    /// Nobody waits for the response to this command any more.
    pub(crate) fn forget(&mut self, id: i32) {
        self.requests.forget(id);
    }

    /// The next failure that nobody waited for, oldest first.
    pub(crate) fn next_error(&mut self) -> Option<BrokerException> {
        self.errors.pop_front()
    }

    /// Why the connection is over, if it is.
    pub(crate) fn lost(&self) -> Option<&ConnectionLost> {
        self.lost.as_ref()
    }

    /// What the broker said about itself, if it has.
    pub(crate) fn broker(&self) -> Option<&BrokerInfo> {
        self.broker.as_deref()
    }

    /// A number for a session.
    pub(crate) fn number_session(&mut self) -> i64 {
        let number = self.next_session;
        self.next_session += 1;
        number
    }

    /// A number for a temporary destination.
    pub(crate) fn number_temporary(&mut self) -> i64 {
        let number = self.next_temporary;
        self.next_temporary += 1;
        number
    }

    /// A number for a transaction.
    pub(crate) fn number_transaction(&mut self) -> i64 {
        let number = self.next_transaction;
        self.next_transaction += 1;
        number
    }

    /// Dispatches for this consumer go to it from now on.
    pub(crate) fn add_consumer(&mut self, consumer: Arc<ConsumerCore>) {
        let id = consumer.id();
        self.consumers.insert((id.session_id, id.value), consumer);
    }

    /// It takes no more dispatches.
    pub(crate) fn remove_consumer(&mut self, id: &ConsumerId) {
        self.consumers.remove(&(id.session_id, id.value));
    }

    /// This producer's window is refilled by the broker's `ProducerAck`s.
    pub(crate) fn add_window(&mut self, id: &ProducerId, window: Arc<SendWindow>) {
        self.windows.insert(key_of(id), window);
    }

    /// The producer is gone.
    pub(crate) fn remove_window(&mut self, id: &ProducerId) {
        self.windows.remove(&key_of(id));
    }

    /// Parts with the live consumers, in the order of their numbers: they get no more dispatches.
    pub(crate) fn take_consumers(&mut self) -> Vec<Arc<ConsumerCore>> {
        std::mem::take(&mut self.consumers).into_values().collect()
    }

    /// The link is gone, and another one may come: these requests end with it. Returns whom to tell:
    /// consumers and windows.
    pub(crate) fn interrupt(
        &mut self,
        ended: Vec<(i32, Tied)>,
    ) -> (Vec<Arc<ConsumerCore>>, Vec<Arc<SendWindow>>) {
        self.end_requests(ended);
        let consumers = self.consumers.values().cloned().collect();
        let windows = self.windows.values().cloned().collect();
        (consumers, windows)
    }

    /// These requests will not be answered.
    pub(crate) fn end_requests(&mut self, ended: Vec<(i32, Tied)>) {
        for (id, tied) in ended {
            let lost = ConnectionLost::new(tied.reason());
            self.requests.answer(id, Err(RequestFailure::Lost(lost)));
        }
    }

    /// The broker refuses a consumer that had lived: it is no more.
    pub(crate) fn end_refused(&mut self, id: &ConsumerId) -> Option<Arc<ConsumerCore>> {
        self.consumers.remove(&(id.session_id, id.value))
    }

    /// The connection is over: nobody will be answered. The first reason stays. Returns whom to
    /// tell: consumers and windows.
    pub(crate) fn lose(
        &mut self,
        reason: ConnectionLost,
    ) -> (Vec<Arc<ConsumerCore>>, Vec<Arc<SendWindow>>) {
        let lost = self.lost.get_or_insert(reason).clone();
        self.requests.fail_all(&lost);
        let consumers = std::mem::take(&mut self.consumers).into_values().collect();
        let windows = std::mem::take(&mut self.windows).into_values().collect();
        (consumers, windows)
    }

    fn consumer(&self, id: &ConsumerId) -> Option<Arc<ConsumerCore>> {
        self.consumers.get(&(id.session_id, id.value)).cloned()
    }
}

fn key_of(id: &ProducerId) -> PartKey {
    (id.session_id, id.value)
}
