//! Where messages go that nobody will get.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_openwire::text::Text;

use super::arrival::Arrival;
use super::broker::Broker;
use super::directory::Living;
use super::persistence::Origin;

/// ActiveMQ's shared dead-letter queue.
const DEAD_LETTERS: &str = "ActiveMQ.DLQ";

impl Broker {
    /// Puts a copy of `message` on the dead-letter queue, with the reason. As in ActiveMQ, only
    /// persistent messages are kept; the others end here.
    pub(super) fn bury(&self, message: &Message, cause: &str) {
        let from = message.destination();
        let own = from.as_ref().is_some_and(|from| *from.name() == DEAD_LETTERS);
        if !message.persistent() {
            return;
        }
        let origin = from.and_then(|from| self.origin(&from, message));
        if own {
            return self.forget(origin);
        }
        let former = message.message_id();
        let id = former.as_ref().map(|id| id.to_string()).unwrap_or_default();
        match dead_letter(message, self.letters.next(former.as_ref()), cause) {
            Ok(letter) => {
                let arrival = origin.map_or(Arrival::Produced, Arrival::Moved);
                let taken = self
                    .resolve(&Destination::queue(DEAD_LETTERS))
                    .and_then(|target| self.publish(&target, Arc::new(letter), arrival));
                let Err(error) = taken else { return };
                tracing::warn!(message = %id, %error, "a dead letter is lost");
            }
            Err(error) => tracing::warn!(message = %id, %error, "a dead letter is lost"),
        }
        self.forget(origin);
    }

    /// Where a message that has left its queue is still kept.
    fn origin(&self, from: &Destination, message: &Message) -> Option<Origin> {
        match self.directory.find(from)? {
            Living::Queue(queue) => queue.origin(message),
            Living::Topic(_) => None,
        }
    }

    fn forget(&self, origin: Option<Origin>) {
        if let (Some(persistence), Some(origin)) = (&self.persistence, origin) {
            persistence.forget(origin);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DeadLetterError {
    #[error("its fields cannot be read: {0}")]
    Decode(#[from] ferrymq_openwire::error::DecodeError),
    #[error("its copy cannot be written: {0}")]
    Encode(#[from] ferrymq_openwire::error::EncodeError),
}

fn dead_letter(message: &Message, id: MessageId, cause: &str) -> Result<Message, DeadLetterError> {
    let mut fields = message.to_fields()?;
    fields.message_id = Some(id);
    let properties = match &fields.marshalled_properties {
        Some(_) => message.properties().ok(),
        None => Some(Properties::default()),
    };
    // Properties that cannot be read may be why nobody took it: they stay as they are.
    if let Some(mut properties) = properties {
        properties.insert(Text::from("dlqDeliveryFailureCause"), Value::String(Text::from(cause)));
        if fields.expiration > 0 {
            properties.insert(Text::from("originalExpiration"), Value::Long(fields.expiration));
        }
        fields.marshalled_properties = Some(properties.encode());
    }
    fields.original_destination = fields.destination.take();
    fields.original_transaction_id = fields.transaction_id.take();
    fields.destination = Some(Destination::queue(DEAD_LETTERS));
    fields.expiration = 0;
    fields.redelivery_counter = 0;
    Ok(Message::from_fields(&fields)?)
}
