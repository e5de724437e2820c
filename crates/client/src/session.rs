//! A session: what is settled and recovered together.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{RemoveInfo, SessionInfo, TransactionInfo};
use ferrymq_openwire::ids::{LocalTransactionId, SessionId, TransactionId};
use parking_lot::Mutex;

use crate::ack_mode::AckMode;
use crate::connection::Connection;
use crate::core::ConnectionCore;
use crate::error::{AckError, CommitError};
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
    /// The transaction under way; only with [`AckMode::Transacted`], from the first thing that is
    /// part of it.
    transaction: Mutex<Option<TransactionId>>,
    parts: Mutex<Parts>,
}

/// Steps of a transaction, as the wire numbers them.
const BEGIN: i8 = 0;
const COMMIT: i8 = 2;
const ROLL_BACK: i8 = 4;

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
        let core = Arc::new(SessionCore {
            id,
            mode,
            transaction: Mutex::new(None),
            parts: Mutex::new(parts),
        });
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

    /// Commits what the session sent and received since the last commit or rollback: all of it
    /// happens, or, when this fails, none of it, as far as the error does not say otherwise. Nothing
    /// of the session may be in use meanwhile. Does nothing in a session that is not
    /// [`Transacted`](AckMode::Transacted).
    pub async fn commit(&self) -> Result<(), CommitError> {
        let core = self.core();
        let connection = self.connection().core();
        let consumers = core.consumers();
        if consumers.iter().any(|consumer| consumer.holds_delivered()) {
            core.within(connection);
        }
        let Some(transaction) = core.transaction.lock().take() else { return Ok(()) };
        let settled: Vec<Option<u64>> =
            consumers.iter().map(|consumer| consumer.acknowledge_within(&transaction)).collect();
        let answer = connection.ask(|id| step(connection, &transaction, COMMIT, Some(id))).await;
        match answer.map_err(|error| error.committing()) {
            Ok(_) => {
                for (consumer, last) in consumers.iter().zip(settled) {
                    last.into_iter().for_each(|last| consumer.settle_through(last));
                }
                Ok(())
            }
            Err(error) => {
                if matches!(error, CommitError::RolledBack(_)) {
                    // A lost link is noticed by whoever uses it next.
                    let _ = self.recover();
                }
                Err(error)
            }
        }
    }

    /// Undoes what the session sent and received since the last commit or rollback. What it received
    /// is received again, before anything else, marked as redelivered.
    pub async fn rollback(&self) -> Result<(), CommitError> {
        let core = self.core();
        if core.mode != AckMode::Transacted {
            return Ok(());
        }
        let connection = self.connection().core();
        let transaction = core.transaction.lock().take();
        if let Some(transaction) = transaction {
            let asked = connection.ask(|id| step(connection, &transaction, ROLL_BACK, Some(id)));
            asked.await.map_err(|error| error.committing())?;
        }
        self.recover().map_err(|error| CommitError::Lost(error.lost))
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
        self.consumers().iter().try_for_each(|consumer| step(consumer))
    }

    fn consumers(&self) -> Vec<Arc<ConsumerCore>> {
        self.parts.lock().consumers.values().cloned().collect()
    }

    /// The transaction that what is done now is part of, begun if need be; none in other modes.
    pub(crate) fn within(&self, connection: &ConnectionCore) -> Option<TransactionId> {
        if self.mode != AckMode::Transacted {
            return None;
        }
        let mut transaction = self.transaction.lock();
        if transaction.is_none() {
            let number = connection.machine.lock().number_transaction();
            let id = TransactionId::Local(LocalTransactionId::new(&connection.id, number));
            // On a closed link whatever is done in it fails instead.
            connection.uplink.send(step(connection, &id, BEGIN, None));
            *transaction = Some(id);
        }
        transaction.clone()
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
        let connection = self.connection.core();
        let uplink = &connection.uplink;
        if let Some(transaction) = self.core.transaction.lock().take() {
            uplink.send(step(connection, &transaction, ROLL_BACK, None));
        }
        uplink.send(Command::RemoveInfo(RemoveInfo {
            command_id: uplink.number(),
            response_required: false,
            object_id: Some(Box::new(Command::SessionId(self.core.id.clone()))),
            // Its consumers have said it for themselves.
            last_delivered_sequence_id: -1,
        }));
    }
}

/// A step of a transaction; `asked` is its number where an answer is wanted.
fn step(
    connection: &ConnectionCore,
    transaction: &TransactionId,
    kind: i8,
    asked: Option<i32>,
) -> Command {
    Command::from(TransactionInfo {
        command_id: asked.unwrap_or_else(|| connection.uplink.number()),
        response_required: asked.is_some(),
        connection_id: Some(connection.id.clone()),
        transaction_id: Some(transaction.clone()),
        kind,
    })
}
