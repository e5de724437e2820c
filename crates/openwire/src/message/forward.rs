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
        let originally = match self.field(Slot::OriginalTransactionId) {
            [0] => self.field(Slot::TransactionId),
            original => original,
        };
        let path = Path::read(self.field(Slot::BrokerPath));
        // Rather a little too much than a second allocation.
        let more = 32
            + producer.connection_id.as_ref().map_or(0, |text| text.as_bytes().len())
            + via.value.as_ref().map_or(0, |text| text.as_bytes().len());
        let mut body = Vec::with_capacity(self.body_len() + more);

        put_producer(producer, &mut body);
        body.extend_from_slice(self.field(Slot::Destination));
        body.push(0); // transactionId
        let end = Slot::OriginalTransactionId;
        body.extend_from_slice(self.between(Slot::OriginalDestination, end));
        body.extend_from_slice(originally);
        body.extend_from_slice(self.between(Slot::GroupId, Slot::TargetConsumerId));
        body.push(0); // targetConsumerId
        body.extend_from_slice(self.between(Slot::Compressed, Slot::BrokerPath));
        path.put_with(via, &mut body);
        body.extend_from_slice(self.between(Slot::Arrival, Slot::Droppable));
        for slot in [Slot::Droppable, Slot::Cluster] {
            if !self.field(slot).is_empty() {
                body.push(0);
            }
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

/// A broker path as it is on the wire: `01`, an `i16` count, and the brokers; or `00` for none.
struct Path<'a> {
    count: i16,
    brokers: &'a [u8],
}

impl<'a> Path<'a> {
    fn read(field: &'a [u8]) -> Self {
        match field {
            [present, high, low, brokers @ ..] if *present != 0 => {
                Self { count: i16::from_be_bytes([*high, *low]), brokers }
            }
            _ => Self { count: 0, brokers: &[] },
        }
    }

    /// Writes the path with one broker more. A path that is full stays as it is: every hop limit
    /// has long refused it.
    fn put_with(&self, via: &BrokerId, body: &mut Vec<u8>) {
        let longer = self.count.checked_add(1);
        body.push(1);
        body.extend(longer.unwrap_or(self.count).to_be_bytes());
        body.extend_from_slice(self.brokers);
        if longer.is_some() {
            body.extend([1, BrokerId::TYPE_ID]);
            put_string(via.value.as_ref(), body);
        }
    }
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
