//! Those who dialed and wait to be accepted.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::dial::{AcceptError, BoxFuture, Listener, Stream};
use crate::endpoint::Endpoint;

/// Peers that wait for one listener.
pub(super) struct Backlog {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    streams: VecDeque<Stream>,
    closed: bool,
}

impl Backlog {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Notify::new(), limit }
    }

    pub(super) fn has_room(&self) -> bool {
        let waiting = self.waiting.lock();
        !waiting.closed && waiting.streams.len() < self.limit
    }

    pub(super) fn push(&self, stream: Stream) {
        self.waiting.lock().streams.push_back(stream);
        self.arrived.notify_one();
    }

    /// Nobody accepts any more.
    pub(super) fn close(&self) {
        let streams = {
            let mut waiting = self.waiting.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.streams)
        };
        drop(streams);
        self.arrived.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    fn pop(&self) -> Option<Stream> {
        self.waiting.lock().streams.pop_front()
    }
}

/// A listener of one simulated host.
pub(super) struct SimulatedListener {
    endpoint: Endpoint,
    backlog: Arc<Backlog>,
}

impl SimulatedListener {
    pub(super) fn new(endpoint: Endpoint, backlog: Arc<Backlog>) -> Self {
        Self { endpoint, backlog }
    }
}

impl Listener for SimulatedListener {
    fn accept(&mut self) -> BoxFuture<'_, Result<Stream, AcceptError>> {
        Box::pin(async move {
            loop {
                if let Some(stream) = self.backlog.pop() {
                    return Ok(stream);
                }
                if self.backlog.is_closed() {
                    let source =
                        io::Error::new(io::ErrorKind::NotConnected, "its host has crashed");
                    return Err(AcceptError { endpoint: self.endpoint.clone(), source });
                }
                self.backlog.arrived.notified().await;
            }
        })
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        self.backlog.close();
    }
}
