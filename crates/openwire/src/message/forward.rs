//! The copy of a message that a bridge sends on.

use super::fields::Slot;
use super::held::Message;
use crate::ids::{BrokerId, ProducerId};
use crate::text::Text;

impl Message {
    /// The copy that a bridge sends to the next broker: from the bridge's own producer there, with
    /// this broker (`via`) at the end of the path it has come, in no transaction (a transaction
    /// that it was part of becomes the original one), for no consumer in particular, and without
    /// what is internal to a broker. Its identity and its content stay.
    ///
    /// Only these fields are written anew; all others are copied as the bytes they are.
    pub fn forwarded(&self, producer: &ProducerId, via: &BrokerId) -> Message {
        let form_has = |slot| !self.field(slot).is_empty();
        let mut body = Vec::with_capacity(self.body_len() + 64);
        let originally = match self.field(Slot::OriginalTransactionId) {
            [0] => self.field(Slot::TransactionId),
            original => original,
        };

        put_producer(producer, &mut body);
        body.extend_from_slice(self.field(Slot::Destination));
        body.push(0); // transactionId
        body.extend_from_slice(
            self.between(Slot::OriginalDestination, Slot::OriginalTransactionId),
        );
        body.extend_from_slice(originally);
        body.extend_from_slice(self.between(Slot::GroupId, Slot::TargetConsumerId));
        body.push(0); // targetConsumerId
        body.extend_from_slice(self.between(Slot::Compressed, Slot::BrokerPath));
        put_path(self.field(Slot::BrokerPath), via, &mut body);
        body.extend_from_slice(self.between(Slot::Arrival, Slot::Droppable));
        if form_has(Slot::Droppable) {
            body.push(0);
        }
        if form_has(Slot::Cluster) {
            body.push(0);
        }
        body.extend_from_slice(self.onward(Slot::BrokerInTime));

        // Every part is one that was checked, or was written right here.
        self.with_body(body).unwrap_or_else(|_| self.clone())
    }
}

fn put_producer(producer: &ProducerId, body: &mut Vec<u8>) {
    body.extend([1, ProducerId::TYPE_ID]);
    put_string(producer.connection_id.as_ref(), body);
    body.extend(producer.value.to_be_bytes());
    body.extend(producer.session_id.to_be_bytes());
}

/// The path as it is on the wire, with one broker more.
fn put_path(path: &[u8], via: &BrokerId, body: &mut Vec<u8>) {
    let (count, brokers) = match path {
        [present, high, low, brokers @ ..] if *present != 0 => {
            (i16::from_be_bytes([*high, *low]), brokers)
        }
        _ => (0, &[][..]),
    };
    body.push(1);
    let Some(longer) = count.checked_add(1) else {
        // A path that is full stays: it has long been refused by every hop limit.
        body.extend(count.to_be_bytes());
        body.extend_from_slice(brokers);
        return;
    };
    body.extend(longer.to_be_bytes());
    body.extend_from_slice(brokers);
    body.extend([1, BrokerId::TYPE_ID]);
    put_string(via.value.as_ref(), body);
}

fn put_string(text: Option<&Text>, body: &mut Vec<u8>) {
    match text {
        None => body.push(0),
        Some(text) => {
            // Longer than any identifier; cut rather than let the length run over.
            let bytes = text.as_bytes();
            let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
            body.push(1);
            body.extend((bytes.len() as u16).to_be_bytes());
            body.extend_from_slice(bytes);
        }
    }
}
