//! Sockets.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, sleep_until};

use crate::dial::{AcceptError, BindError, Binder, BoxFuture, DialError, Dialer, Listener, Stream};
use crate::endpoint::Endpoint;
use crate::link::PeerAddress;
use crate::settings::{ConnectionSettings, SocketSettings};

/// The world of TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

/// ActiveMQ's names for the same thing: they differ in how Java reads the socket.
const SCHEMES: [&str; 2] = ["tcp", "nio"];

/// The first probe of a silent peer, and the time between further ones.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);

impl Dialer for Tcp {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, DialError>> {
        Box::pin(dial(endpoint))
    }
}

async fn dial(endpoint: &Endpoint) -> Result<Stream, DialError> {
    if !SCHEMES.contains(&endpoint.scheme.as_str()) {
        return Err(DialError::Scheme { endpoint: endpoint.clone() });
    }
    let settings = ConnectionSettings::for_dialing(endpoint)?;
    let resolve = |source| DialError::Resolve { host: endpoint.host.clone(), source };
    let addresses: Vec<SocketAddr> =
        lookup_host((endpoint.host.as_str(), endpoint.port)).await.map_err(resolve)?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in &addresses {
        match dial_address(*address, &settings.socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(DialError::Connect { endpoint: endpoint.clone(), addresses, source: last })
}

async fn dial_address(address: SocketAddr, settings: &SocketSettings) -> io::Result<Stream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Buffers decide the window that the first packet announces, so they are set before it.
    configure(SockRef::from(&socket), settings)?;
    stream(socket.connect(address).await?)
}

fn configure(socket: SockRef<'_>, settings: &SocketSettings) -> io::Result<()> {
    socket.set_tcp_nodelay(settings.no_delay)?;
    socket.set_keepalive(settings.keep_alive)?;
    if settings.keep_alive {
        let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
        socket.set_tcp_keepalive(&probes)?;
    }
    if let Some(bytes) = settings.buffer_size.and_then(|bytes| usize::try_from(bytes).ok()) {
        socket.set_recv_buffer_size(bytes)?;
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

fn stream(socket: TcpStream) -> io::Result<Stream> {
    let peer =
        PeerAddress { remote: shown(socket.peer_addr()?), local: shown(socket.local_addr()?) };
    let (reader, writer) = socket.into_split();
    Ok(Stream::new(reader, writer, peer))
}

/// An IPv4 peer of a socket for both protocols is shown as what it is.
fn shown(address: SocketAddr) -> String {
    format!("tcp://{}", SocketAddr::new(address.ip().to_canonical(), address.port()))
}

impl Binder for Tcp {
    fn bind<'a>(
        &'a self,
        endpoint: &'a Endpoint,
    ) -> BoxFuture<'a, Result<Box<dyn Listener>, BindError>> {
        Box::pin(async move {
            let listener = bind(endpoint).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }
}

async fn bind(endpoint: &Endpoint) -> Result<Accepting, BindError> {
    if !SCHEMES.contains(&endpoint.scheme.as_str()) {
        return Err(BindError::Scheme { endpoint: endpoint.clone() });
    }
    let settings = ConnectionSettings::for_listening(endpoint)?;
    let resolve = |source| BindError::Resolve { endpoint: endpoint.clone(), source };
    let addresses: Vec<SocketAddr> =
        lookup_host((endpoint.host.as_str(), endpoint.port)).await.map_err(resolve)?.collect();
    // "localhost" is both; peers that know only one of them try IPv4.
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let Some(address) = address else {
        return Err(resolve(io::Error::new(io::ErrorKind::NotFound, "the host has no address")));
    };
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { endpoint: endpoint.clone() },
        io::ErrorKind::AddrNotAvailable => BindError::NotLocal { endpoint: endpoint.clone() },
        _ => BindError::Io { endpoint: endpoint.clone(), source },
    };
    let listener = listen(*address, &settings).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok(Accepting {
        listener,
        endpoint: endpoint.with_port(port),
        socket: settings.socket,
        shortage: Shortage::default(),
    })
}

fn listen(address: SocketAddr, settings: &ConnectionSettings) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the last run's connections to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // [::] is every interface, as 0.0.0.0 is.
        socket.set_only_v6(false)?;
    }
    if let Some(bytes) = settings.socket.buffer_size.and_then(|bytes| usize::try_from(bytes).ok()) {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

struct Accepting {
    listener: TcpListener,
    endpoint: Endpoint,
    /// For each accepted socket.
    socket: SocketSettings,
    shortage: Shortage,
}

impl Listener for Accepting {
    fn accept(&mut self) -> BoxFuture<'_, Result<Stream, AcceptError>> {
        Box::pin(async move {
            loop {
                self.shortage.wait().await;
                match self.listener.accept().await {
                    Ok((socket, _)) => {
                        self.shortage.end();
                        let configured = configure(SockRef::from(&socket), &self.socket)
                            .and_then(|()| stream(socket));
                        match configured {
                            Ok(stream) => return Ok(stream),
                            // It has already gone again.
                            Err(error) => tracing::debug!(%error, "lost a peer while accepting it"),
                        }
                    }
                    Err(error) if is_the_peers(&error) => {
                        tracing::debug!(%error, "lost a peer while accepting it");
                    }
                    Err(error) if is_shortage(&error) => {
                        self.shortage.begin(&self.endpoint, &error)
                    }
                    Err(source) => {
                        return Err(AcceptError { endpoint: self.endpoint.clone(), source });
                    }
                }
            }
        })
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }
}

/// Errors that concern one connection; on Linux accept also reports those of the network.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | ConnectionRefused
            | Interrupted
            | TimedOut
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
            | PermissionDenied
    ) || error.raw_os_error().is_some_and(|code| PROTOCOL_ERROR.contains(&code))
}

/// `EPROTO`, on Linux and on BSD systems.
const PROTOCOL_ERROR: [i32; 2] = [71, 100];
/// `ENFILE`, `EMFILE`, and `ENOBUFS` on Linux and on BSD systems.
const NO_DESCRIPTORS: [i32; 4] = [23, 24, 105, 55];

fn is_shortage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code))
}

/// The machine has no descriptors or memory for another connection. The peer stays in the backlog,
/// so that accepting again at once would fail again at once.
#[derive(Default)]
struct Shortage {
    /// Before the next attempt; zero without a shortage.
    delay: Duration,
    /// When that is. Kept here, so that a caller who gives up waiting does not start it anew.
    until: Option<Instant>,
}

impl Shortage {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    async fn wait(&mut self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
            self.until = None;
        }
    }

    fn begin(&mut self, endpoint: &Endpoint, error: &io::Error) {
        if self.delay.is_zero() {
            let listener = endpoint.bare();
            tracing::warn!(%listener, %error, "cannot accept more connections; raise the limit of open files");
        }
        self.delay = (self.delay * 2).clamp(Self::FIRST, Self::LONGEST);
        self.until = Some(Instant::now() + self.delay);
    }

    fn end(&mut self) {
        self.delay = Duration::ZERO;
    }
}
