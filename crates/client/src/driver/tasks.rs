//! The running tasks of a connection, as its owner holds them.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};

/// The running tasks of a connection.
#[derive(Debug)]
pub(crate) struct Driver {
    /// Ends when no link will come any more.
    pub(crate) reader: AbortHandle,
    /// Writes to the current link.
    pub(crate) writer: Writer,
}

/// The task that writes to the current link, if there is one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Writer {
    /// This one.
    pub(crate) fn of(task: JoinHandle<()>) -> Self {
        Self(Arc::new(Mutex::new(Some(task))))
    }

    /// Another link is current.
    pub(super) fn set(&self, task: JoinHandle<()>) {
        *self.0.lock() = Some(task);
    }

    /// Waits until everything is written, or the link has failed. Its outbox must be closed.
    pub(crate) async fn finished(&self) {
        let task = self.0.lock().take();
        if let Some(task) = task {
            // What it has to say it has said to the connection.
            let _ = task.await;
        }
    }
}
