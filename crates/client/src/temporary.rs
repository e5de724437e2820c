//! Queues and topics that end with their connection.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::DestinationInfo;
use ferrymq_openwire::destination::{Destination, DestinationKind};

use crate::connection::Connection;
use crate::error::OpenError;

const ADD: i8 = 0;
const REMOVE: i8 = 1;

/// A queue or topic that only its connection may consume from, and that ends with it. Anyone who
/// learns its address may send to it.
///
/// Dropping this does not delete it, for its address may be with others.
#[derive(Debug, Clone)]
pub struct TemporaryDestination {
    destination: Destination,
    connection: Connection,
}

impl Connection {
    /// Creates a queue that only this connection may consume from and that ends with it. Anyone may
    /// send to it.
    pub async fn temporary_queue(&self) -> Result<TemporaryDestination, OpenError> {
        TemporaryDestination::create(self.clone(), DestinationKind::TempQueue).await
    }

    /// Creates a topic that only this connection may consume from and that ends with it. Anyone may
    /// send to it.
    pub async fn temporary_topic(&self) -> Result<TemporaryDestination, OpenError> {
        TemporaryDestination::create(self.clone(), DestinationKind::TempTopic).await
    }
}

impl TemporaryDestination {
    async fn create(connection: Connection, kind: DestinationKind) -> Result<Self, OpenError> {
        let number = connection.core().machine.lock().number_temporary();
        // Brokers tell the owner by the part before the last colon.
        let destination = Destination::new(kind, format!("{}:{number}", connection.id()));
        change(&connection, &destination, ADD).await?;
        Ok(Self { destination, connection })
    }

    /// Its address.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Deletes it. The broker refuses while it has consumers.
    pub async fn delete(self) -> Result<(), OpenError> {
        change(&self.connection, &self.destination, REMOVE).await
    }
}

async fn change(
    connection: &Connection,
    destination: &Destination,
    operation_type: i8,
) -> Result<(), OpenError> {
    let core = connection.core();
    let info = DestinationInfo {
        response_required: true,
        connection_id: Some(core.id.clone()),
        destination: Some(destination.clone()),
        operation_type,
        ..DestinationInfo::default()
    };
    core.ask(|command_id| Command::DestinationInfo(DestinationInfo { command_id, ..info }))
        .await
        .map(drop)
        .map_err(|error| error.opening(destination.to_string()))
}
