//! Headers under their names.

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{
    BrokerId, ConnectionId, LocalTransactionId, MessageId, ProducerId, SessionId, TransactionId,
    XaTransactionId,
};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::properties::{Properties, Value};

use super::make::check;
use crate::selector::parsed::Selector;
use crate::selector::truth::Truth;

fn fields() -> MessageFields {
    let connection = ConnectionId::new("ID:host-1:1");
    let producer = ProducerId::new(&SessionId::new(&connection, 2), 3);
    MessageFields {
        message_id: Some(MessageId::new(producer, 4)),
        destination: Some(Destination::queue("orders")),
        reply_to: Some(Destination::topic("answers")),
        jms_type: Some("invoice".into()),
        correlation_id: Some("c-1".into()),
        timestamp: 1_700_000_000_000,
        expiration: 1_700_000_060_000,
        priority: 7,
        persistent: true,
        group_id: Some("g".into()),
        group_sequence: 2,
        jmsx_group_first_for_consumer: true,
        user_id: Some("alice".into()),
        transaction_id: Some(TransactionId::Local(LocalTransactionId {
            value: 9,
            connection_id: Some(connection),
        })),
        broker_path: Some(vec![Some(BrokerId::new("one")), Some(BrokerId::new("two"))]),
        broker_in_time: 11,
        broker_out_time: 12,
        ..MessageFields::default()
    }
}

fn message(fields: &MessageFields) -> Message {
    Message::from_fields(fields).expect("a valid message")
}

#[test]
fn every_header_has_its_name_and_type() {
    check(
        &message(&fields()),
        &[
            ("JMSDestination = 'queue://orders'", 'T'),
            ("JMSReplyTo = 'topic://answers'", 'T'),
            ("JMSType = 'invoice'", 'T'),
            ("JMSMessageID = 'ID:host-1:1:2:3:4'", 'T'),
            ("JMSCorrelationID = 'c-1'", 'T'),
            ("JMSTimestamp = 1700000000000", 'T'),
            ("JMSExpiration - JMSTimestamp = 60000", 'T'),
            ("JMSPriority = 7 AND JMSPriority > 6.5", 'T'),
            ("JMSDeliveryMode = 'PERSISTENT'", 'T'),
            ("JMSDeliveryMode = 2", 'F'),
            ("JMSRedelivered = FALSE", 'T'),
            ("JMSXDeliveryCount = 1", 'T'),
            ("JMSXGroupID = 'g'", 'T'),
            ("JMSXGroupSeq = 2", 'T'),
            ("JMSXGroupFirstForConsumer", 'T'),
            ("JMSXUserID = 'alice'", 'T'),
            ("JMSXProducerTXID = 'TX:ID:host-1:1:9'", 'T'),
            ("JMSActiveMQBrokerInTime = 11", 'T'),
            ("JMSActiveMQBrokerOutTime = 12", 'T'),
            ("JMSActiveMQBrokerPath = '[one, two]'", 'T'),
            // Names have a case.
            ("jmspriority IS NULL", 'T'),
        ],
    );
}

#[test]
fn absent_headers_are_null_and_numbers_are_zero() {
    check(
        &message(&MessageFields::default()),
        &[
            ("JMSDestination IS NULL AND JMSReplyTo IS NULL AND JMSType IS NULL", 'T'),
            ("JMSMessageID IS NULL AND JMSCorrelationID IS NULL AND JMSXGroupID IS NULL", 'T'),
            ("JMSXUserID IS NULL AND JMSXProducerTXID IS NULL", 'T'),
            ("JMSExpiration = 0 AND JMSXGroupSeq = 0", 'T'),
            ("JMSDeliveryMode = 'NON_PERSISTENT'", 'T'),
            // ActiveMQ has the text 'null' here.
            ("JMSActiveMQBrokerPath IS NULL", 'T'),
        ],
    );
}

#[test]
fn a_header_hides_a_property_of_its_name_but_for_the_user() {
    let properties: Properties =
        [("JMSPriority", Value::Int(1)), ("JMSXUserID", "bob".into())].into_iter().collect();
    let mut fields = MessageFields { marshalled_properties: Some(properties.encode()), ..fields() };
    check(&message(&fields), &[("JMSPriority = 7 AND JMSXUserID = 'alice'", 'T')]);
    fields.user_id = None;
    check(&message(&fields), &[("JMSXUserID = 'bob'", 'T')]);
}

#[test]
fn redelivery_is_what_the_queue_says() {
    let selector: Selector = "JMSRedelivered AND JMSXDeliveryCount = 3".parse().unwrap();
    let message = message(&fields());
    assert_eq!(selector.evaluate(&message, 0), Truth::False);
    assert_eq!(selector.evaluate(&message, 2), Truth::True);
    let most: Selector = "JMSXDeliveryCount = 2147483648".parse().unwrap();
    assert_eq!(most.evaluate(&message, i32::MAX), Truth::True);
}

#[test]
fn what_a_broker_has_moved_or_resent_is_known_by_its_origin() {
    let moved = MessageFields {
        original_destination: Some(Destination::topic("VirtualTopic.orders")),
        original_transaction_id: Some(TransactionId::Xa(XaTransactionId {
            format_id: 7,
            global_transaction_id: Some(bytes::Bytes::from_static(&[0x01, 0xAB])),
            branch_qualifier: Some(bytes::Bytes::from_static(&[0x10])),
        })),
        ..fields()
    };
    check(
        &message(&moved),
        &[
            ("JMSDestination = 'topic://VirtualTopic.orders'", 'T'),
            ("JMSXProducerTXID = 'XID:[7,globalId=1ffffffab,branchId=10]'", 'T'),
        ],
    );
}
