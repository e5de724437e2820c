//! A connection to a broker.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, ConnectionInfo, RemoveInfo, ShutdownInfo};
use ferrymq_openwire::ids::ConnectionId;
use ferrymq_transport::handshake;
use ferrymq_transport::link::Link;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::address;
use crate::core::ConnectionCore;
use crate::driver::Driver;
use crate::error::{BrokerException, CloseError, ConnectError, ConnectionLost};
use crate::machine::ConnectionMachine;
use crate::options::ConnectOptions;
use crate::uplink::Uplink;

/// A connection to a broker, and all that lives in it. Clones are the same connection; it ends with
/// [`close`](Self::close), or when the last clone and the last session, producer and consumer of it
/// are dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    core: Arc<ConnectionCore>,
    close_timeout: std::time::Duration,
    driver: Mutex<Option<Driver>>,
}

impl Connection {
    /// Connects to the broker that a URL names: `tcp://host:port`, with options such as
    /// `?wireFormat.maxInactivityDuration=10000`, or a failover list of exactly one such address.
    pub async fn connect(url: &str, options: ConnectOptions) -> Result<Self, ConnectError> {
        let endpoint = address::endpoint(url)?;
        let link = handshake::connect(options.dialer.as_ref(), &endpoint).await?;
        Self::establish(link, &endpoint.bare().to_string(), options).await
    }

    /// Connects over a link that is there already, such as one end of a pipe.
    pub async fn over(link: Link, options: ConnectOptions) -> Result<Self, ConnectError> {
        let url = link.peer.remote.clone();
        Self::establish(link, &url, options).await
    }

    async fn establish(
        link: Link,
        url: &str,
        options: ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let id = options.ids.connection();
        let core = Arc::new(ConnectionCore {
            client_id: options.client_id.clone().unwrap_or_else(|| id.to_string()),
            id,
            uplink: Arc::new(Uplink::new(link.outbox)),
            clock: options.clock,
            request_timeout: options.request_timeout,
            machine: Mutex::new(ConnectionMachine::new()),
            noted: Notify::new(),
            stop: Notify::new(),
        });
        let driver = Driver::start(&core, link.receiver, link.pump);
        let connection = Self {
            shared: Arc::new(Shared {
                core,
                close_timeout: options.close_timeout,
                driver: Mutex::new(Some(driver)),
            }),
        };
        let core = connection.core();
        let info = ConnectionInfo {
            response_required: true,
            connection_id: Some(core.id.clone()),
            client_id: Some(core.client_id.as_str().into()),
            user_name: options.user.as_deref().map(Into::into),
            password: options.password.as_deref().map(Into::into),
            manageable: true,
            client_master: true,
            ..ConnectionInfo::default()
        };
        core.ask_within(Some(options.accept_timeout), |command_id| {
            Command::ConnectionInfo(Box::new(ConnectionInfo { command_id, ..info }))
        })
        .await
        .map_err(|error| error.connecting(url.to_owned()))?;
        Ok(connection)
    }

    /// The connection's identifier.
    pub fn id(&self) -> &ConnectionId {
        &self.core().id
    }

    /// The name under which the broker knows the client.
    pub fn client_id(&self) -> &str {
        &self.core().client_id
    }

    /// What the broker said about itself, once it has.
    pub fn broker(&self) -> Option<BrokerInfo> {
        self.core().machine.lock().broker().cloned()
    }

    /// Why the connection is over, if it is.
    pub fn lost(&self) -> Option<ConnectionLost> {
        self.core().machine.lock().lost().cloned()
    }

    /// The next failure of a command that nobody waited for, such as a one-way send or an
    /// acknowledgement. Waits for one; ends with the connection. The newest 64 are kept.
    pub async fn next_error(&self) -> Result<BrokerException, ConnectionLost> {
        let core = self.core();
        loop {
            let noted = core.noted.notified();
            {
                let mut machine = core.machine.lock();
                if let Some(error) = machine.next_error() {
                    return Ok(error);
                }
                if let Some(lost) = machine.lost() {
                    return Err(lost.clone());
                }
            }
            noted.await;
        }
    }

    /// The failures that [`next_error`](Self::next_error) would give without waiting.
    pub fn take_errors(&self) -> Vec<BrokerException> {
        let mut machine = self.core().machine.lock();
        std::iter::from_fn(|| machine.next_error()).collect()
    }

    /// Ends the connection in order: consumers say what they settled and what they saw last, then
    /// the broker confirms that it knows of the end. Every command sent before has been handled by
    /// then, so that [`take_errors`](Self::take_errors) is complete afterwards.
    pub async fn close(&self) -> Result<(), CloseError> {
        let core = self.core();
        let Some(driver) = self.shared.driver.lock().take() else {
            return Ok(());
        };
        let consumers = core.machine.lock().take_consumers();
        for consumer in consumers {
            consumer.close();
        }
        let farewell = core
            .ask_within(Some(self.shared.close_timeout), |command_id| {
                removal(&core.id, command_id, true)
            })
            .await;
        core.uplink.send(shutdown(core.uplink.number()));
        core.uplink.close();
        let written = tokio::time::timeout(self.shared.close_timeout, driver.writer).await;
        core.lose(ConnectionLost::new("the connection was closed"));
        driver.reader.abort();
        farewell.map_err(|error| error.closing())?;
        written.map(drop).map_err(|_| CloseError::TimedOut(self.shared.close_timeout))
    }

    pub(crate) fn core(&self) -> &Arc<ConnectionCore> {
        &self.shared.core
    }
}

impl Drop for Shared {
    /// Leaves without waiting for the broker.
    fn drop(&mut self) {
        if let Some(driver) = self.driver.lock().take() {
            let core = &self.core;
            core.uplink.send(removal(&core.id, core.uplink.number(), false));
            core.uplink.send(shutdown(core.uplink.number()));
            core.uplink.close();
            driver.reader.abort();
        }
    }
}

fn removal(connection: &ConnectionId, command_id: i32, response_required: bool) -> Command {
    Command::RemoveInfo(RemoveInfo {
        command_id,
        response_required,
        object_id: Some(Box::new(Command::ConnectionId(connection.clone()))),
        // Consumers have said it for themselves.
        last_delivered_sequence_id: -1,
    })
}

fn shutdown(command_id: i32) -> Command {
    Command::ShutdownInfo(ShutdownInfo { command_id, ..ShutdownInfo::default() })
}
