//! The headers of a message, under the names that JMS gives them.

use std::borrow::Cow;

use ferrymq_openwire::ids::TransactionId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::operand::Operand;

macro_rules! headers {
    ($($variant:ident $name:literal,)*) => {
        /// A header that a selector may name. It hides a property of the same name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Header {
            $($variant,)*
        }

        impl Header {
            /// The header of this name; names of headers have a case.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

// The names are those that ActiveMQ's selectors know.
headers! {
    Destination "JMSDestination",
    ReplyTo "JMSReplyTo",
    Type "JMSType",
    MessageId "JMSMessageID",
    CorrelationId "JMSCorrelationID",
    Timestamp "JMSTimestamp",
    Expiration "JMSExpiration",
    Priority "JMSPriority",
    DeliveryMode "JMSDeliveryMode",
    Redelivered "JMSRedelivered",
    DeliveryCount "JMSXDeliveryCount",
    GroupId "JMSXGroupID",
    GroupSeq "JMSXGroupSeq",
    GroupFirstForConsumer "JMSXGroupFirstForConsumer",
    UserId "JMSXUserID",
    ProducerTransaction "JMSXProducerTXID",
    BrokerInTime "JMSActiveMQBrokerInTime",
    BrokerOutTime "JMSActiveMQBrokerOutTime",
    BrokerPath "JMSActiveMQBrokerPath",
}

impl Header {
    /// Its value, of a message that was delivered `redeliveries` times before.
    pub(super) fn of(self, message: &Message, redeliveries: i32) -> Operand<'_> {
        match self {
            // A copy that a broker has made is asked for where it was sent first, as in ActiveMQ.
            Self::Destination => {
                shown(message.original_destination().or_else(|| message.destination()))
            }
            Self::ReplyTo => shown(message.reply_to()),
            Self::Type => text(message.jms_type()),
            Self::MessageId => shown(message.message_id()),
            Self::CorrelationId => text(message.correlation_id()),
            Self::Timestamp => Operand::Exact(message.timestamp()),
            Self::Expiration => Operand::Exact(message.expiration()),
            Self::Priority => Operand::Exact(message.priority().into()),
            Self::DeliveryMode => {
                let mode: &[u8] =
                    if message.persistent() { b"PERSISTENT" } else { b"NON_PERSISTENT" };
                Operand::Text(Cow::Borrowed(mode))
            }
            Self::Redelivered => Operand::Bool(redeliveries > 0),
            Self::DeliveryCount => Operand::Exact(i64::from(redeliveries) + 1),
            Self::GroupId => text(message.group_id()),
            Self::GroupSeq => Operand::Exact(message.group_sequence().into()),
            Self::GroupFirstForConsumer => Operand::Bool(message.group_first_for_consumer()),
            Self::UserId => text(message.user_id()),
            Self::ProducerTransaction => {
                let first = message.original_transaction_id();
                first.or_else(|| message.transaction_id()).map_or(Operand::Null, transaction)
            }
            Self::BrokerInTime => Operand::Exact(message.broker_in_time()),
            Self::BrokerOutTime => Operand::Exact(message.broker_out_time()),
            Self::BrokerPath => {
                let path = message.broker_path();
                let names: Vec<String> = path.iter().map(ToString::to_string).collect();
                // Absent where nobody forwarded it: ActiveMQ has the text "null" there.
                shown((!names.is_empty()).then(|| format!("[{}]", names.join(", "))))
            }
        }
    }
}

fn text(value: Option<Text>) -> Operand<'static> {
    value.map_or(Operand::Null, |text| Operand::Text(Cow::Owned(text.as_bytes().to_vec())))
}

fn shown(value: Option<impl ToString>) -> Operand<'static> {
    text(value.map(|value| Text::from(value.to_string())))
}

/// As ActiveMQ writes transactions.
fn transaction(id: TransactionId) -> Operand<'static> {
    let hex = |bytes: Option<&bytes::Bytes>| -> String {
        // Without leading zeros and with the sign of Java's bytes, which is how it writes them.
        let byte = |byte: &u8| format!("{:x}", i32::from(i8::from_be_bytes([*byte])));
        bytes.into_iter().flatten().map(byte).collect()
    };
    shown(Some(match id {
        TransactionId::Local(local) => {
            let connection = local.connection_id.unwrap_or_default();
            format!("TX:{connection}:{}", local.value)
        }
        TransactionId::Xa(xa) => format!(
            "XID:[{},globalId={},branchId={}]",
            xa.format_id,
            hex(xa.global_transaction_id.as_ref()),
            hex(xa.branch_qualifier.as_ref())
        ),
    }))
}
