//! Things that tests need many of.

use std::sync::Arc;

use ferrymq_network::bridge::settings::{BridgeSettings, Incarnation, Role};
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::local_broker::BrokerIdentity;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{BrokerInfo, ConsumerInfo, MessageDispatch};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::text::Text;

pub fn broker(name: &str) -> BrokerIdentity {
    BrokerIdentity {
        id: BrokerId::new(format!("ID:{name}")),
        name: name.to_owned(),
        url: format!("tcp://{name}:61616"),
        admin: None,
    }
}

pub fn broker_info(name: &str) -> Command {
    let BrokerIdentity { id, name, url, .. } = broker(name);
    Command::BrokerInfo(Box::new(BrokerInfo {
        broker_id: Some(id),
        broker_name: Some(Text::from(name)),
        broker_url: Some(Text::from(url)),
        ..BrokerInfo::default()
    }))
}

pub fn config() -> NetworkConnectorConfig {
    NetworkConnectorConfig::new("NC", &"static:(tcp://remote:61616)".parse().unwrap()).unwrap()
}

pub fn patterns(texts: &[&str]) -> Vec<DestinationPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub fn settings(config: &NetworkConnectorConfig, number: u64) -> BridgeSettings {
    BridgeSettings {
        local: broker("local"),
        permits: Arc::new(config.permits()),
        config: Arc::new(config.clone()),
        incarnation: Incarnation { connector_started: 1_700_000_000_000, number },
        role: Role::OneWay,
        remote_reads_on: true,
        remote_takes: None,
    }
}

pub fn session(connection: &str) -> SessionId {
    SessionId::new(&ConnectionId::new(connection), 1)
}

pub fn consumer(connection: &str, number: i64, destination: &Destination) -> ConsumerInfo {
    ConsumerInfo {
        consumer_id: Some(ConsumerId::new(&session(connection), number)),
        destination: Some(destination.clone()),
        prefetch_size: 1000,
        ..ConsumerInfo::default()
    }
}

/// A demand subscription of the remote broker: for a consumer beyond it.
pub fn further(
    number: i64,
    destination: &Destination,
    path: &[&str],
    origin: &ConsumerInfo,
) -> ConsumerInfo {
    ConsumerInfo {
        network_subscription: true,
        broker_path: Some(path.iter().map(|name| Some(broker(name).id)).collect()),
        network_consumer_path: Some(vec![origin.consumer_id.clone()]),
        priority: -5,
        ..consumer("remote-bridge", number, destination)
    }
}

pub fn fields(destination: &Destination, number: i64) -> MessageFields {
    let producer = ProducerId::new(&session("producer"), 1);
    MessageFields {
        destination: Some(destination.clone()),
        message_id: Some(MessageId::new(producer.clone(), number)),
        producer_id: Some(producer),
        persistent: true,
        priority: 4,
        ..MessageFields::default()
    }
}

pub fn message(destination: &Destination, number: i64) -> Arc<Message> {
    Arc::new(Message::from_fields(&fields(destination, number)).unwrap())
}

pub fn number_of(message: &Message) -> i64 {
    message.message_id().unwrap().producer_sequence_id
}

/// An advisory as a broker dispatches it.
pub fn advisory(consumer: &ConsumerId, topic: &str, payload: Command, number: i64) -> Command {
    let topic = Destination::topic(format!("ActiveMQ.Advisory.{topic}"));
    let fields = MessageFields {
        data_structure: Some(Box::new(payload)),
        jms_type: Some(Text::from("Advisory")),
        ..fields(&topic, number)
    };
    Command::MessageDispatch(MessageDispatch {
        consumer_id: Some(consumer.clone()),
        destination: Some(topic),
        message: Some(Arc::new(Message::from_fields(&fields).unwrap())),
        ..MessageDispatch::default()
    })
}
