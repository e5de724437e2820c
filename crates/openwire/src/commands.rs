//! Every command of OpenWire, as field lists.
//!
//! A frame holds the fields of a list in its order, after the two that every command starts with:
//!
//! ```text
//! MessageDispatch, loosely:
//!
//! size type commandId responseRequired consumerId   destination message      redeliveryCounter
//! i32  15   i32       u8               nested (7A)  nested (64) nested (1C)  i32
//!
//! boolean    u8                       byte, int   i8, i32          long       i64
//! string     u8 present, u16 length, modified UTF-8                magic      8 bytes
//! bytes      u8 present, i32 length, bytes
//! nested     u8 present, u8 type, the fields of that type
//! cached     the same, or, with the cache on: u8 new, i16 index, and if new the nested form
//! array      u8 present, i16 count, that many nested
//! throwable  u8 present, string class, string message, and, if stack traces were agreed on:
//!            i16 count, lines (string class, method, file, i32 line), throwable cause
//! ```
//!
//! In the tight encoding every boolean and every `present` is a bit of the boolean stream in front,
//! a string has a second bit (it is ASCII), a long has two (its length: 0, 2, 4 or 8 bytes), and a
//! nested message or wire format info one that is always 0.
//!
//! Names are ActiveMQ's, in Rust's spelling. `@` gives the versions that carry a field: in others
//! it keeps its default when a frame is decoded, and is not written. Strings, arrays and structures
//! may be null on the wire, and so may the elements of arrays; all of these are optional here.

use crate::destination::Destination;
use crate::ids::{
    BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, SessionId, TransactionId,
};
use crate::structure::structures;

/// The constant at the head of every `WireFormatInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Magic(pub [u8; 8]);

impl Default for Magic {
    fn default() -> Self {
        Self(*b"ActiveMQ")
    }
}

