//! How to connect, and with what clock, dialer and identifiers.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::Dialer;
use ferrymq_transport::tcp::Tcp;

use crate::failover::Observer;
use crate::ids::IdSource;

/// How to connect. Nothing in the client takes time, chance or sockets from anywhere else, so a
/// simulation passes its own.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Opens streams to endpoints.
    pub dialer: Arc<dyn Dialer>,
    /// Wall-clock time, for time stamps and expiry.
    pub clock: Clock,
    /// Identifiers of connections.
    pub ids: IdSource,
    /// Whatever is random about failing over follows from it.
    pub seed: u64,
    /// Told what happens to a connection that fails over.
    pub observer: Observer,
    /// The name under which the broker knows the client; must be unique among those connected.
    /// The connection's identifier if absent.
    pub client_id: Option<String>,
    /// Who connects.
    pub user: Option<String>,
    /// Their password.
    pub password: Option<String>,
    /// How long the broker may take to accept the client, once the wire format is agreed.
    pub accept_timeout: Duration,
    /// How long any other request may go unanswered. Without end if absent, as in JMS: a broker
    /// that is short of space delays its answers to producers on purpose.
    pub request_timeout: Option<Duration>,
    /// How long [`close`](crate::connection::Connection::close) waits for the broker.
    pub close_timeout: Duration,
}

impl ConnectOptions {
    /// Connections through this dialer, on this clock, named from this source.
    pub fn new(dialer: Arc<dyn Dialer>, clock: Clock, ids: IdSource) -> Self {
        Self {
            dialer,
            clock,
            seed: ids.seed(),
            ids,
            observer: Observer::default(),
            client_id: None,
            user: None,
            password: None,
            accept_timeout: Duration::from_secs(30),
            request_timeout: None,
            close_timeout: Duration::from_secs(15),
        }
    }

    /// Connections over TCP, on the system's clock, named after this process.
    pub fn system() -> Self {
        let clock = Clock::system();
        let ids = IdSource::of_this_process(&clock);
        Self::new(Arc::new(Tcp), clock, ids)
    }

    /// The same with a client id.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The same, telling of what happens to the connection.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The same with a user and a password.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self.password = Some(password.into());
        self
    }
}

impl Default for ConnectOptions {
    /// As [`ConnectOptions::system`].
    fn default() -> Self {
        Self::system()
    }
}
