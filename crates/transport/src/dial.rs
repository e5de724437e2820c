//! What a world of links offers: dialing and listening.
//!
//! Everything above takes these traits, so that the same code runs over sockets and in a
//! simulation.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::endpoint::Endpoint;
use crate::link::PeerAddress;
use crate::settings::SettingsError;

/// A future behind a pointer, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Bytes both ways, before anything has been said.
pub struct Stream {
    /// Bytes from the peer.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Bytes to the peer. Dropping it ends this direction.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Who the peer is.
    pub peer: PeerAddress,
}

impl Stream {
    /// A stream of two halves.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        peer: PeerAddress,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer), peer }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Reaches endpoints.
pub trait Dialer: Send + Sync + 'static {
    /// Connects. How long that may take is the caller's to bound.
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, DialError>>;
}

/// Listens on endpoints.
pub trait Binder: Send + Sync + 'static {
    /// Starts to listen; port 0 takes any free one.
    fn bind<'a>(
        &'a self,
        endpoint: &'a Endpoint,
    ) -> BoxFuture<'a, Result<Box<dyn Listener>, BindError>>;
}

/// Takes in those who dial. Dropping it ends listening.
pub trait Listener: Send {
    /// Waits for the next peer. Cancel-safe. Trouble that may pass (one peer's, or a lack of file
    /// descriptors) is waited out inside; an error means that the listener is of no more use.
    fn accept(&mut self) -> BoxFuture<'_, Result<Stream, AcceptError>>;

    /// What it listens on, with the port that it got.
    fn endpoint(&self) -> Endpoint;
}

/// An endpoint could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Not a scheme of this world.
    #[error("cannot dial {endpoint}: scheme \"{}\" is not supported here; write tcp://", endpoint.scheme)]
    Scheme {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// Its options are no good.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No such host.
    #[error("cannot find host \"{host}\": {source}")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Nobody answered there, at any of the host's addresses.
    #[error("cannot connect to {}: {source}{}", endpoint.bare(), tried(addresses))]
    Connect {
        /// The endpoint.
        endpoint: Endpoint,
        /// The addresses that were tried.
        addresses: Vec<SocketAddr>,
        /// What the last attempt met.
        source: io::Error,
    },
}

fn tried(addresses: &[SocketAddr]) -> String {
    if addresses.is_empty() {
        return String::new();
    }
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    format!(" (tried {})", addresses.join(", "))
}

/// A listener could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not a scheme of this world.
    #[error("cannot listen on {endpoint}: scheme \"{}\" is not supported here; write tcp://", endpoint.scheme)]
    Scheme {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// Its options are no good.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No such host.
    #[error("cannot listen on {}: cannot find host \"{}\": {source}", endpoint.bare(), endpoint.host)]
    Resolve {
        /// The endpoint.
        endpoint: Endpoint,
        /// What the resolver says.
        source: io::Error,
    },
    /// Somebody else is there.
    #[error(
        "cannot listen on {}: another process listens there; choose another port or stop it",
        endpoint.bare()
    )]
    InUse {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The host is another machine's.
    #[error(
        "cannot listen on {}: \"{}\" is no address of this machine; 0.0.0.0 stands for all of them",
        endpoint.bare(),
        endpoint.host
    )]
    NotLocal {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// Anything else.
    #[error("cannot listen on {}: {source}", endpoint.bare())]
    Io {
        /// The endpoint.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
}

/// A listener is of no more use.
#[derive(Debug, thiserror::Error)]
#[error("the listener on {} has failed: {source}", endpoint.bare())]
pub struct AcceptError {
    /// What it listened on.
    pub endpoint: Endpoint,
    /// What the system says.
    pub source: io::Error,
}
