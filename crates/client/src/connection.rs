//! A connection to a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, ConnectionInfo, RemoveInfo, RemoveSubscriptionInfo, ShutdownInfo,
};
use ferrymq_openwire::ids::ConnectionId;
use ferrymq_transport::handshake;
use ferrymq_transport::link::Link;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::address::Address;
use crate::core::ConnectionCore;
use crate::driver::{Driver, Failover, Finder, Introduction, start_single};
use crate::error::{BrokerException, CloseError, ConnectError, ConnectionLost, OpenError};
use crate::failover::{FailoverList, FailoverPolicy, RestoreState};
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
    /// `?wireFormat.maxInactivityDuration=10000`, or any of a list, `failover:(tcp://a:1,tcp://b:2)`
    /// with [these options](crate::failover::FAILOVER_OPTIONS), or any that an agent finds:
    /// `discovery:(multicast://default)`, `discovery:(dns:(_openwire._tcp.example.org))`,
    /// `discovery:(file:PATH)`, `discovery:(http://HOST:PORT/PATH/GROUP)`. Agents may stand among
    /// the addresses of `failover:(…)`, too. They ask with sockets of their own, not by the dialer.
    ///
    /// A connection to a list of brokers outlives their links: when one is lost, another one is told
    /// what lives in the connection, and what was not confirmed is sent again. What the lost broker
    /// had delivered and nobody had settled is delivered again
    /// ([`ack`](crate::delivery::Delivery::ack) says what that means). Unless its options set a
    /// limit, this waits until a broker can be reached.
    pub async fn connect(url: &str, options: ConnectOptions) -> Result<Self, ConnectError> {
        match Address::read(url)? {
            Address::One(endpoint) => {
                let link = handshake::connect(options.dialer.as_ref(), &endpoint).await?;
                Self::establish(link, &endpoint.bare().to_string(), options).await
            }
            Address::AnyOf(list) => Self::fail_over(*list, url, options).await,
        }
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
        let largest = link.largest_frame();
        let core = new_core(&options, Uplink::new(link.outbox, largest), None);
        let driver = start_single(&core, link.receiver, link.pump);
        let connection = Self::of(core, driver, &options);
        let core = connection.core();
        let info = introduction(core, &options);
        core.ask_within(Some(options.accept_timeout), |command_id| {
            Command::ConnectionInfo(Box::new(ConnectionInfo { command_id, ..info }))
        })
        .await
        .map_err(|error| error.connecting(url.to_owned()))?;
        Ok(connection)
    }

    async fn fail_over(
        list: FailoverList,
        url: &str,
        options: ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let cache = list.options.track_messages.then_some(list.options.max_cache_size);
        let uplink = Uplink::restoring(RestoreState::new(cache));
        let core = new_core(&options, uplink, list.options.timeout);
        let introduction = Introduction {
            info: ConnectionInfo {
                command_id: core.uplink.number(),
                fault_tolerant: true,
                ..introduction(&core, &options)
            },
            timeout: options.accept_timeout,
        };
        let (dialer, observer) = (Arc::clone(&options.dialer), options.observer.clone());
        let finder = Finder::start(&list.agents, options.seed);
        let policy = FailoverPolicy::new(list, options.seed);
        let (driver, first) =
            Failover::start(&core, policy, finder, dialer, introduction, observer, url);
        // Dropped with this future, it ends the search.
        let connection = Self::of(core, driver, &options);
        match first.await {
            Ok(connected) => connected.map(|()| connection),
            Err(_) => Err(ConnectError::Lost {
                url: url.to_owned(),
                lost: connection.core().uplink.lost(),
            }),
        }
    }

    fn of(core: Arc<ConnectionCore>, driver: Driver, options: &ConnectOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                core,
                close_timeout: options.close_timeout,
                driver: Mutex::new(Some(driver)),
            }),
        }
    }

    /// The address of the broker that a connection which fails over has now; `None` while it has
    /// none.
    pub fn address(&self) -> Option<String> {
        self.core().address.lock().clone()
    }

    /// Whether there is a broker at its other end now.
    pub fn is_up(&self) -> bool {
        self.core().uplink.is_up()
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
        core.closing.store(true, Ordering::Relaxed);
        let consumers = core.machine.lock().take_consumers();
        for consumer in consumers {
            consumer.close();
        }
        let farewell = if core.uplink.is_up() {
            core.ask_within(Some(self.shared.close_timeout), |command_id| {
                removal(&core.id, command_id, true)
            })
            .await
            .map(drop)
        } else {
            // Between two brokers there is nobody to say farewell to.
            Ok(())
        };
        core.uplink.send(shutdown(core.uplink.number()));
        core.uplink.close();
        let written =
            tokio::time::timeout(self.shared.close_timeout, driver.writer.finished()).await;
        core.lose(ConnectionLost::new("the connection was closed"));
        driver.reader.abort();
        farewell.map_err(|error| error.closing())?;
        written.map(drop).map_err(|_| CloseError::TimedOut(self.shared.close_timeout))
    }

    /// Ends the durable subscription of this name that the connection's client id has, with all that
    /// is kept for it. The broker refuses while a consumer uses it, and when there is none.
    pub async fn unsubscribe(&self, name: &str) -> Result<(), OpenError> {
        let core = self.core();
        let info = RemoveSubscriptionInfo {
            response_required: true,
            connection_id: Some(core.id.clone()),
            subscription_name: Some(name.into()),
            client_id: Some(core.client_id.as_str().into()),
            ..RemoveSubscriptionInfo::default()
        };
        let ask = |command_id| {
            Command::RemoveSubscriptionInfo(RemoveSubscriptionInfo { command_id, ..info })
        };
        let what = || format!("the end of the durable subscription {name}");
        core.ask(ask).await.map(drop).map_err(|error| error.opening(what()))
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

fn new_core(
    options: &ConnectOptions,
    uplink: Uplink,
    outage_timeout: Option<std::time::Duration>,
) -> Arc<ConnectionCore> {
    let id = options.ids.connection();
    Arc::new(ConnectionCore {
        client_id: options.client_id.clone().unwrap_or_else(|| id.to_string()),
        id,
        audit: uplink.fails_over().then(Arc::default),
        uplink: Arc::new(uplink),
        clock: options.clock.clone(),
        request_timeout: options.request_timeout,
        outage_timeout,
        machine: Mutex::new(ConnectionMachine::new()),
        address: Mutex::new(None),
        closing: AtomicBool::new(false),
        noted: Notify::new(),
        stop: Notify::new(),
    })
}

fn introduction(core: &ConnectionCore, options: &ConnectOptions) -> ConnectionInfo {
    ConnectionInfo {
        response_required: true,
        connection_id: Some(core.id.clone()),
        client_id: Some(core.client_id.as_str().into()),
        user_name: options.user.as_deref().map(Into::into),
        password: options.password.as_deref().map(Into::into),
        manageable: true,
        client_master: true,
        ..ConnectionInfo::default()
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
