//! Accepting connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ferrymq_transport::dial::{BindError, Binder, Listener};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::settings::{ConnectionSettings, SettingsError};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guidance::Guidance;
use super::serve::{Admitted, Connections};

/// How many peers are taken in within each [`PACE`]; more wait in the system's line. Thousands that
/// lost another broker at once come one after the other, and those who are here are served
/// meanwhile.
const MOST_AT_ONCE: u32 = 256;
/// See [`MOST_AT_ONCE`].
const PACE: Duration = Duration::from_millis(100);

/// Why a transport connector does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Its address has options that do not fit.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// An open transport connector.
pub struct Listening {
    endpoint: Endpoint,
    listener: Box<dyn Listener>,
    settings: ConnectionSettings,
}

impl Listening {
    /// Takes the address; nobody is accepted yet.
    pub async fn bind(binder: &dyn Binder, endpoint: &Endpoint) -> Result<Self, ListenError> {
        let settings = ConnectionSettings::for_listening(endpoint)?;
        let listener = binder.bind(endpoint).await?;
        Ok(Self { endpoint: listener.endpoint(), listener, settings })
    }

    /// The address, with the port that was chosen where the configuration left it open.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Accepts until `end`.
    pub fn accept_all(
        mut self,
        connections: Connections,
        tasks: &TaskTracker,
        end: CancellationToken,
        guidance: &Arc<Guidance>,
    ) {
        let guidance = Arc::clone(guidance);
        let open = Arc::new(AtomicUsize::new(0));
        tasks.spawn(async move {
            let (mut since, mut taken) = (Instant::now(), 0);
            loop {
                if since.elapsed() >= PACE {
                    (since, taken) = (Instant::now(), 0);
                }
                let full = taken >= MOST_AT_ONCE;
                let accepted = tokio::select! {
                    biased;
                    () = end.cancelled() => return,
                    () = sleep_until(since + PACE), if full => continue,
                    accepted = self.listener.accept(), if !full => accepted,
                };
                taken += 1;
                match accepted {
                    Ok(stream) => {
                        let most = self.settings.maximum_connections.unwrap_or(usize::MAX);
                        if open.load(Ordering::Relaxed) >= most {
                            tracing::warn!(
                                connector = %self.endpoint,
                                remote = %stream.peer.remote,
                                "turned away: maximumConnections is reached"
                            );
                            continue;
                        }
                        open.fetch_add(1, Ordering::Relaxed);
                        let open = Arc::clone(&open);
                        let admitted = Admitted {
                            wire_format: self.settings.wire_format.clone(),
                            guidance: Arc::clone(&guidance),
                        };
                        connections.serve(stream, admitted, move || {
                            open.fetch_sub(1, Ordering::Relaxed);
                        });
                    }
                    // The listener waits out what passes; this does not.
                    Err(error) => {
                        tracing::error!(connector = %self.endpoint, %error, "no longer accepting");
                        return;
                    }
                }
            }
        });
    }
}
