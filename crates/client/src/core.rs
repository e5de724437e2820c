//! What the parts of a connection share: the machine, the way to the broker, the clock.
//!
//! Locks are taken in this order: machine, consumer or send window, uplink. None is held over an
//! await.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::ids::ConnectionId;
use ferrymq_transport::clock::Clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::error::{AskError, ConnectionLost, RequestFailure};
use crate::failover::Tied;
use crate::machine::{ConnectionMachine, Control, Step};
use crate::receiving::audit::Audit;
use crate::receiving::core::ConsumerCore;
use crate::receiving::held::Held;
use crate::receiving::state::Ended;
use crate::requests::Answer;
use crate::uplink::Uplink;

/// Shared by a connection's handles and its reader.
#[derive(Debug)]
pub(crate) struct ConnectionCore {
    /// The connection's identifier.
    pub(crate) id: ConnectionId,
    /// The name under which the broker knows the client.
    pub(crate) client_id: String,
    /// The way to the broker.
    pub(crate) uplink: Arc<Uplink>,
    /// Time stamps and expiry follow it.
    pub(crate) clock: Clock,
    /// How long requests may go unanswered.
    pub(crate) request_timeout: Option<Duration>,
    /// How long messages wait for a broker.
    pub(crate) outage_timeout: Option<Duration>,
    /// Recognises messages that come again; only on a connection that fails over.
    pub(crate) audit: Option<Arc<Audit>>,
    /// What the connection knows.
    pub(crate) machine: Mutex<ConnectionMachine>,
    /// Where the connection is, if it fails over and has a broker.
    pub(crate) address: Mutex<Option<String>>,
    /// Set when its owner ends it: no further broker is looked for.
    pub(crate) closing: AtomicBool,
    /// Rings when a failure that nobody waited for was noted, and when the connection is over.
    pub(crate) noted: Notify,
    /// Rings when the reader must stop.
    pub(crate) stop: Notify,
}

impl ConnectionCore {
    /// Does what these commands of the broker ask for.
    pub(crate) fn handle(
        &self,
        batch: &mut Vec<Command>,
        run: &mut Vec<Held>,
    ) -> Result<(), ConnectionLost> {
        let refused = self.uplink.note_answers(batch);
        let mut machine = self.machine.lock();
        // Dispatches mostly come in runs for one consumer, which is then locked once.
        let mut receiving: Option<Arc<ConsumerCore>> = None;
        let mut over = None;
        for command in batch.drain(..) {
            match machine.handle(command) {
                Step::Done => {}
                Step::Noted => {
                    self.noted.notify_waiters();
                    self.noted.notify_one();
                }
                Step::Deliver(consumer, held) => {
                    match &receiving {
                        Some(current) if Arc::ptr_eq(current, &consumer) => {}
                        Some(current) => {
                            current.accept(run)?;
                            receiving = Some(consumer);
                        }
                        None => receiving = Some(consumer),
                    }
                    run.push(held);
                }
                Step::Control(consumer, control) => {
                    if let Some(current) = receiving.take() {
                        current.accept(run)?;
                    }
                    match control {
                        Control::Close => {
                            machine.remove_consumer(consumer.id());
                            consumer.end(Ended::ByBroker);
                        }
                        Control::Prefetch(prefetch) => consumer.set_prefetch(prefetch),
                    }
                }
                Step::Over(lost) => {
                    over = Some(lost);
                    break;
                }
            }
        }
        if let Some(current) = receiving {
            current.accept(run)?;
        }
        let refused: Vec<_> = refused.iter().filter_map(|id| machine.end_refused(id)).collect();
        drop(machine);
        for consumer in refused {
            consumer.end(Ended::ByBroker);
        }
        over.map_or(Ok(()), Err)
    }

    /// Whether it has a client id that somebody gave it.
    pub(crate) fn is_named(&self) -> bool {
        self.client_id != self.id.to_string()
    }

    /// The connection has a broker, or none.
    pub(crate) fn connected_to(&self, address: Option<String>) {
        *self.address.lock() = address;
    }

    /// Whether its owner ends it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The link broke: what was to be sent never will be, and everyone learns why.
    pub(crate) fn break_off(&self, reason: ConnectionLost) {
        self.uplink.abort();
        self.lose(reason);
    }

