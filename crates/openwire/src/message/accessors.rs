//! Reading single fields of a message, and changing those of fixed width in place.
//!
//! The scan has checked every field, so that the defaults below for bytes that do not parse are
//! never seen.

use super::fields::Slot;
use super::held::Message;
use crate::codec::input::Input;
use crate::codec::reader::{FrameReader, Loose};
use crate::command::Command;
use crate::destination::{Destination, DestinationKind};
use crate::error::DecodeError;
use crate::ids::{BrokerId, ConsumerId, MessageId, ProducerId, TransactionId};
use crate::properties::{Properties, PropertyError};
use crate::structure::Structure;
use crate::text::Text;

/// What ActiveMQ counts for a message besides its content and its properties.
const MINIMUM_SIZE: usize = 1024;

/// Where a message began: its identity, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The connection of the producer that sent it first.
    pub connection: &'a [u8],
    /// That producer's session.
    pub session: i64,
    /// Its number in the session.
    pub producer: i64,
    /// Its number among that producer's messages.
    pub sequence: i64,
}

impl Message {
    /// Whether it must survive a restart of the broker.
    #[inline]
    pub fn persistent(&self) -> bool {
        self.flag(Slot::Persistent)
    }

    /// When it expires, in milliseconds since 1970; 0 for never.
    #[inline]
    pub fn expiration(&self) -> i64 {
        i64::from_be_bytes(self.fixed(Slot::Expiration))
    }

    /// 0 (lowest) to 9; other values are as the sender wrote them.
    #[inline]
    pub fn priority(&self) -> i8 {
        i8::from_be_bytes(self.fixed(Slot::Priority))
    }

