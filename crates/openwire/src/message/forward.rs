//! Copies of a message that differ in a few fields: the one that a bridge sends on, and the one
//! that a broker puts elsewhere.

use super::fields::{Layout, Slot};
use super::held::Message;
use crate::destination::Destination;
use crate::ids::{BrokerId, ProducerId};
use crate::structure::Structure;
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
        let mut copy = Splice::with_room(self, self.forwarded_len(producer, via, originally));

        copy.begin(Slot::ProducerId);
        put_producer(producer, &mut copy.body);
        copy.keep(Slot::Destination, Slot::TransactionId);
        copy.put(Slot::TransactionId, &[0]);
        copy.keep(Slot::OriginalDestination, Slot::OriginalTransactionId);
        copy.put(Slot::OriginalTransactionId, originally);
        copy.keep(Slot::GroupId, Slot::TargetConsumerId);
        copy.put(Slot::TargetConsumerId, &[0]);
        copy.keep(Slot::Compressed, Slot::BrokerPath);
        copy.begin(Slot::BrokerPath);
        path.put_with(via, &mut copy.body);
        copy.keep(Slot::Arrival, Slot::Droppable);
        for slot in [Slot::Droppable, Slot::Cluster] {
            let present = !self.field(slot).is_empty();
            copy.put(slot, if present { &[0] } else { &[] });
        }
        copy.finish(Slot::BrokerInTime)
    }

    /// The copy that a broker puts at another destination than the one that the message was sent to:
    /// that one becomes the original destination. All else stays, its identity, too.
    pub fn readdressed(&self, to: &Destination) -> Message {
        let originally = self.field(Slot::Destination);
        let room = self.body_len() + originally.len() + to.name().as_bytes().len() + 8;
        let mut copy = Splice::with_room(self, room);
        copy.keep(Slot::ProducerId, Slot::Destination);
        copy.begin(Slot::Destination);
        copy.body.extend([1, to.type_id()]);
        put_string(to.wire_text(), &mut copy.body);
        copy.keep(Slot::TransactionId, Slot::OriginalDestination);
        copy.put(Slot::OriginalDestination, originally);
        copy.finish(Slot::MessageId)
    }

    /// Bytes of the forwarded copy's body. Being wrong would cost an allocation and nothing else.
    fn forwarded_len(&self, producer: &ProducerId, via: &BrokerId, originally: &[u8]) -> usize {
        let text_len = |text: &Option<Text>| text.as_ref().map_or(1, |t| 3 + t.as_bytes().len());
        let anew = [
            Slot::ProducerId,
            Slot::TransactionId,
            Slot::OriginalTransactionId,
            Slot::TargetConsumerId,
            Slot::Droppable,
            Slot::Cluster,
        ];
        let gone: usize = anew.map(|slot| self.field(slot).len()).iter().sum();
        let fixed =
            [Slot::Droppable, Slot::Cluster].map(|slot| self.field(slot).len().min(1)).iter().sum();
        let path = match self.field(Slot::BrokerPath) {
            [0] => 2,
            _ => 0,
        };
        let put: usize = [
            18 + text_len(&producer.connection_id),
            originally.len(),
            2,
            fixed,
            path + 2 + text_len(&via.value),
        ]
        .iter()
        .sum();
        (self.body_len() + put).saturating_sub(gone)
    }
}

/// A body that is put together from parts of another message's and from new ones, field by field in
/// their order.
///
/// The map of fields is made on the way: every part is one that was checked, or is written right
/// here.
struct Splice<'a> {
    of: &'a Message,
    body: Vec<u8>,
    layout: Layout,
}

impl<'a> Splice<'a> {
    fn with_room(of: &'a Message, bytes: usize) -> Self {
        Self { of, body: Vec::with_capacity(bytes), layout: Layout::default() }
    }

    /// The field starts here.
    fn begin(&mut self, slot: Slot) {
        self.layout.set_start(slot, self.body.len());
    }

    /// The field is these bytes.
    fn put(&mut self, slot: Slot, bytes: &[u8]) {
        self.begin(slot);
        self.body.extend_from_slice(bytes);
    }

    /// The fields from one up to, not including, another stay.
    fn keep(&mut self, first: Slot, end: Slot) {
        self.layout.set_starts(self.of.layout(), first, self.body.len());
        self.body.extend_from_slice(self.of.between(first, end));
    }

    /// The fields from this one to the last stay, and the message is complete.
    fn finish(mut self, first: Slot) -> Message {
        self.layout.set_starts(self.of.layout(), first, self.body.len());
        self.body.extend_from_slice(self.of.onward(first));
        self.of.with_body(self.body, self.layout)
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
