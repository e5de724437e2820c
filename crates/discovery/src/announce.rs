//! Making a broker's own address known.

use std::time::Duration;

use ferrymq_transport::clock::Clock;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::uri::Uri;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::AgentError;
#[cfg(feature = "http")]
use crate::http;
use crate::http::HttpConfig;
use crate::multicast::{self, MulticastConfig};

/// How long taking leave may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A checked address of an agent that makes brokers known.
#[derive(Debug, Clone)]
pub enum Announce {
    /// To a multicast group.
    Multicast(MulticastConfig),
    /// To registries.
    Http(HttpConfig),
}

/// Makes an address known for as long as it runs. Dropped, it falls silent.
#[derive(Debug)]
pub struct Announcer {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Announce {
    /// Reads the address of an agent, as of ActiveMQ's `discoveryUri`.
    pub fn new(uri: &Uri) -> Result<Self, AgentError> {
        match (uri.scheme(), uri) {
            ("multicast", Uri::Endpoint(endpoint)) => {
                Ok(Self::Multicast(MulticastConfig::to_announce(endpoint)?))
            }
            ("http", _) => {
                let config = HttpConfig::to_announce(uri)?;
                match cfg!(feature = "http") {
                    true => Ok(Self::Http(config)),
                    false => Err(AgentError::NotBuilt { scheme: "http" }),
                }
            }
            (scheme, _) => Err(AgentError::AnnouncesNothing { scheme: scheme.to_owned() }),
        }
    }

    /// Makes `endpoint`, at which a broker listens, known from now on.
    pub fn start(&self, endpoint: &Endpoint, clock: &Clock) -> Announcer {
        let (stop, stopping) = watch::channel(false);
        let task = match self {
            Self::Multicast(config) => tokio::spawn(multicast::announce(
                config.clone(),
                endpoint.bare(),
                clock.clone(),
                stopping,
            )),
            // Nobody can be told, so none is made.
            #[cfg(not(feature = "http"))]
            Self::Http(_) => tokio::spawn(std::future::ready(())),
            #[cfg(feature = "http")]
            Self::Http(config) => {
                tokio::spawn(http::announce(config.clone(), endpoint.bare(), stopping))
            }
        };
        Announcer { stop, task }
    }
}

impl Announcer {
    /// Takes leave, as far as anybody can be told.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = timeout(FAREWELL, self.task).await;
    }
}
