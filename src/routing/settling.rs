//! Waiting until what was done is safe, for who is no connection.

use std::sync::Arc;

use ferrymq_store::contract::{Failure, Listener, Ticket};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::broker::Broker;
use super::recovery::Safe;

/// The store has failed: what was done is not safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store has failed")]
pub struct NotKept;

/// Hears when one batch is settled.
struct Once(Mutex<Option<oneshot::Sender<bool>>>);

impl Listener for Once {
    fn settled(&self, _: Ticket, outcome: Result<(), &Failure>) {
        if let Some(heard) = self.0.lock().take() {
            // Who waited may have gone.
            let _ = heard.send(outcome.is_ok());
        }
    }
}

impl Broker {
    /// Completes when all that was done until now is safe: as long as the store has no room, or for
    /// ever.
    pub async fn settled(&self) -> Result<(), NotKept> {
        loop {
            // Registered before the store is asked, so that its word is not missed.
            let room = self.memory.space().notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let (heard, settled) = oneshot::channel();
            let listener = Arc::new(Once(Mutex::new(Some(heard))));
            match self.safe(|| listener) {
                Safe::Now => return Ok(()),
                Safe::After(_) => {
                    return if settled.await == Ok(true) { Ok(()) } else { Err(NotKept) };
                }
                Safe::Later => room.await,
                Safe::Never => return Err(NotKept),
            }
        }
    }
}