structures! {
    /// What a broker says about itself, once, right after negotiation. From a peer with
    /// `network_connection` it announces a bridge.
    BrokerInfo "BrokerInfo" = 2 base {
        /// Who it is; a new one each time that it starts.
        broker_id "brokerId": cached(BrokerId),
        /// Where it can be dialled, for example `tcp://london:61616`; absent or empty if it does
        /// not say.
        broker_url "brokerURL": string,
        /// Brokers that it is linked to; usually absent.
        peer_broker_infos "peerBrokerInfos": array(BrokerInfo),
        /// Its configured name.
        broker_name "brokerName": string,
        /// It is a standby (historical).
        slave_broker "slaveBroker": boolean,
        /// It has a standby (historical).
        master_broker "masterBroker": boolean,
        /// Another broker takes over its messages when it fails; clients then hold sends back
        /// instead of failing them.
        fault_tolerant_configuration "faultTolerantConfiguration": boolean,
        /// With `network_connection`: the receiver must build the reverse bridge on this
        /// connection.
        duplex_connection "duplexConnection": boolean @ 2..,
        /// The sender is a bridge. Anybody else leaves it false.
        network_connection "networkConnection": boolean @ 2..,
        /// Number of the connection on the broker that says this; 0 if it does not.
        connection_id "connectionId": long @ 2..,
        /// Where clients may put the contents of blob messages.
        broker_upload_url "brokerUploadUrl": string @ 3..,
        /// With `network_connection`: the bridge's options, as the text of Java properties.
        network_properties "networkProperties": string @ 3..,
    }

    /// The durable subscriptions that a broker has, for a bridge to reconcile (version 12).
    BrokerSubscriptionInfo "BrokerSubscriptionInfo" = 92 @ 12 base {
        /// Whose subscriptions these are.
        broker_id "brokerId": nested(BrokerId),
        /// Its configured name.
        broker_name "brokerName": string,
        /// The durable subscriptions, as the consumers that they would be.
        subscription_infos "subscriptionInfos": array(ConsumerInfo),
    }

    /// A broker's word to its client about the connection and the cluster.
    ConnectionControl "ConnectionControl" = 18 base {
        /// The connection must be closed.
        close "close": boolean,
        /// The client must exit (unused).
        exit "exit": boolean,
        /// The broker is fault tolerant; see [`BrokerInfo`].
        fault_tolerant "faultTolerant": boolean,
        /// The client may send again (unused).
        resume "resume": boolean,
        /// The client must stop sending (unused).
        suspend "suspend": boolean,
        /// Addresses of the cluster's brokers, separated by commas; empty rather than absent.
        connected_brokers "connectedBrokers": string @ 6..,
        /// Address that the client should use instead; empty for none.
        reconnect_to "reconnectTo": string @ 6..,
        /// The client should choose among the `connected_brokers` anew.
        rebalance_connection "rebalanceConnection": boolean @ 6..,
        /// Opaque to clients.
        token "token": bytes @ 8..,
    }

    /// The failure of a command that asked for no response.
    ConnectionError "ConnectionError" = 16 base {
        /// What failed.
        exception "exception": throwable,
        /// The connection that it concerns; absent for the one that it comes by.
        connection_id "connectionId": nested(ConnectionId),
    }

    /// Opens a connection: who the client is and how it authenticates.
    ConnectionInfo "ConnectionInfo" = 3 base {
        /// The client's choice; identifiers of its sessions and all else start with it.
        connection_id "connectionId": cached(ConnectionId),
        /// Identity of the client, unique on the broker; durable subscriptions belong to it. Must
        /// be present.
        client_id "clientId": string,
        /// Secret of `user_name`.
        password "password": string,
        /// Who connects, if the broker asks.
        user_name "userName": string,
        /// Brokers that have forwarded this, in connection advisories.
        broker_path "brokerPath": array(BrokerId),
        /// It is a standby broker that connects (historical).
        broker_master_connector "brokerMasterConnector": boolean,
        /// The client understands [`ConnectionControl`] and wants to get it.
        manageable "manageable": boolean,
        /// The client leads, the broker follows: true for all real clients, and to be taken as true
        /// from version 1, which does not carry it.
        client_master "clientMaster": boolean @ 2..,
        /// The client fails over, so that it may be asked to reconnect.
        fault_tolerant "faultTolerant": boolean @ 6..,
        /// The client was connected before, and takes up what it had.
        failover_reconnect "failoverReconnect": boolean @ 6..,
        /// Where it comes from, as the broker sees it; clients leave it out.
        client_ip "clientIp": string @ 8..,
    }

    /// Changes a live consumer: its prefetch, or its end.
    ConsumerControl "ConsumerControl" = 17 base {
        /// What the consumer reads; a broker that is told a new prefetch needs it.
        destination "destination": nested(Destination) @ 6..,
        /// The broker ends the consumer.
        close "close": boolean,
        /// Which consumer.
        consumer_id "consumerId": nested(ConsumerId),
        /// The new prefetch window, in messages.
        prefetch "prefetch": int,
        /// The client must drop what it has not yet given to the application (historical).
        flush "flush": boolean @ 2..,
        /// The consumer starts (historical).
        start "start": boolean @ 2..,
        /// The consumer stops (historical).
        stop "stop": boolean @ 2..,
    }

    /// A consumer, as its client (or a bridge) describes it.
    ConsumerInfo "ConsumerInfo" = 5 base {
        /// The client's choice.
        consumer_id "consumerId": cached(ConsumerId),
        /// It looks at a queue's messages without taking them; an empty dispatch ends what there
        /// is.
        browser "browser": boolean,
        /// What it reads; a name may be composite or a pattern.
        destination "destination": cached(Destination),
        /// How many messages may be on their way to it and not yet acknowledged. 0: none unasked,
        /// it sends [`MessagePull`].
        prefetch_size "prefetchSize": int,
        /// How many messages of a topic may wait for it when it is slow; 0 is no wish, -1 no limit.
        maximum_pending_message_limit "maximumPendingMessageLimit": int,
        /// A slow consumer must not delay others.
        dispatch_async "dispatchAsync": boolean,
        /// An SQL-92 condition on headers and properties.
        selector "selector": string,
        /// The connection's client identifier, for information.
        client_id "clientId": string @ 10..,
        /// Name of a durable subscription to a topic; absent for all other consumers.
        subscription_name "subscriptionName": string,
        /// Messages from its own connection do not reach it.
        no_local "noLocal": boolean,
        /// It alone gets a queue's messages while it lives.
        exclusive "exclusive": boolean,
        /// It wants a topic's recent messages, too.
        retroactive "retroactive": boolean,
        /// -128 to 127; higher ones are served first. 0 by default, and negative for bridges.
        priority "priority": byte,
        /// Brokers that this demand has passed, nearest last.
        broker_path "brokerPath": array(BrokerId),
        /// A bridge's rule on what may cross.
        additional_predicate "additionalPredicate": nested(NetworkBridgeFilter),
        /// It is a bridge's.
        network_subscription "networkSubscription": boolean,
        /// It acknowledges in batches, for information.
        optimized_acknowledge "optimizedAcknowledge": boolean,
        /// It never acknowledges ranges, for information.
        no_range_acks "noRangeAcks": boolean,
        /// The consumers beyond the bridge that it stands for.
        network_consumer_path "networkConsumerPath": array(ConsumerId) @ 4..,
    }

    /// A free-form control command; brokers accept and answer it.
    ControlCommand "ControlCommand" = 14 base {
        /// What to do, for example `shutdown`; not followed.
        command "command": string,
    }

    /// A response that carries a list of structures.
    DataArrayResponse "DataArrayResponse" = 33 base {
        /// `command_id` of the command that this answers.
        correlation_id "correlationId": int,
        /// The structures.
        data "data": array(Any),
    }

    /// A response that carries a structure.
    DataResponse "DataResponse" = 32 base {
        /// `command_id` of the command that this answers.
        correlation_id "correlationId": int,
        /// The structure.
        data "data": nested(Any),
    }

    /// Adds or removes a destination; the payload of destination advisories.
    DestinationInfo "DestinationInfo" = 8 base {
        /// Whose temporary destination it is.
        connection_id "connectionId": cached(ConnectionId),
        /// Which destination.
        destination "destination": cached(Destination),
        /// 0 adds it, 1 removes it.
        operation_type "operationType": byte,
        /// Milliseconds to wait for its consumers to leave before it is removed; 0 for not at all.
        timeout "timeout": long,
        /// Brokers that this has passed, in advisories.
        broker_path "brokerPath": array(BrokerId),
    }

    /// A discovered service (discovery transports only).
    DiscoveryEvent "DiscoveryEvent" = 40 {
        /// Address of the service.
        service_name "serviceName": string,
        /// Name of the broker there.
        broker_name "brokerName": string,
    }

    /// A response that says why a command failed.
    ExceptionResponse "ExceptionResponse" = 31 base {
        /// `command_id` of the command that failed.
        correlation_id "correlationId": int,
        /// Why.
        exception "exception": throwable,
    }

    /// Asks for a flush; brokers accept and answer it.
    FlushCommand "FlushCommand" = 15 base {
    }

    /// A response that carries a number (the vote of an XA prepare).
    IntegerResponse "IntegerResponse" = 34 base {
        /// `command_id` of the command that this answers.
        correlation_id "correlationId": int,
        /// The number: 0 for XA_OK, 3 for XA_RDONLY.
        result "result": int,
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalQueueAck "JournalQueueAck" = 52 {
        /// The queue.
        destination "destination": nested(Destination),
        /// What was acknowledged.
        message_ack "messageAck": nested(MessageAck),
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalTopicAck "JournalTopicAck" = 50 {
        /// The topic.
        destination "destination": nested(Destination),
        /// What was acknowledged.
        message_id "messageId": nested(MessageId),
        /// Its place in the journal.
        message_sequence_id "messageSequenceId": long,
        /// The durable subscription (ActiveMQ's spelling).
        subscription_name "subscritionName": string,
        /// The client that it belongs to.
        client_id "clientId": string,
        /// The transaction in which this happened.
        transaction_id "transactionId": nested(TransactionId),
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalTrace "JournalTrace" = 53 {
        /// A remark.
        message "message": string,
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalTransaction "JournalTransaction" = 54 {
        /// The transaction.
        transaction_id "transactionId": nested(TransactionId),
        /// What became of it.
        kind "type": byte,
        /// It had been prepared before.
        was_prepared "wasPrepared": boolean,
    }

    /// Says that the sender lives; answered by another one if it asks so.
    KeepAliveInfo "KeepAliveInfo" = 10 base {
    }

    /// The last part of a command split over datagrams.
    LastPartialCommand "LastPartialCommand" = 61 {
        /// Number of the command that it is a part of.
        command_id "commandId": int,
        /// The bytes.
        data "data": bytes,
    }

    /// A consumer's word on the messages dispatched to it.
    MessageAck "MessageAck" = 22 base {
        /// Where the messages were dispatched from.
        destination "destination": cached(Destination),
        /// The transaction that this is part of.
        transaction_id "transactionId": cached(TransactionId),
        /// Whose word it is.
        consumer_id "consumerId": cached(ConsumerId),
        /// 0 delivered, 1 poison, 2 standard, 3 redelivered, 4 individual, 5 unmatched, 6 expired.
        ack_type "ackType": byte,
        /// First of the range, in the order of dispatch; absent for the oldest.
        first_message_id "firstMessageId": nested(MessageId),
        /// Last of the range, or the only message.
        last_message_id "lastMessageId": nested(MessageId),
        /// How many messages the range has.
        message_count "messageCount": int,
        /// Why the messages are poison.
        poison_cause "poisonCause": throwable @ 7..,
    }

    /// A message on its way to a consumer. Without a message: the end of a browse or of a pull.
    MessageDispatch "MessageDispatch" = 21 base {
        /// Whom it goes to.
        consumer_id "consumerId": cached(ConsumerId),
        /// Where it comes from: never a pattern. Absent if there is no message.
        destination "destination": cached(Destination),
        /// The message; absent at the end of a browse and of a pull in vain.
        message "message": nested(Message),
        /// How often it was delivered before; counts instead of the message's own.
        redelivery_counter "redeliveryCounter": int,
    }

    /// A dispatch told to a standby broker (historical).
    MessageDispatchNotification "MessageDispatchNotification" = 90 base {
        /// Whom it went to.
        consumer_id "consumerId": cached(ConsumerId),
        /// Where it came from.
        destination "destination": cached(Destination),
        /// Its place among the consumer's deliveries.
        delivery_sequence_id "deliverySequenceId": long,
        /// Which message.
        message_id "messageId": nested(MessageId),
    }

    /// Asks for one message on behalf of a consumer without a prefetch window (since version 2).
    MessagePull "MessagePull" = 20 @ 2 base {
        /// Who asks.
        consumer_id "consumerId": cached(ConsumerId),
        /// What it reads.
        destination "destination": cached(Destination),
        /// Milliseconds to wait for a message: 0 for ever, -1 not at all.
        timeout "timeout": long,
        /// Ask only for a message with this JMSCorrelationID.
        correlation_id "correlationId": string @ 3..,
        /// Ask only for this message.
        message_id "messageId": nested(MessageId) @ 3..,
    }

    /// The predicate of a demand subscription: which messages may cross the bridge. Before version
    /// 10 one number stands for both hop limits.
    NetworkBridgeFilter "NetworkBridgeFilter" = 91 {
        /// How many brokers a message, and a demand, may pass.
        network_ttl "networkTTL": int @ 1..=9,
        /// The broker beyond: what has passed it does not go back.
        network_broker_id "networkBrokerId": cached(BrokerId),
        /// How many brokers a message may pass; -1 for any number.
        message_ttl "messageTTL": int @ 10..,
        /// How many brokers a demand may pass; -1 for any number.
        consumer_ttl "consumerTTL": int @ 10..,
    }

    /// A part of a command split over datagrams.
    PartialCommand "PartialCommand" = 60 {
        /// Number of the command that it is a part of.
        command_id "commandId": int,
        /// The bytes.
        data "data": bytes,
    }

    /// Gives a producer with a window its credit back (since version 3).
    ProducerAck "ProducerAck" = 19 @ 3 base {
        /// Which producer.
        producer_id "producerId": nested(ProducerId),
        /// Bytes of its window that are free again: the sizes of its messages, as `Message::size`
        /// counts.
        size "size": int,
    }

    /// A producer; without a destination it may send to any.
    ProducerInfo "ProducerInfo" = 6 base {
        /// The client's choice.
        producer_id "producerId": cached(ProducerId),
        /// Where it sends; absent if each message says so.
        destination "destination": cached(Destination),
        /// Brokers that this has passed, in advisories.
        broker_path "brokerPath": array(BrokerId),
        /// Consumers may be served behind its back, for information.
        dispatch_async "dispatchAsync": boolean @ 2..,
        /// Bytes that it sends without waiting for [`ProducerAck`]; 0 for no bound.
        window_size "windowSize": int @ 3..,
    }

    /// Removes a connection, session, producer or consumer.
    RemoveInfo "RemoveInfo" = 12 base {
        /// A connection's, session's, consumer's or producer's identifier.
        object_id "objectId": cached(Any),
        /// Of a consumer: the broker's number of the last message that the application was given;
        /// -1 none, -2 unknown (which is also what holds for versions before 5).
        last_delivered_sequence_id "lastDeliveredSequenceId": long @ 5..,
    }

    /// Unsubscribes a durable subscription.
    RemoveSubscriptionInfo "RemoveSubscriptionInfo" = 9 base {
        /// Who asks.
        connection_id "connectionId": cached(ConnectionId),
        /// The subscription's name (from version 6 on in ActiveMQ's spelling).
        subscription_name "subscriptionName" | 6 "subcriptionName": string,
        /// The client that it belongs to.
        client_id "clientId": string,
    }

    /// Asks for lost datagrams again.
    ReplayCommand "ReplayCommand" = 65 base {
        /// First command that is missing.
        first_nak_number "firstNakNumber": int,
        /// Last command that is missing.
        last_nak_number "lastNakNumber": int,
    }

    /// A plain response: done.
    Response "Response" = 30 base {
        /// `command_id` of the command that this answers.
        correlation_id "correlationId": int,
    }

    /// A session of a connection.
    SessionInfo "SessionInfo" = 4 base {
        /// The client's choice; the connection is part of it.
        session_id "sessionId": cached(SessionId),
    }

    /// The sender is leaving.
    ShutdownInfo "ShutdownInfo" = 11 base {
    }

    /// A store's record of a durable subscription.
    SubscriptionInfo "SubscriptionInfo" = 55 {
        /// The client that it belongs to.
        client_id "clientId": string,
        /// The topic that it reads, or the queue that it fills.
        destination "destination": cached(Destination),
        /// An SQL-92 condition on headers and properties.
        selector "selector": string,
        /// Its name (from version 6 on in ActiveMQ's spelling).
        subscription_name "subscriptionName" | 6 "subcriptionName": string,
        /// What was subscribed to, where `destination` is only one of several.
        subscribed_destination "subscribedDestination": nested(Destination) @ 3..,
        /// Messages from its own connection do not reach it.
        no_local "noLocal": boolean @ 11..,
    }

    /// A step of a transaction.
    TransactionInfo "TransactionInfo" = 7 base {
        /// Who asks.
        connection_id "connectionId": cached(ConnectionId),
        /// Which transaction; absent where all prepared ones are asked for.
        transaction_id "transactionId": cached(TransactionId),
        /// 0 begin, 1 prepare, 2 commit in one phase, 3 commit in two phases, 4 roll back, 5
        /// recover, 6 forget, 7 end.
        kind "type": byte,
    }

    /// What a peer can speak: the first frame each way, in one layout for every version.
    WireFormatInfo "WireFormatInfo" = 1 {
        /// `ActiveMQ`; from anybody else, whatever they say first.
        magic "magic": magic,
        /// The newest version that the peer speaks.
        version "version": int,
        /// What it can do and wants; see [`crate::negotiate`].
        marshalled_properties "marshalledProperties": bytes,
    }

}