    /// The link is left for another one: what is owed to its broker leaves before this farewell.
    pub(crate) fn depart(&self, farewell: Vec<Command>) {
        // Consumers first: what they would still hand out, the broker takes back.
        let consumers = self.machine.lock().interrupt(Vec::new()).0;
        for consumer in consumers {
            consumer.interrupt();
        }
        let ended = self.uplink.depart(farewell);
        self.interrupted(ended);
    }

    /// The link broke, and another one may come: what was under way on it is over.
    pub(crate) fn interrupt(&self) {
        let ended = self.uplink.detach();
        self.interrupted(ended);
    }

    /// There is another link, and these requests have no answer there.
    pub(crate) fn end_requests(&self, ended: Vec<(i32, Tied)>) {
        self.machine.lock().end_requests(ended);
    }

    fn interrupted(&self, ended: Vec<(i32, Tied)>) {
        if let Some(audit) = &self.audit {
            audit.suspect();
        }
        let (consumers, windows) = self.machine.lock().interrupt(ended);
        for consumer in consumers {
            consumer.interrupt();
        }
        for window in windows {
            window.reset();
        }
    }

    /// The connection is over: everyone who waits on it learns why. The first reason stays.
    pub(crate) fn lose(&self, reason: ConnectionLost) {
        let (consumers, windows, lost) = {
            let mut machine = self.machine.lock();
            let (consumers, windows) = machine.lose(reason.clone());
            (consumers, windows, machine.lost().cloned().unwrap_or(reason))
        };
        self.uplink.lose(lost.clone());
        for consumer in consumers {
            consumer.end(Ended::Lost(lost.clone()));
        }
        for window in windows {
            window.open_for_good();
        }
        self.stop.notify_one();
        self.noted.notify_waiters();
        self.noted.notify_one();
    }

    /// Sends a command that asks for a response. It is given its number.
    pub(crate) fn begin(
        self: &Arc<Self>,
        command: impl FnOnce(i32) -> Command,
    ) -> Result<Pending, ConnectionLost> {
        let id = self.uplink.number();
        let pending = self.expect(id)?;
        if self.uplink.send(command(id)) { Ok(pending) } else { Err(self.uplink.lost()) }
    }

    /// Expects the response to a command that is about to be sent.
    pub(crate) fn expect(self: &Arc<Self>, id: i32) -> Result<Pending, ConnectionLost> {
        let answer = self.machine.lock().expect(id)?;
        Ok(Pending { core: Arc::clone(self), id, answer, answered: false })
    }

    /// Sends a command and waits for its response.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        command: impl FnOnce(i32) -> Command,
    ) -> Result<Command, AskError> {
        self.ask_within(self.request_timeout, command).await
    }

    /// Sends a command and waits for its response for as long as this.
    pub(crate) async fn ask_within(
        self: &Arc<Self>,
        timeout: Option<Duration>,
        command: impl FnOnce(i32) -> Command,
    ) -> Result<Command, AskError> {
        let pending =
            self.begin(command).map_err(|lost| AskError::Failed(RequestFailure::Lost(lost)))?;
        pending.wait(timeout).await
    }
}

/// A response that is due. Dropped, it is due no more.
#[derive(Debug)]
pub(crate) struct Pending {
    core: Arc<ConnectionCore>,
    id: i32,
    answer: oneshot::Receiver<Answer>,
    answered: bool,
}

impl Pending {
    /// Waits for it, for as long as this.
    pub(crate) async fn wait(mut self, timeout: Option<Duration>) -> Result<Command, AskError> {
        let answer = match timeout {
            None => (&mut self.answer).await,
            Some(limit) => match tokio::time::timeout(limit, &mut self.answer).await {
                Ok(answer) => answer,
                Err(_) => return Err(AskError::TimedOut(limit)),
            },
        };
        self.answered = true;
        match answer {
            Ok(answer) => answer.map_err(AskError::Failed),
            // The table dropped the request without an answer; it never does while it lives.
            Err(_) => Err(AskError::Failed(RequestFailure::Lost(self.core.uplink.lost()))),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            self.core.machine.lock().forget(self.id);
        }
    }
}
