//! The socket of the admin API: what connections and requests may cost.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host::HostNames;
use super::pages::router;
use super::registry::SharedRegistry;
use super::stage::SharedStage;
use crate::config::AdminAddress;
use crate::node::NodeWatch;

/// Connections that are served at a time. Whoever comes beyond that takes the place of the one that
/// has waited longest without asking for anything, or waits if all have asked.
const MOST_CONNECTIONS: usize = 64;
/// How long a client may take to say what it wants.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// How long a client may take altogether, from connecting to having read its answer.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How large what it says may be, in bytes.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// How many headers it may send.
const MOST_HEADERS: usize = 64;
/// How long answers that are on their way at the end may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why an admin API does not answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Another process has the address.
    #[error(
        "the admin address {address} is in use by another process; choose another with \
         --admin HOST:PORT, or --admin none"
    )]
    InUse {
        /// The address.
        address: AdminAddress,
    },
    /// The address cannot be had for another reason.
    #[error("cannot listen on the admin address {address}: {source}")]
    Bind {
        /// The address.
        address: AdminAddress,
        /// Why.
        source: io::Error,
    },
}

/// An admin API that answers: from the start that its node is starting, and when there is one, what
/// that does.
pub struct AdminServer {
    address: SocketAddr,
    stage: SharedStage,
    tasks: TaskTracker,
    end: CancellationToken,
}

impl AdminServer {
    /// Takes the address and answers there, also to requests that call it by one of `host_names`.
    pub async fn start(address: &AdminAddress, host_names: &[String]) -> Result<Self, AdminError> {
        Self::start_with(address, host_names, None).await
    }

    /// The same, and keeps a registry of brokers there.
    pub async fn start_with_registry(
        address: &AdminAddress,
        host_names: &[String],
    ) -> Result<Self, AdminError> {
        Self::start_with(address, host_names, Some(SharedRegistry::default())).await
    }

    async fn start_with(
        address: &AdminAddress,
        host_names: &[String],
        registry: Option<SharedRegistry>,
    ) -> Result<Self, AdminError> {
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => AdminError::InUse { address: address.clone() },
            _ => AdminError::Bind { address: address.clone(), source },
        };
        let listener =
            TcpListener::bind((address.host.as_str(), address.port)).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        let names = HostNames::new(host_names.iter().cloned().chain([address.host.clone()]));
        let stage = SharedStage::starting();
        let this = Self {
            address: bound,
            stage: stage.clone(),
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        };
        let pages = router(stage, names, registry);
        this.tasks.spawn(accept_all(listener, pages, this.tasks.clone(), this.end.clone()));
        Ok(this)
    }

    /// Where it answers, with the port that was chosen where the configuration left it open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node is ready.
    pub fn ready(&self, node: NodeWatch) {
        self.stage.ready(node);
    }

    /// The node stops: it is not ready any more, and can still be seen.
    pub fn stopping(&self) {
        self.stage.stopping();
    }

    /// Ends it. Answers that are on their way have a moment to arrive.
    pub async fn stop(self) {
        self.end.cancel();
        self.tasks.close();
        // What takes longer ends by its own limit.
        let _ = timeout(FAREWELL, self.tasks.wait()).await;
    }
}

/// A client, for as long as its connection lasts.
#[derive(Default)]
struct Guest {
    /// Whether it has said what it wants.
    has_asked: AtomicBool,
    /// Ends its connection.
    end: CancellationToken,
}

/// Who is served, in the order in which they came.
struct Places {
    free: Arc<Semaphore>,
    guests: VecDeque<Arc<Guest>>,
}

impl Places {
    fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(MOST_CONNECTIONS)), guests: VecDeque::new() }
    }

    /// Waits for a place.
    async fn take(&mut self) -> io::Result<(Arc<Guest>, OwnedSemaphorePermit)> {
        // Its connection holds the other reference.
        self.guests.retain(|guest| Arc::strong_count(guest) > 1);
        if self.free.available_permits() == 0 {
            let idle = |guest: &&Arc<Guest>| {
                !guest.has_asked.load(Ordering::Relaxed) && !guest.end.is_cancelled()
            };
            if let Some(guest) = self.guests.iter().find(idle) {
                guest.end.cancel();
            }
        }
        let place = Arc::clone(&self.free).acquire_owned().await.map_err(io::Error::other)?;
        let guest = Arc::<Guest>::default();
        self.guests.push_back(Arc::clone(&guest));
        Ok((guest, place))
    }
}

async fn accept_all(
    listener: TcpListener,
    pages: Router,
    tasks: TaskTracker,
    end: CancellationToken,
) {
    let mut places = Places::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = end.cancelled() => return,
            accepted = accept(&listener, &mut places) => accepted,
        };
        let (stream, guest, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "the admin API accepts no connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let pages = pages.clone();
        tasks.spawn(async move {
            tokio::select! {
                biased;
                () = guest.end.cancelled() => {
                    tracing::debug!("a client of the admin API that asked for nothing gives way");
                }
                served = timeout(REQUEST_LIMIT, serve(stream, pages, &guest)) => {
                    if served.is_err() {
                        tracing::debug!("a client of the admin API took too long");
                    }
                }
            }
            drop(place);
        });
    }
}

/// Waits for a connection, then for a place: what comes meanwhile waits in the system's queue.
async fn accept(
    listener: &TcpListener,
    places: &mut Places,
) -> io::Result<(TcpStream, Arc<Guest>, OwnedSemaphorePermit)> {
    let (stream, _) = listener.accept().await?;
    let (guest, place) = places.take().await?;
    Ok((stream, guest, place))
}

/// One connection, one request: so that all of it has one time limit, and idle clients hold no
/// place.
async fn serve(stream: TcpStream, pages: Router, guest: &Guest) {
    let _ = stream.set_nodelay(true);
    let pages = TowerToHyperService::new(pages);
    let pages = service_fn(|request| {
        guest.has_asked.store(true, Ordering::Relaxed);
        pages.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MOST_HEADER_BYTES)
        .max_headers(MOST_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), pages)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the admin API ended");
    }
}
