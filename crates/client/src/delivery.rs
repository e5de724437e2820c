//! A message that was received, with its acknowledgement.

use std::ops::Deref;
use std::sync::Arc;

use crate::ack_mode::AckMode;
use crate::error::AckError;
use crate::received::ReceivedMessage;
use crate::receiving::core::ConsumerCore;
use crate::receiving::state::Handed;
use crate::session::SessionCore;

/// A message that was received, and its acknowledgement. What it holds is that of
/// [`ReceivedMessage`].
#[derive(Debug)]
pub struct Delivery {
    handed: Handed,
    consumer: Arc<ConsumerCore>,
    session: Arc<SessionCore>,
}

impl Delivery {
    pub(crate) fn new(
        handed: Handed,
        consumer: Arc<ConsumerCore>,
        session: Arc<SessionCore>,
    ) -> Self {
        Self { handed, consumer, session }
    }

    /// Settles it, as the session's mode has it: with all received before
    /// ([`Client`](AckMode::Client)), alone ([`Individual`](AckMode::Individual)), or not at all,
    /// because receiving did or the commit will. It is handed to the link, not confirmed by the
    /// broker.
    ///
    /// On a connection that fails over, that link may be lost by then. The broker has taken the
    /// message back and delivers it again. Coming to this connection, it is settled then, and not
    /// received twice; another consumer that gets it receives it. If it was received twice before
    /// this was called, the second delivery needs its own acknowledgement.
    pub fn ack(&self) -> Result<(), AckError> {
        match self.session.mode {
            AckMode::Auto | AckMode::DupsOk | AckMode::Transacted => Ok(()),
            AckMode::Client => self.session.acknowledge(),
            AckMode::Individual => self.consumer.acknowledge_one(self.handed.serial),
        }
    }
}

impl Deref for Delivery {
    type Target = ReceivedMessage;

    fn deref(&self) -> &ReceivedMessage {
        &self.handed.received
    }
}
