//! Sending on what was received.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::MessageId;
use ferrymq_openwire::message::{Message, MessageFields};

use super::handle::Producer;
use crate::error::SendError;
use crate::received::ReceivedMessage;
use crate::uplink::Sent;

impl Producer {
    /// Sends a message on as it was received, headers, properties and content, with an identity of
    /// its own: two messages of one identity are duplicates to brokers and clients. `change` may
    /// change the rest. It is handed to the link; in a transacted session the commit confirms it.
    pub async fn forward(
        &self,
        destination: &Destination,
        received: &ReceivedMessage,
        change: impl FnOnce(&mut MessageFields),
    ) -> Result<(), SendError> {
        let message = received.message();
        let unencodable =
            |reason: String| SendError::Unencodable { destination: destination.clone(), reason };
        self.wait_for_room(message.size()).await;
        let mut fields = message.to_fields().map_err(|error| unencodable(error.to_string()))?;
        change(&mut fields);
        let connection = self.session.connection().core();
        let mut sequence = self.sequence.lock();
        let fields = MessageFields {
            producer_id: Some(self.id.clone()),
            destination: Some(destination.clone()),
            message_id: Some(MessageId::new(self.id.clone(), *sequence + 1)),
            transaction_id: self.session.core().within(connection),
            // What brokers have noted about the message that this was.
            redelivery_counter: 0,
            broker_path: None,
            target_consumer_id: None,
            cluster: None,
            broker_in_time: 0,
            broker_out_time: 0,
            ..fields
        };
        let mut encoded =
            Message::from_fields(&fields).map_err(|error| unencodable(error.to_string()))?;
        encoded.command_id = connection.uplink.number();
        let size = encoded.frame_len() as u64;
        match connection.uplink.send_message(Arc::new(encoded)) {
            Sent::TooLarge(largest) => {
                return Err(SendError::TooLarge {
                    destination: destination.clone(),
                    size,
                    largest,
                });
            }
            Sent::Yes => {
                *sequence += 1;
                return Ok(());
            }
            Sent::NotNow | Sent::Never => *sequence += 1,
        }
        drop(sequence);
        // Over another link it would be no part of the transaction any more.
        Err(SendError::Lost { destination: destination.clone(), lost: connection.uplink.lost() })
    }
}
