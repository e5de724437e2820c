//! One link of a connection that fails over.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConnectionControl, ConnectionInfo};
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::negotiate::Negotiated;
use ferrymq_transport::dial::{DialError, Dialer};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::{self, ConnectError};
use ferrymq_transport::link::{Link, LinkError, Receiver};
use ferrymq_transport::outbox::Outbox;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::error::BrokerException;

/// A broker says less than this before its client is let in.
const MOST_EARLY: usize = 64;

/// A link whose wire format is agreed on. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) endpoint: Endpoint,
    pub(super) outbox: Outbox,
    /// The largest frame that its broker takes.
    pub(super) largest_frame: u64,
    /// Whether its broker is a FerryMQ: one that tells, asked again, how a transaction ended.
    tells: bool,
    /// What its broker said before the link was of use; not all of it, if that was much.
    pub(super) early: Vec<Command>,
    receiver: Receiver,
    writer: Option<JoinHandle<()>>,
    /// Why writing failed.
    broken: Arc<Mutex<Option<Arc<str>>>>,
}

/// Why an address is no use.
#[derive(Debug)]
pub(super) enum Useless {
    /// Not now.
    Now(Arc<str>),
    /// It never will be: its scheme or its options are not known.
    Ever(Arc<str>),
    /// Its broker does not let the client in.
    Refused(BrokerException),
}

impl Useless {
    pub(super) fn reason(&self, endpoint: &Endpoint) -> Arc<str> {
        match self {
            Self::Now(reason) | Self::Ever(reason) => Arc::clone(reason),
            Self::Refused(exception) => {
                format!("{} refused the connection: {exception}", endpoint.bare()).into()
            }
        }
    }
}

impl Line {
    /// Dials.
    pub(super) async fn dial(dialer: Arc<dyn Dialer>, endpoint: Endpoint) -> Result<Self, Useless> {
        match handshake::connect(dialer.as_ref(), &endpoint).await {
            Ok(link) => Ok(Self::over(link, endpoint)),
            Err(error) => {
                let reason: Arc<str> = error.to_string().into();
                Err(match error {
                    ConnectError::Settings(_)
                    | ConnectError::Dial(DialError::Scheme { .. } | DialError::Settings(_)) => {
                        Useless::Ever(reason)
                    }
                    _ => Useless::Now(reason),
                })
            }
        }
    }

    fn over(link: Link, endpoint: Endpoint) -> Self {
        let largest_frame = link.largest_frame();
        let product = link.negotiated.as_ref().and_then(Negotiated::product);
        let tells = product.is_some_and(|product| product.starts_with("FerryMQ"));
        let Link { receiver, outbox, pump, .. } = link;
        let broken = Arc::new(Mutex::new(None));
        let writer = tokio::spawn({
            let (broken, outbox) = (Arc::clone(&broken), outbox.clone());
            async move {
                if let Err(error) = pump.run().await {
                    *broken.lock() = Some(error.to_string().into());
                    outbox.abort();
                }
            }
        });
        Self {
            endpoint,
            outbox,
            largest_frame,
            tells,
            early: Vec::new(),
            receiver,
            writer: Some(writer),
            broken,
        }
    }

    /// Its broker, if it tells how transactions ended: it says who it is before it lets a client in.
    pub(super) fn teller(&self) -> Option<BrokerId> {
        let info = self.early.iter().find_map(|command| match command {
            Command::BrokerInfo(info) => Some(info),
            _ => None,
        });
        info.filter(|_| self.tells)?.broker_id.clone()
    }

    /// Waits for commands of the broker. Cancel-safe.
    pub(super) async fn receive(&mut self, batch: &mut Vec<Command>) -> Result<(), Arc<str>> {
        let received = self.receiver.receive(batch).await;
        received.map_err(|error| match (&error, self.broken.lock().clone()) {
            // The writer has more to say than that it gave up.
            (LinkError::Aborted, Some(broken)) => broken,
            _ => error.to_string().into(),
        })
    }

    /// The task that writes; it ends when the outbox is closed and everything is written.
    pub(super) fn take_writer(&mut self) -> Option<JoinHandle<()>> {
        self.writer.take()
    }

    /// Keeps the link alive while nobody uses it; returns when it breaks. Cancel-safe.
    pub(super) async fn idle(&mut self) {
        let mut batch = Vec::new();
        while self.receive(&mut batch).await.is_ok() {
            batch.truncate(MOST_EARLY.saturating_sub(self.early.len()));
            self.early.append(&mut batch);
        }
    }

    /// Opens the connection, and waits until the broker lets it in.
    pub(super) async fn introduce(
        &mut self,
        info: ConnectionInfo,
        timeout: Duration,
    ) -> Result<(), Useless> {
        let id = info.command_id;
        if info.failover_reconnect {
            self.outbox.push(Command::from(ConnectionControl {
                fault_tolerant: true,
                ..ConnectionControl::default()
            }));
        }
        self.outbox.push(Command::from(info));
        match tokio::time::timeout(timeout, self.admitted(id)).await {
            Ok(admitted) => admitted,
            Err(_) => Err(Useless::Now(
                format!(
                    "{} did not accept the connection within {timeout:?}",
                    self.endpoint.bare()
                )
                .into(),
            )),
        }
    }

    async fn admitted(&mut self, id: i32) -> Result<(), Useless> {
        let mut batch = Vec::new();
        let mut told = None;
        loop {
            let received = self.receive(&mut batch).await;
            let mut commands = batch.drain(..);
            while let Some(command) = commands.next() {
                match command {
                    Command::Response(answer) if answer.correlation_id == id => {
                        self.early.extend(commands);
                        return Ok(());
                    }
                    Command::ExceptionResponse(refusal) if refusal.correlation_id == id => {
                        let exception = BrokerException::from_wire(refusal.exception.as_ref());
                        return Err(Useless::Refused(exception));
                    }
                    Command::ConnectionError(error) => {
                        told = Some(BrokerException::from_wire(error.exception.as_ref()));
                    }
                    other if self.early.len() < MOST_EARLY => self.early.push(other),
                    _ => {}
                }
            }
            if let Err(reason) = received {
                let at = self.endpoint.bare();
                return Err(match told {
                    Some(exception) => Useless::Refused(exception),
                    None => Useless::Now(format!("{at}: {reason}").into()),
                });
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // What was closed in order still writes what it has.
        if !self.outbox.is_closed() {
            self.outbox.abort();
        }
    }
}
