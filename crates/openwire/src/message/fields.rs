//! The field list of messages, and what follows from it.

use crate::codec::reader::{FrameReader, Loose, Mode};
use crate::codec::writer::FieldWriter;
use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::ids::{BrokerId, ConsumerId, MessageId, ProducerId, TransactionId};
use crate::message::kind::MessageKind;
use crate::structure::structures;

/// Declares [`MessageFields`], its encodings, and the map of a message's body.
///
/// A field's versions stand after `@`, as in [`structures!`]; `if` names the one kind of message
/// that has it.
macro_rules! message_fields {
    ($(
        $(#[$meta:meta])*
        $field:ident $slot:ident $name:literal : $kind:ident $(($arg:tt))?
            $(@ $versions:expr)? $(, if $only:ident)? ;
    )*) => {
        /// Every field of a message, decoded, in wire order: the slow and complete view, for making
        /// messages and for changing what cannot be changed in place.
        ///
        /// Everything is zero, false or absent by default; a message from a JMS client has priority
        /// 4.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct MessageFields {
            /// What the content is.
            pub kind: MessageKind,
            /// Number of the send on its connection.
            pub command_id: i32,
            /// Whether the sender waits for a response.
            pub response_required: bool,
            $( $(#[$meta])* pub $field: structures!(@type $kind $(($arg))?), )*
        }

        /// Names of a message's fields, as indexes of its [`Layout`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Slot {
            $( $slot, )*
        }

        impl MessageFields {
            /// Reads a message after its type byte.
            pub(crate) fn read<M: Mode>(
                kind: MessageKind,
                reader: &mut FrameReader<'_, M>,
            ) -> Result<Self, DecodeError> {
                let mut fields = Self {
                    kind,
                    command_id: reader.int()?,
                    response_required: reader.boolean()?,
                    ..Self::default()
                };
                fields.read_body(reader)?;
                Ok(fields)
            }

            /// Reads a message's body into the fields.
            pub(super) fn read_body<M: Mode>(
                &mut self,
                reader: &mut FrameReader<'_, M>,
            ) -> Result<(), DecodeError> {
                check_kind(self.kind, reader.version())?;
                $(
                    if structures!(@carried reader $(, $versions)?)
                        $( && self.kind == MessageKind::$only )?
                    {
                        self.$field = structures!(@read reader, $kind);
                    }
                )*
                Ok(())
            }

            /// Checks a message's loose, cache-off body, and notes where its fields are.
            pub(crate) fn scan(
                kind: MessageKind,
                reader: &mut FrameReader<'_, Loose>,
            ) -> Result<Layout, DecodeError> {
                check_kind(kind, reader.version())?;
                let mut layout = Layout::default();
                let mut slots = layout.starts.iter_mut();
                $(
                    if let Some(start) = slots.next() {
                        *start = reader.position() as u32;
                    }
                    if structures!(@carried reader $(, $versions)?)
                        $( && kind == MessageKind::$only )?
                    {
                        structures!(@skip reader, $kind $(($arg))?);
                    }
                )*
                if let Some(end) = slots.next() {
                    *end = reader.position() as u32;
                }
                Ok(layout)
            }

            /// Writes a message after its type byte.
            pub(crate) fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
                writer.field("commandId");
                writer.int(self.command_id)?;
                writer.field("responseRequired");
                writer.boolean(self.response_required)?;
                self.write_body(writer)
            }

            /// Writes a message's body.
            pub(super) fn write_body<W: FieldWriter>(
                &self,
                writer: &mut W,
            ) -> Result<(), EncodeError> {
                if writer.version() < self.kind.since() {
                    return Err(EncodeError::NotInVersion {
                        structure: self.kind.wire_name(),
                        version: writer.version(),
                    });
                }
                $(
                    if structures!(@carried writer $(, $versions)?)
                        $( && self.kind == MessageKind::$only )?
                    {
                        writer.field($name);
                        structures!(@write writer, self.$field, $kind);
                    }
                )*
                Ok(())
            }
        }

        /// How many fields a message has.
        const FIELDS: usize = [$( Slot::$slot ),*].len();
    };
}

