//! A session: what is settled and recovered together.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{RemoveInfo, SessionInfo};
use ferrymq_openwire::ids::SessionId;
use parking_lot::Mutex;

use crate::ack_mode::AckMode;
use crate::connection::Connection;
use crate::error::AckError;
use crate::receiving::core::ConsumerCore;

/// A session of a connection: its consumers share an [`AckMode`], and are acknowledged and
/// recovered together. Clones are the same session; it ends with the last of them and of its
/// producers and consumers.
#[derive(Debug, Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connection: Connection,
    core: Arc<SessionCore>,
}

/// What a session's consumers know of it.
#[derive(Debug)]
pub(crate) struct SessionCore {
    pub(crate) id: SessionId,
    pub(crate) mode: AckMode,
    parts: Mutex<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// By number, so that they are acknowledged in the order in which they were opened.
    consumers: BTreeMap<i64, Arc<ConsumerCore>>,
    next_consumer: i64,
    next_producer: i64,
}

impl Connection {
    /// Opens a session. Sessions settle their messages independently of each other.
    pub fn session(&self, mode: AckMode) -> Session {
        Session::open(self.clone(), mode)
    }
}

impl Session {
    fn open(connection: Connection, mode: AckMode) -> Self {
        let core = connection.core();
        let id = SessionId::new(&core.id, core.machine.lock().number_session());
        // Never answered; on a closed link whatever is asked of the session fails instead.
        core.uplink.send(Command::SessionInfo(SessionInfo {
            command_id: core.uplink.number(),
            response_required: false,
            session_id: Some(id.clone()),
        }));
        let parts = Parts { consumers: BTreeMap::new(), next_consumer: 1, next_producer: 1 };
        let core = Arc::new(SessionCore { id, mode, parts: Mutex::new(parts) });
        Self { shared: Arc::new(Shared { connection, core }) }
    }

    /// Settles everything that the session's consumers received: the acknowledgement of
    /// [`AckMode::Client`].
    pub fn acknowledge(&self) -> Result<(), AckError> {
        self.core().acknowledge()
    }

    /// Takes back everything that the session's consumers received and did not settle. It is
    /// received again, before anything else, marked as redelivered.
    pub fn recover(&self) -> Result<(), AckError> {
        self.core().each(ConsumerCore::recover)
    }

    /// When its messages are settled.
    pub fn ack_mode(&self) -> AckMode {
        self.core().mode
    }

    /// The connection that it belongs to.
    pub fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    pub(crate) fn core(&self) -> &Arc<SessionCore> {
        &self.shared.core
    }
}

impl SessionCore {
    pub(crate) fn acknowledge(&self) -> Result<(), AckError> {
        self.each(ConsumerCore::acknowledge_all)
    }

    fn each(&self, step: impl Fn(&ConsumerCore) -> Result<(), AckError>) -> Result<(), AckError> {
        let consumers: Vec<_> = self.parts.lock().consumers.values().cloned().collect();
        consumers.iter().try_for_each(|consumer| step(consumer))
    }

    pub(crate) fn number_consumer(&self) -> i64 {
        let mut parts = self.parts.lock();
        let number = parts.next_consumer;
        parts.next_consumer += 1;
        number
    }

    pub(crate) fn number_producer(&self) -> i64 {
        let mut parts = self.parts.lock();
        let number = parts.next_producer;
        parts.next_producer += 1;
        number
    }

    pub(crate) fn add(&self, consumer: Arc<ConsumerCore>) {
        self.parts.lock().consumers.insert(consumer.id().value, consumer);
    }

    pub(crate) fn remove(&self, consumer: &ConsumerCore) {
        self.parts.lock().consumers.remove(&consumer.id().value);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let uplink = &self.connection.core().uplink;
        uplink.send(Command::RemoveInfo(RemoveInfo {
            command_id: uplink.number(),
            response_required: false,
            object_id: Some(Box::new(Command::SessionId(self.core.id.clone()))),
            // Its consumers have said it for themselves.
            last_delivered_sequence_id: -1,
        }));
    }
}
