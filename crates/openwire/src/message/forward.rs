//! Copies of a message that differ in a few fields: the one that a bridge sends on, and the one
//! that a broker puts elsewhere.

use std::io::Write;

use super::fields::{Layout, Slot};
use super::held::Message;
use crate::destination::Destination;
use crate::ids::{BrokerId, ConsumerId, ProducerId};
use crate::structure::Structure;
use crate::text::Text;

impl Message {
    /// The copy that a bridge sends to the next broker: from the bridge's own producer there, with
    /// this broker (`via`) at the end of the path it has come, in no transaction (a transaction
    /// that it was part of becomes the original one), for no consumer in particular, and without
    /// what is internal to a broker. Its identity and its content stay.
    ///
    /// When this broker took it in goes along, beside the path, for whoever traces it.
    ///
    /// Only these fields are written anew; all others are copied as the bytes they are.
    pub fn forwarded(&self, producer: &ProducerId, via: &BrokerId) -> Message {
        self.forwarded_toward(producer, via, None)
    }

    /// The same copy, which says for the sake of whose consumers it is sent: those at the broker
    /// `toward`. It stands in `targetConsumerId`, as the connection of a consumer; only for a broker
    /// that is a FerryMQ, for ActiveMQ hands such a message to no other consumer than that one.
    pub fn forwarded_toward(
        &self,
        producer: &ProducerId,
        via: &BrokerId,
        toward: Option<&BrokerId>,
    ) -> Message {
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
        copy.begin(Slot::TargetConsumerId);
        put_toward(toward, &mut copy.body);
        copy.keep(Slot::Compressed, Slot::BrokerPath);
        copy.begin(Slot::BrokerPath);
        path.put_with(via, &mut copy.body);
        copy.keep(Slot::Arrival, Slot::Droppable);
        copy.put(Slot::Droppable, if self.field(Slot::Droppable).is_empty() { &[] } else { &[0] });
        copy.begin(Slot::Cluster);
        if !self.field(Slot::Cluster).is_empty() {
            HopTimes::of(self).put_with(path.count, self.broker_in_time(), &mut copy.body);
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
        let fixed = self.field(Slot::Droppable).len().min(1)
            + match self.field(Slot::Cluster) {
                [] => 0,
                times => times.len() + HopTimes::LONGEST_ENTRY,
            };
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

fn put_toward(broker: Option<&BrokerId>, body: &mut Vec<u8>) {
    let Some(broker) = broker else { return body.push(0) };
    body.extend([1, ConsumerId::TYPE_ID]);
    put_string(broker.value.as_ref(), body);
    body.extend([0; 16]);
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

/// When the brokers of the path took the message in.
///
/// They travel in `cluster`, which ActiveMQ reads, never looks at, and does not hand on: so what it
/// forwards has lost them, and the brokers' names stay. Each is written as a broker's id, `N@MILLIS`:
/// the place on the path, and milliseconds since 1970.
struct HopTimes<'a> {
    count: i16,
    entries: &'a [u8],
}

impl<'a> HopTimes<'a> {
    /// What one more entry takes at most, with the head of the array.
    const LONGEST_ENTRY: usize = 3 + 2 + 3 + 6 + 20;

    /// Those that came with a message. There are as many as brokers on its path at most, and short
    /// ones: whatever else a peer puts there is left out.
    fn of(message: &'a Message) -> Self {
        let path = message.broker_path_len();
        match message.field(Slot::Cluster) {
            [present, high, low, entries @ ..] if *present != 0 => {
                let count = i16::from_be_bytes([*high, *low]);
                let fits = usize::try_from(count).is_ok_and(|count| count <= path)
                    && entries.len() <= path.saturating_mul(Self::LONGEST_ENTRY);
                if fits { Self { count, entries } } else { Self { count: 0, entries: &[] } }
            }
            _ => Self { count: 0, entries: &[] },
        }
    }

    /// Writes them with that of the broker at place `at`, if it is known and the path has room.
    fn put_with(&self, at: i16, millis: i64, body: &mut Vec<u8>) {
        let more = i16::from(millis > 0 && self.count < i16::MAX);
        let count = self.count.saturating_add(more);
        if count == 0 {
            return body.push(0);
        }
        body.push(1);
        body.extend(count.to_be_bytes());
        body.extend_from_slice(self.entries);
        if more > 0 {
            body.extend([1, BrokerId::TYPE_ID, 1]);
            let length = body.len();
            body.extend([0, 0]);
            // Writing to a vector cannot fail.
            let _ = write!(body, "{at}@{millis}");
            let written = (body.len() - length - 2) as u16;
            if let Some(place) = body.get_mut(length..length + 2) {
                place.copy_from_slice(&written.to_be_bytes());
            }
        }
    }
}

impl Message {
    /// Whether whoever forwarded it last is a FerryMQ: it noted a time, and ActiveMQ brokers drop those.
    pub fn carries_hop_times(&self) -> bool {
        self.field(Slot::Cluster).first().is_some_and(|present| *present != 0)
    }

    /// When each broker of the path took the message in, in milliseconds since 1970, as far as they
    /// noted it: FerryMQ brokers do, and ActiveMQ brokers drop what was noted before them.
    pub fn hop_times(&self) -> Vec<Option<i64>> {
        let mut times = vec![None; self.broker_path_len()];
        for entry in self.clusters().into_iter().take(times.len()) {
            let text = entry.to_string();
            let read = text.split_once('@').and_then(|(at, millis)| {
                Some((at.parse::<usize>().ok()?, millis.parse::<i64>().ok()?))
            });
            if let Some((at, millis)) = read
                && let Some(time) = times.get_mut(at)
            {
                *time = Some(millis);
            }
        }
        times
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
