//! Being told to stop: Ctrl-C, or the system's request to end.

use std::io;

use tokio::signal;

/// Requests to stop, from the moment that it is made.
#[derive(Debug)]
pub(super) struct Shutdown {
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
    #[cfg(unix)]
    terminate: signal::unix::Signal,
}

impl Shutdown {
    /// Starts to listen for requests; from now on they end nothing by themselves.
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Starts to listen for requests.
    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next request.
    #[cfg(unix)]
    pub(super) async fn requested(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next request.
    #[cfg(not(unix))]
    pub(super) async fn requested(&mut self) {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