message_fields! {
    /// The producer that sent it here; a bridge puts its own.
    producer_id ProducerId "producerId": cached(ProducerId);
    /// Where it was sent.
    destination Destination "destination": cached(Destination);
    /// The transaction that it is part of, while that is open.
    transaction_id TransactionId "transactionId": cached(TransactionId);
    /// Where it was sent first, when a broker has moved it (dead letters, virtual topics).
    original_destination OriginalDestination "originalDestination": cached(Destination);
    /// Its identity, kept across brokers.
    message_id MessageId "messageId": nested(MessageId);
    /// The transaction in which it was sent first, when a bridge has resent it.
    original_transaction_id OriginalTransactionId "originalTransactionId": cached(TransactionId);
    /// JMSXGroupID: messages of one group go to one consumer.
    group_id GroupId "groupID": string;
    /// JMSXGroupSeq: number within the group; -1 closes it.
    group_sequence GroupSequence "groupSequence": int;
    /// JMSCorrelationID.
    correlation_id CorrelationId "correlationId": string;
    /// JMSDeliveryMode: survives a restart of the broker.
    persistent Persistent "persistent": boolean;
    /// JMSExpiration: milliseconds since 1970; 0 for never.
    expiration Expiration "expiration": long;
    /// JMSPriority: 0 (lowest) to 9; 4 by default.
    priority Priority "priority": byte;
    /// JMSReplyTo.
    reply_to ReplyTo "replyTo": nested(Destination);
    /// JMSTimestamp: when the sender sent it, in milliseconds since 1970.
    timestamp Timestamp "timestamp": long;
    /// JMSType.
    jms_type JmsType "type": string;
    /// The content, in the form of its kind; see [`crate::body`].
    content Content "content": bytes;
    /// The properties; see [`crate::properties`].
    marshalled_properties MarshalledProperties "marshalledProperties": bytes;
    /// The command that an advisory tells of.
    data_structure DataStructure "dataStructure": nested(Any);
    /// The one consumer that may get it (advisories replayed to a new consumer).
    target_consumer_id TargetConsumerId "targetConsumerId": cached(ConsumerId);
    /// The content is deflated.
    compressed Compressed "compressed": boolean;
    /// How often it was delivered before without being acknowledged; JMSXDeliveryCount less one.
    redelivery_counter RedeliveryCounter "redeliveryCounter": int;
    /// The brokers that have forwarded it, in order; the one that holds it is not among them.
    broker_path BrokerPath "brokerPath": array(BrokerId);
    /// When a broker took it in, in milliseconds since 1970; mostly unused.
    arrival Arrival "arrival": long;
    /// JMSXUserID: who sent it, if the broker says so.
    user_id UserId "userID": string;
    /// Historical.
    recieved_by_df_bridge RecievedByDfBridge "recievedByDFBridge": boolean;
    /// A broker under pressure may drop it.
    droppable Droppable "droppable": boolean @ 2..;
    /// Brokers of a cluster that share it; internal to brokers.
    cluster Cluster "cluster": array(BrokerId) @ 3..;
    /// When the broker received it, in milliseconds since 1970; 0 if not stamped.
    broker_in_time BrokerInTime "brokerInTime": long @ 3..;
    /// When the broker dispatched it, in milliseconds since 1970; 0 if not stamped.
    broker_out_time BrokerOutTime "brokerOutTime": long @ 3..;
    /// It is the first of its group for this consumer.
    jmsx_group_first_for_consumer JmsxGroupFirstForConsumer "JMSXGroupFirstForConsumer":
        boolean @ 10..;
    /// Where the content of a blob message is.
    remote_blob_url RemoteBlobUrl "remoteBlobUrl": string, if Blob;
    /// Media type of that content.
    mime_type MimeType "mimeType": string, if Blob;
    /// The broker deletes that content with the message.
    deleted_by_broker DeletedByBroker "deletedByBroker": boolean, if Blob;
}

/// Where the fields of a message's body start, and, last, where they end. A field that the version
/// or the kind does not have is empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    starts: [u32; FIELDS + 1],
}

impl Default for Layout {
    fn default() -> Self {
        Self { starts: [0; FIELDS + 1] }
    }
}

impl Layout {
    /// Extent of a field in the body.
    #[inline]
    pub(super) fn range(&self, slot: Slot) -> std::ops::Range<usize> {
        let start = |index: usize| self.starts.get(index).map_or(0, |&start| start as usize);
        start(slot as usize)..start(slot as usize + 1)
    }

    /// Notes where a field starts.
    pub(super) fn set_start(&mut self, slot: Slot, start: usize) {
        if let Some(place) = self.starts.get_mut(slot as usize) {
            *place = start as u32;
        }
    }

    /// Notes that a field starts at `start`, and that those after it, and the end, follow it as
    /// they do in another layout.
    pub(super) fn set_starts(&mut self, like: &Layout, slot: Slot, start: usize) {
        let from = slot as usize..;
        let moved = (start as u32).wrapping_sub(like.range(slot).start as u32);
        let places = self.starts.get_mut(from.clone()).unwrap_or_default();
        for (place, start) in places.iter_mut().zip(like.starts.get(from).unwrap_or_default()) {
            *place = start.wrapping_add(moved);
        }
    }
}

fn check_kind(kind: MessageKind, version: u8) -> Result<(), DecodeError> {
    if version < kind.since() {
        return Err(DecodeError::UnknownType { type_id: kind.type_id(), version });
    }
    Ok(())
}
