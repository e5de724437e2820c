//! What moves an outbox to its peer.

use std::fmt;

use crate::link::error::LinkError;
use crate::link::stream_pump::StreamPump;
use crate::outbox::Outbox;

/// Moves an outbox to its peer. Spawn [`run`](Pump::run).
pub struct Pump {
    target: Target,
}

enum Target {
    Stream(Box<StreamPump>),
    /// The other end of a pipe takes from the outbox itself.
    Pipe(Outbox),
}

impl Pump {
    /// Completes when the outbox is closed and everything in it has been written, when it is
    /// aborted, or when the link breaks. Sends a keep-alive when there is nothing else to send.
    /// Over a pipe it only waits for the outbox to be closed.
    pub async fn run(self) -> Result<(), LinkError> {
        match self.target {
            Target::Stream(stream) => stream.run().await,
            Target::Pipe(outbox) => {
                outbox.closed().await;
                Ok(())
            }
        }
    }
}

impl From<StreamPump> for Pump {
    fn from(stream: StreamPump) -> Self {
        Self { target: Target::Stream(Box::new(stream)) }
    }
}

impl From<Outbox> for Pump {
    fn from(outbox: Outbox) -> Self {
        Self { target: Target::Pipe(outbox) }
    }
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.target {
            Target::Stream(_) => "Pump(stream)",
            Target::Pipe(_) => "Pump(pipe)",
        })
    }
}
