//! Messages that the broker writes about itself.

use std::sync::Arc;

use ferrymq_network::BrokerIdentity;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::error::EncodeError;
use ferrymq_openwire::ids::{ConsumerId, MessageId, ProducerId};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_openwire::text::Text;

/// Topic names of advisories, as ActiveMQ's `AdvisorySupport` has them.
const CONSUMER_PREFIX: &str = "ActiveMQ.Advisory.Consumer.";
const TEMP_QUEUE: &str = "ActiveMQ.Advisory.TempQueue";
const TEMP_TOPIC: &str = "ActiveMQ.Advisory.TempTopic";
const QUEUE: &str = "ActiveMQ.Advisory.Queue";
const TOPIC: &str = "ActiveMQ.Advisory.Topic";

/// The topic that tells of consumers at `address`.
pub(super) fn consumer_topic(address: &Destination) -> Destination {
    let kind = if address.kind().is_queue() { "Queue." } else { "Topic." };
    let name = address.name().to_string_lossy().replace(',', "&sbquo;");
    Destination::topic(format!("{CONSUMER_PREFIX}{kind}{name}"))
}

/// The topic that tells of destinations of a kind.
pub(super) fn destination_topic(kind: DestinationKind) -> Destination {
    Destination::topic(match kind {
        DestinationKind::Queue => QUEUE,
        DestinationKind::Topic => TOPIC,
        DestinationKind::TempQueue => TEMP_QUEUE,
        DestinationKind::TempTopic => TEMP_TOPIC,
    })
}

/// Writes advisories in the broker's name, numbering them.
pub(super) struct AdvisoryWriter {
    producer: ProducerId,
    written: i64,
    origin: Properties,
}

impl AdvisoryWriter {
    pub(super) fn new(producer: ProducerId, identity: &BrokerIdentity) -> Self {
        let mut origin = Properties::default();
        let id = identity.id.to_string();
        let parts = [
            ("originBrokerName", identity.name.as_str()),
            ("originBrokerId", id.as_str()),
            ("originBrokerURL", identity.url.as_str()),
        ];
        for (name, value) in parts {
            origin.insert(Text::from(name), Value::String(Text::from(value)));
        }
        Self { producer, written: 0, origin }
    }

    /// An advisory on `topic` about `subject`; for one consumer only when it is a replay.
    pub(super) fn write(
        &mut self,
        topic: &Destination,
        subject: Command,
        consumer_count: Option<i32>,
        only_for: Option<&ConsumerId>,
        now: i64,
    ) -> Result<Arc<Message>, EncodeError> {
        self.written += 1;
        let mut properties = self.origin.clone();
        if let Some(count) = consumer_count {
            properties.insert(Text::from("consumerCount"), Value::Int(count));
        }
        let message = Message::from_fields(&MessageFields {
            producer_id: Some(self.producer.clone()),
            destination: Some(topic.clone()),
            message_id: Some(MessageId::new(self.producer.clone(), self.written)),
            timestamp: now,
            jms_type: Some(Text::from("Advisory")),
            marshalled_properties: Some(properties.encode()),
            data_structure: Some(Box::new(subject)),
            target_consumer_id: only_for.cloned(),
            broker_in_time: now,
            ..MessageFields::default()
        })?;
        Ok(Arc::new(message))
    }
}

/// Whether the broker itself writes to this topic.
pub(super) fn is_advisory(address: &Destination) -> bool {
    !address.kind().is_queue() && address.name().as_bytes().starts_with(b"ActiveMQ.Advisory.")
}

/// Whether a subscription to this name wants to be told of what lives already.
pub(super) fn wants_replay(name: &str) -> bool {
    name.starts_with(CONSUMER_PREFIX) || [TEMP_QUEUE, TEMP_TOPIC, QUEUE, TOPIC].contains(&name)
}
