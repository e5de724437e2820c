//! What the unit tests of this crate share.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};

use crate::config::NetworkConnectorConfig;
use crate::demand::policy::DemandPolicy;

pub(crate) fn config() -> NetworkConnectorConfig {
    NetworkConnectorConfig::new("north", &"static:(tcp://remote:61616)".parse().unwrap()).unwrap()
}

pub(crate) fn session(connection: &str) -> SessionId {
    SessionId::new(&ConnectionId::new(connection), 1)
}

pub(crate) fn policy() -> DemandPolicy {
    DemandPolicy {
        conduit: true,
        conduit_network_queues: false,
        prefetch_size: 1000,
        decrease_priority: true,
        priority_base: -5,
        message_ttl: -1,
        consumer_ttl: -1,
        remote: BrokerId::new("remote"),
        session: session("local"),
    }
}

pub(crate) fn message_via(path: &[&str]) -> Message {
    let path: Vec<_> = path.iter().map(|broker| Some(BrokerId::new(*broker))).collect();
    Message::from_fields(&MessageFields {
        broker_path: (!path.is_empty()).then_some(path),
        ..MessageFields::default()
    })
    .unwrap()
}

/// Message `number` of a client, to `destination`.
pub(crate) fn message(destination: &Destination, number: i64) -> Arc<Message> {
    let producer = ProducerId::new(&session("client"), 1);
    let fields = MessageFields {
        destination: Some(destination.clone()),
        message_id: Some(MessageId::new(producer.clone(), number)),
        producer_id: Some(producer),
        persistent: true,
        priority: 4,
        ..MessageFields::default()
    };
    Arc::new(Message::from_fields(&fields).unwrap())
}
