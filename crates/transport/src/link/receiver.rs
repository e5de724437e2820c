//! What a peer sends.

use std::fmt;

use ferrymq_openwire::command::Command;

use crate::link::batch::LARGEST_BATCH;
use crate::link::error::LinkError;
use crate::link::inbox::Inbox;
use crate::link::stream_receiver::StreamReceiver;

/// The commands that a peer sends.
pub struct Receiver {
    source: Source,
}

enum Source {
    Stream(Box<StreamReceiver>),
    Pipe(Inbox),
}

impl Receiver {
    /// No call appends more.
    pub const LARGEST_BATCH: usize = LARGEST_BATCH;

    /// Waits for at least one command and appends those that are there, up to
    /// [`LARGEST_BATCH`](Self::LARGEST_BATCH).
    ///
    /// Safe to cancel: nothing is lost. Keep-alives are answered and never appended. After an error
    /// the link has ended; what came before the cause has been appended by earlier calls.
    pub async fn receive(&mut self, batch: &mut Vec<Command>) -> Result<(), LinkError> {
        match &mut self.source {
            Source::Stream(stream) => stream.receive(batch).await,
            Source::Pipe(inbox) => inbox.receive(batch).await,
        }
    }

    /// Reads until the peer closes its direction, and makes nothing of it. Closing on a peer that
    /// still sends would reset the link, and what it was told last would be lost on the way.
    pub async fn discard(&mut self) {
        match &mut self.source {
            Source::Stream(stream) => stream.discard().await,
            Source::Pipe(inbox) => {
                let mut batch = Vec::new();
                while inbox.receive(&mut batch).await.is_ok() {
                    batch.clear();
                }
            }
        }
    }

    /// From now on larger frames are refused. A pipe has no frames.
    pub fn set_max_frame_size(&mut self, bytes: u64) {
        if let Source::Stream(stream) = &mut self.source {
            stream.set_max_frame_size(bytes);
        }
    }
}

impl From<StreamReceiver> for Receiver {
    fn from(stream: StreamReceiver) -> Self {
        Self { source: Source::Stream(Box::new(stream)) }
    }
}

impl From<Inbox> for Receiver {
    fn from(inbox: Inbox) -> Self {
        Self { source: Source::Pipe(inbox) }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.source {
            Source::Stream(_) => "Receiver(stream)",
            Source::Pipe(_) => "Receiver(pipe)",
        })
    }
}
