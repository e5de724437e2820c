//! One host: dials and listens as TCP would.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::time::sleep;

use super::fabric::Fabric;
use super::listener::{Backlog, SimulatedListener};
use crate::dial::{BindError, Binder, BoxFuture, DialError, Dialer, Listener, Stream};
use crate::endpoint::Endpoint;
use crate::settings::ConnectionSettings;

/// One host of a simulated network. What dials through it, dials from there.
///
/// It is reached under its name, and from itself also as `localhost`, `127.0.0.1` and `::1`. It
/// listens on its name, on those, and on `0.0.0.0` or `::` for both.
#[derive(Clone)]
pub struct SimulatedHost {
    name: Arc<str>,
    fabric: Arc<Fabric>,
}

const SCHEMES: [&str; 2] = ["tcp", "nio"];
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const EVERYWHERE: [&str; 2] = ["0.0.0.0", "::"];

impl SimulatedHost {
    pub(super) fn new(name: &str, fabric: Arc<Fabric>) -> Self {
        fabric.add_host(name);
        Self { name: Arc::from(name), fabric }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn dial_from_here(&self, endpoint: &Endpoint) -> Result<Stream, DialError> {
        if !SCHEMES.contains(&endpoint.scheme.as_str()) {
            return Err(DialError::Scheme { endpoint: endpoint.clone() });
        }
        ConnectionSettings::for_dialing(endpoint)?;
        let host = endpoint.host.as_str();
        let target = if LOOPBACK.contains(&host) { &*self.name } else { host };
        if !self.fabric.knows(target) {
            let source = io::Error::new(io::ErrorKind::NotFound, "no such host in this simulation");
            return Err(DialError::Resolve { host: host.to_owned(), source });
        }
        self.round_trip(target).await;
        let refusing = self.fabric.direction(&self.name, target).lock().refusing;
        let connected = match refusing {
            true => Err(io::ErrorKind::ConnectionRefused.into()),
            false => self.fabric.connect(&self.name, target, endpoint.port),
        };
        connected.map_err(|source| DialError::Connect {
            endpoint: endpoint.clone(),
            addresses: Vec::new(),
            source,
        })
    }

    /// Completes when an answer has come back from `target`, if ever.
    async fn round_trip(&self, target: &str) {
        let there = self.fabric.direction(&self.name, target);
        let back = self.fabric.direction(target, &self.name);
        // One lock after the other: within a host, both are the same.
        let is_silent = || {
            let silent = there.lock().silent_since.is_some();
            silent || back.lock().silent_since.is_some()
        };
        loop {
            let mut changed = std::pin::pin!(self.fabric.changed());
            changed.as_mut().enable();
            if is_silent() {
                changed.await;
                continue;
            }
            let time = there.lock().conditions.latency;
            let time = time + back.lock().conditions.latency;
            if !time.is_zero() {
                sleep(time).await;
            }
            if !is_silent() {
                return;
            }
        }
    }

    fn bind_here(&self, endpoint: &Endpoint) -> Result<SimulatedListener, BindError> {
        if !SCHEMES.contains(&endpoint.scheme.as_str()) {
            return Err(BindError::Scheme { endpoint: endpoint.clone() });
        }
        let settings = ConnectionSettings::for_listening(endpoint)?;
        let host = endpoint.host.as_str();
        let loopback_only = LOOPBACK.contains(&host);
        if !loopback_only && !EVERYWHERE.contains(&host) && host != &*self.name {
            return Err(BindError::NotLocal { endpoint: endpoint.clone() });
        }
        let limit = usize::try_from(settings.backlog).unwrap_or(usize::MAX);
        let backlog = Arc::new(Backlog::new(limit));
        let port = self
            .fabric
            .listen(&self.name, endpoint.port, loopback_only, &backlog)
            .ok_or_else(|| BindError::InUse { endpoint: endpoint.clone() })?;
        Ok(SimulatedListener::new(endpoint.with_port(port), backlog))
    }
}

impl Dialer for SimulatedHost {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, DialError>> {
        Box::pin(self.dial_from_here(endpoint))
    }
}

impl Binder for SimulatedHost {
    fn bind<'a>(
        &'a self,
        endpoint: &'a Endpoint,
    ) -> BoxFuture<'a, Result<Box<dyn Listener>, BindError>> {
        Box::pin(async move {
            let listener = self.bind_here(endpoint)?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

impl fmt::Debug for SimulatedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimulatedHost").field(&self.name).finish()
    }
}