    /// When it was sent, in milliseconds since 1970.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        i64::from_be_bytes(self.fixed(Slot::Timestamp))
    }

    /// How often it was delivered before.
    #[inline]
    pub fn redelivery_counter(&self) -> i32 {
        i32::from_be_bytes(self.fixed(Slot::RedeliveryCounter))
    }

    /// Number within its group; -1 closes the group.
    pub fn group_sequence(&self) -> i32 {
        i32::from_be_bytes(self.fixed(Slot::GroupSequence))
    }

    /// Whether the content is deflated.
    pub fn compressed(&self) -> bool {
        self.flag(Slot::Compressed)
    }

    /// Number that a broker gave it; 0 from a client, and without a message id.
    pub fn broker_sequence_id(&self) -> i64 {
        self.field(Slot::MessageId).last_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
    }

    /// When a broker received it, in milliseconds since 1970; 0 if not stamped.
    pub fn broker_in_time(&self) -> i64 {
        i64::from_be_bytes(self.fixed(Slot::BrokerInTime))
    }

    /// When a broker dispatched it, in milliseconds since 1970; 0 if not stamped.
    pub fn broker_out_time(&self) -> i64 {
        i64::from_be_bytes(self.fixed(Slot::BrokerOutTime))
    }

    /// Whether it is the first of its group for its consumer.
    pub fn group_first_for_consumer(&self) -> bool {
        self.flag(Slot::JmsxGroupFirstForConsumer)
    }

    /// The producer that sent it here.
    pub fn producer_id(&self) -> Option<ProducerId> {
        self.structure(Slot::ProducerId)
    }

    /// Its identity.
    pub fn message_id(&self) -> Option<MessageId> {
        self.structure(Slot::MessageId)
    }

    /// Whether it has an identity at all. Allocates nothing.
    pub fn is_identified(&self) -> bool {
        self.field(Slot::MessageId).first().is_some_and(|flag| *flag != 0)
    }

    /// Whether this is its identity. Allocates nothing.
    pub fn has_id(&self, id: &MessageId) -> bool {
        self.holds_id(id).unwrap_or_default()
    }

    /// Whether it is shown under this name instead of its identity. Allocates nothing.
    pub fn is_shown_as(&self, name: &str) -> bool {
        let view = || {
            let mut input = Input::new(self.field(Slot::MessageId));
            if self.form().version < 10 || optional(&mut input)?.is_none() {
                return Ok::<_, DecodeError>(false);
            }
            Ok(raw_string(&mut input)? == Some(name.as_bytes()))
        };
        view().unwrap_or_default()
    }

    /// The producer that sent it first, and its number there, as its identity tells; `None` for an
    /// identity without a producer. Allocates nothing.
    pub fn origin(&self) -> Option<Origin<'_>> {
        self.read_origin().ok().flatten()
    }

    /// Whether who sends it here is who sent it first: its identity is its producer's. Allocates
    /// nothing.
    pub fn is_its_producers(&self) -> bool {
        let mut input = Input::new(self.field(Slot::ProducerId));
        let mut producer = || {
            optional(&mut input)?;
            Ok::<_, DecodeError>((raw_string(&mut input)?, input.i64()?, input.i64()?))
        };
        let Ok((Some(connection), value, session)) = producer() else { return false };
        self.origin().is_some_and(|origin| {
            origin.producer == value && origin.session == session && origin.connection == connection
        })
    }

    /// Whether this producer sent it here. Allocates nothing.
    pub fn producer_is(&self, producer: &ProducerId) -> bool {
        let mut input = Input::new(self.field(Slot::ProducerId));
        let mut same = || {
            optional(&mut input)?;
            Ok::<_, DecodeError>(
                raw_string(&mut input)? == producer.connection_id.as_ref().map(Text::as_bytes)
                    && input.i64()? == producer.value
                    && input.i64()? == producer.session_id,
            )
        };
        same().unwrap_or_default()
    }

    /// Whether its producer belongs to this connection (noLocal). Allocates nothing.
    pub fn producer_connection_is(&self, connection: &Text) -> bool {
        let mut input = Input::new(self.field(Slot::ProducerId));
        let mut text = || {
            optional(&mut input)?;
            raw_string(&mut input)
        };
        text().ok().flatten() == Some(connection.as_bytes())
    }

    /// Where it was sent.
    pub fn destination(&self) -> Option<Destination> {
        self.structure(Slot::Destination)
    }

    /// Whether it was sent there. Allocates nothing.
    pub fn destination_is(&self, destination: &Destination) -> bool {
        let mut input = Input::new(self.field(Slot::Destination));
        let mut same = || {
            let type_id = optional(&mut input)?;
            let name = raw_string(&mut input)?;
            Ok::<_, DecodeError>(
                type_id == Some(destination.type_id())
                    && name == destination.wire_text().map(Text::as_bytes),
            )
        };
        same().unwrap_or_default()
    }

    /// Where replies should go.
    pub fn reply_to(&self) -> Option<Destination> {
        self.structure(Slot::ReplyTo)
    }

    /// Whether it asks for a reply, or may be one: it goes to a temporary destination.
    pub fn is_part_of_a_dialogue(&self) -> bool {
        let to_temporary = || {
            let type_id = self.field(Slot::Destination).get(1).copied();
            type_id.and_then(DestinationKind::of_type).is_some_and(DestinationKind::is_temporary)
        };
        self.flag(Slot::ReplyTo) || to_temporary()
    }

    /// Where it was sent first, if a broker has moved it.
    pub fn original_destination(&self) -> Option<Destination> {
        self.structure(Slot::OriginalDestination)
    }

    /// The transaction that it is part of.
    pub fn transaction_id(&self) -> Option<TransactionId> {
        self.structure(Slot::TransactionId)
    }

    /// The transaction in which it was sent first, if a bridge has resent it.
    pub fn original_transaction_id(&self) -> Option<TransactionId> {
        self.structure(Slot::OriginalTransactionId)
    }

    /// What it refers to.
    pub fn correlation_id(&self) -> Option<Text> {
        self.text(Slot::CorrelationId)
    }

    /// JMSType.
    pub fn jms_type(&self) -> Option<Text> {
        self.text(Slot::JmsType)
    }

    /// The group that it is part of.
    pub fn group_id(&self) -> Option<Text> {
        self.text(Slot::GroupId)
    }

    /// Who sent it, if a broker says so.
    pub fn user_id(&self) -> Option<Text> {
        self.text(Slot::UserId)
    }

    /// The one consumer that may get it.
    pub fn target_consumer_id(&self) -> Option<ConsumerId> {
        self.structure(Slot::TargetConsumerId)
    }

    /// Whether it carries a structure, as advisories do. Decodes nothing.
    pub fn has_data_structure(&self) -> bool {
        self.field(Slot::DataStructure).first().is_some_and(|present| *present != 0)
    }

    /// The command that an advisory tells of.
    pub fn data_structure(&self) -> Option<Command> {
        self.structure(Slot::DataStructure)
    }

    /// The brokers that have forwarded it, in order.
    pub fn broker_path(&self) -> Vec<BrokerId> {
        let mut reader = self.reader(Slot::BrokerPath);
        let path = reader.array().ok().flatten().unwrap_or_default();
        path.into_iter().flatten().collect()
    }

    /// What `cluster` holds.
    pub(super) fn clusters(&self) -> Vec<BrokerId> {
        let mut reader = self.reader(Slot::Cluster);
        let held = reader.array().ok().flatten().unwrap_or_default();
        held.into_iter().flatten().collect()
    }

    /// How many brokers have forwarded it. Allocates nothing.
    pub fn broker_path_len(&self) -> usize {
        match self.field(Slot::BrokerPath) {
            [present, high, low, ..] if *present != 0 => {
                usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => 0,
        }
    }

    /// The brokers that have forwarded it, as they stand on the wire: equal for messages that came
    /// the same way.
    pub fn way(&self) -> &[u8] {
        self.field(Slot::BrokerPath)
    }

    /// Whether this broker has forwarded it. Allocates nothing.
    pub fn broker_path_contains(&self, broker: &BrokerId) -> bool {
        self.broker_path_names().any(|name| name == broker.value.as_ref().map(Text::as_bytes))
    }

    /// The name of the broker for the sake of whose consumers a FerryMQ forwarded it, as it is on the
    /// wire; none if they were the next broker's. Allocates nothing.
    pub fn toward(&self) -> Option<&[u8]> {
        let mut input = Input::new(self.field(Slot::TargetConsumerId));
        optional(&mut input).ok().flatten()?;
        raw_string(&mut input).ok().flatten()
    }

    /// How often this broker has forwarded it. Allocates nothing.
    pub fn broker_path_visits(&self, broker: &BrokerId) -> usize {
        let wanted = broker.value.as_ref().map(Text::as_bytes);
        self.broker_path_names().filter(|name| *name == wanted).count()
    }

    /// The names of the brokers that have forwarded it, in order, as they are on the wire; absent
    /// brokers are passed over. Allocates nothing.
    pub fn broker_path_names(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut input = Input::new(self.field(Slot::BrokerPath).get(3..).unwrap_or_default());
        (0..self.broker_path_len()).filter_map(move |_| {
            let present = optional(&mut input).ok().flatten();
            present.and_then(|_| raw_string(&mut input).ok())
        })
    }

    /// The content as it came: in the form of its kind, and deflated if `compressed`.
    pub fn content(&self) -> Option<&[u8]> {
        self.byte_array(Slot::Content)
    }

    /// The properties as they came.
    pub fn marshalled_properties(&self) -> Option<&[u8]> {
        self.byte_array(Slot::MarshalledProperties)
    }

    /// The properties, decoded; none if it carries none.
    pub fn properties(&self) -> Result<Properties, PropertyError> {
        match self.marshalled_properties() {
            Some(bytes) => Properties::decode(bytes),
            None => Ok(Properties::default()),
        }
    }

    /// Memory that it counts for: ActiveMQ's measure, which producers with a window share.
    pub fn size(&self) -> usize {
        let length = |slot| self.byte_array(slot).map_or(0, <[u8]>::len);
        MINIMUM_SIZE + length(Slot::Content) + length(Slot::MarshalledProperties)
    }

    /// Sets the broker's number for it. Without a message id there is no place for it.
    pub fn set_broker_sequence_id(&mut self, value: i64) {
        if let Some(place) = self.field_mut(Slot::MessageId).last_chunk_mut() {
            *place = value.to_be_bytes();
        }
    }

    /// Stamps its arrival, in milliseconds since 1970. Before version 3 there is no place for it.
    pub fn set_broker_in_time(&mut self, value: i64) {
        self.set_fixed(Slot::BrokerInTime, value.to_be_bytes());
    }

    /// Stamps its dispatch, in milliseconds since 1970. Before version 3 there is no place for it.
    pub fn set_broker_out_time(&mut self, value: i64) {
        self.set_fixed(Slot::BrokerOutTime, value.to_be_bytes());
    }

    /// Sets how often it was delivered before.
    pub fn set_redelivery_counter(&mut self, value: i32) {
        self.set_fixed(Slot::RedeliveryCounter, value.to_be_bytes());
    }

    fn reader(&self, slot: Slot) -> FrameReader<'_, Loose> {
        FrameReader::of_checked(self.field(slot), self.form())
    }

    fn structure<T: Structure>(&self, slot: Slot) -> Option<T> {
        self.reader(slot).nested().ok().flatten()
    }

    fn text(&self, slot: Slot) -> Option<Text> {
        self.reader(slot).string().ok().flatten()
    }

    #[inline]
    fn flag(&self, slot: Slot) -> bool {
        self.field(slot).first().is_some_and(|&byte| byte != 0)
    }

    #[inline]
    fn fixed<const N: usize>(&self, slot: Slot) -> [u8; N] {
        self.field(slot).first_chunk().copied().unwrap_or([0; N])
    }

    #[inline]
    fn set_fixed<const N: usize>(&mut self, slot: Slot, value: [u8; N]) {
        if let Some(place) = self.field_mut(slot).first_chunk_mut() {
            *place = value;
        }
    }

    /// A present byte array, without its flag and its length.
    fn byte_array(&self, slot: Slot) -> Option<&[u8]> {
        self.field(slot).get(5..)
    }

    fn read_origin(&self) -> Result<Option<Origin<'_>>, DecodeError> {
        let mut input = Input::new(self.field(Slot::MessageId));
        if optional(&mut input)?.is_none() {
            return Ok(None);
        }
        if self.form().version >= 10 {
            raw_string(&mut input)?;
        }
        if optional(&mut input)?.is_none() {
            return Ok(None);
        }
        let Some(connection) = raw_string(&mut input)? else { return Ok(None) };
        let (producer, session, sequence) = (input.i64()?, input.i64()?, input.i64()?);
        Ok(Some(Origin { connection, session, producer, sequence }))
    }

    /// Compares the identity on the wire, part by part.
    fn holds_id(&self, id: &MessageId) -> Result<bool, DecodeError> {
        let field = self.field(Slot::MessageId);
        let mut input = Input::new(field);
        if optional(&mut input)?.is_none() {
            return Ok(false);
        }
        if self.form().version >= 10 {
            raw_string(&mut input)?;
        }
        match (optional(&mut input)?, &id.producer_id) {
            (None, None) => {}
            (Some(_), Some(producer)) => {
                if raw_string(&mut input)? != producer.connection_id.as_ref().map(Text::as_bytes)
                    || input.i64()? != producer.value
                    || input.i64()? != producer.session_id
                {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
        Ok(input.i64()? == id.producer_sequence_id)
    }
}

/// The type byte of a nested structure; `None` for null.
fn optional(input: &mut Input<'_>) -> Result<Option<u8>, DecodeError> {
    if input.u8()? == 0 { Ok(None) } else { input.u8().map(Some) }
}

/// The bytes of a string; `None` for null.
fn raw_string<'a>(input: &mut Input<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    if input.u8()? == 0 {
        return Ok(None);
    }
    let length = usize::from(input.u16()?);
    input.take(length).map(Some)
}
