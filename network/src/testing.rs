//! What the unit tests of this crate share.

use ferrymq_openwire::ids::{BrokerId, ConnectionId, SessionId};
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
        broker: "local".to_owned(),
        client_id: "north_remote_inbound_local".to_owned(),
        force_durable: Vec::new(),
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
