//! The receiving end of a pipe: the other end's outbox.

use ferrymq_openwire::command::Command;

use crate::link::batch::LARGEST_BATCH;
use crate::link::error::LinkError;
use crate::outbox::{Outbox, Phase};

/// Takes what the other end of a pipe pushes.
pub(crate) struct Inbox {
    /// The other end's.
    incoming: Outbox,
    /// This end's, which nobody fills once this end is gone.
    outgoing: Outbox,
}

impl Inbox {
    pub(crate) fn new(incoming: Outbox, outgoing: Outbox) -> Self {
        Self { incoming, outgoing }
    }

    pub(crate) async fn receive(&mut self, batch: &mut Vec<Command>) -> Result<(), LinkError> {
        let before = batch.len();
        loop {
            let phase = self.incoming.take_up_to(LARGEST_BATCH, batch);
            if batch.len() > before {
                return Ok(());
            }
            if phase != Phase::Open {
                self.incoming.release_capacity();
                return Err(LinkError::Closed);
            }
            tokio::select! {
                biased;
                () = self.incoming.changed() => {}
                () = self.outgoing.aborted() => {
                    // Unless the other end did that, whose last words come first.
                    if self.incoming.phase() == Phase::Open {
                        return Err(LinkError::Aborted);
                    }
                }
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // The other end still receives what this one sent, and learns that nobody listens here.
        self.outgoing.close();
        self.incoming.abort();
    }
}
