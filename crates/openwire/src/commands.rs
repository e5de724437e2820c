//! Every command of OpenWire, as field lists.
//!
//! Names are ActiveMQ's, in Rust's spelling. A field that a version does not carry keeps its
//! default when such a frame is decoded, and is not written to such a peer.

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
        /// `brokerId`.
        broker_id "brokerId": cached(BrokerId),
        /// `brokerURL`.
        broker_url "brokerURL": string,
        /// `peerBrokerInfos`.
        peer_broker_infos "peerBrokerInfos": array(BrokerInfo),
        /// `brokerName`.
        broker_name "brokerName": string,
        /// `slaveBroker`.
        slave_broker "slaveBroker": boolean,
        /// `masterBroker`.
        master_broker "masterBroker": boolean,
        /// `faultTolerantConfiguration`.
        fault_tolerant_configuration "faultTolerantConfiguration": boolean,
        /// `duplexConnection`.
        duplex_connection "duplexConnection": boolean @ 2..,
        /// `networkConnection`.
        network_connection "networkConnection": boolean @ 2..,
        /// `connectionId`.
        connection_id "connectionId": long @ 2..,
        /// `brokerUploadUrl`.
        broker_upload_url "brokerUploadUrl": string @ 3..,
        /// `networkProperties`.
        network_properties "networkProperties": string @ 3..,
    }

    /// The durable subscriptions that a broker has, for a bridge to reconcile (version 12).
    BrokerSubscriptionInfo "BrokerSubscriptionInfo" = 92 @ 12 base {
        /// `brokerId`.
        broker_id "brokerId": nested(BrokerId),
        /// `brokerName`.
        broker_name "brokerName": string,
        /// `subscriptionInfos`.
        subscription_infos "subscriptionInfos": array(ConsumerInfo),
    }

    /// A broker's word to its client about the connection and the cluster.
    ConnectionControl "ConnectionControl" = 18 base {
        /// `close`.
        close "close": boolean,
        /// `exit`.
        exit "exit": boolean,
        /// `faultTolerant`.
        fault_tolerant "faultTolerant": boolean,
        /// `resume`.
        resume "resume": boolean,
        /// `suspend`.
        suspend "suspend": boolean,
        /// `connectedBrokers`.
        connected_brokers "connectedBrokers": string @ 6..,
        /// `reconnectTo`.
        reconnect_to "reconnectTo": string @ 6..,
        /// `rebalanceConnection`.
        rebalance_connection "rebalanceConnection": boolean @ 6..,
        /// `token`.
        token "token": bytes @ 8..,
    }

    /// The failure of a command that asked for no response.
    ConnectionError "ConnectionError" = 16 base {
        /// `exception`.
        exception "exception": throwable,
        /// `connectionId`.
        connection_id "connectionId": nested(ConnectionId),
    }

    /// Opens a connection: who the client is and how it authenticates.
    ConnectionInfo "ConnectionInfo" = 3 base {
        /// `connectionId`.
        connection_id "connectionId": cached(ConnectionId),
        /// `clientId`.
        client_id "clientId": string,
        /// `password`.
        password "password": string,
        /// `userName`.
        user_name "userName": string,
        /// `brokerPath`.
        broker_path "brokerPath": array(BrokerId),
        /// `brokerMasterConnector`.
        broker_master_connector "brokerMasterConnector": boolean,
        /// `manageable`.
        manageable "manageable": boolean,
        /// `clientMaster`.
        client_master "clientMaster": boolean @ 2..,
        /// `faultTolerant`.
        fault_tolerant "faultTolerant": boolean @ 6..,
        /// `failoverReconnect`.
        failover_reconnect "failoverReconnect": boolean @ 6..,
        /// `clientIp`.
        client_ip "clientIp": string @ 8..,
    }

    /// Changes a live consumer: its prefetch, or its end.
    ConsumerControl "ConsumerControl" = 17 base {
        /// `destination`.
        destination "destination": nested(Destination) @ 6..,
        /// `close`.
        close "close": boolean,
        /// `consumerId`.
        consumer_id "consumerId": nested(ConsumerId),
        /// `prefetch`.
        prefetch "prefetch": int,
        /// `flush`.
        flush "flush": boolean @ 2..,
        /// `start`.
        start "start": boolean @ 2..,
        /// `stop`.
        stop "stop": boolean @ 2..,
    }

    /// A consumer, as its client (or a bridge) describes it.
    ConsumerInfo "ConsumerInfo" = 5 base {
        /// `consumerId`.
        consumer_id "consumerId": cached(ConsumerId),
        /// `browser`.
        browser "browser": boolean,
        /// `destination`.
        destination "destination": cached(Destination),
        /// `prefetchSize`.
        prefetch_size "prefetchSize": int,
        /// `maximumPendingMessageLimit`.
        maximum_pending_message_limit "maximumPendingMessageLimit": int,
        /// `dispatchAsync`.
        dispatch_async "dispatchAsync": boolean,
        /// `selector`.
        selector "selector": string,
        /// `clientId`.
        client_id "clientId": string @ 10..,
        /// `subscriptionName`.
        subscription_name "subscriptionName": string,
        /// `noLocal`.
        no_local "noLocal": boolean,
        /// `exclusive`.
        exclusive "exclusive": boolean,
        /// `retroactive`.
        retroactive "retroactive": boolean,
        /// `priority`.
        priority "priority": byte,
        /// `brokerPath`.
        broker_path "brokerPath": array(BrokerId),
        /// `additionalPredicate`.
        additional_predicate "additionalPredicate": nested(NetworkBridgeFilter),
        /// `networkSubscription`.
        network_subscription "networkSubscription": boolean,
        /// `optimizedAcknowledge`.
        optimized_acknowledge "optimizedAcknowledge": boolean,
        /// `noRangeAcks`.
        no_range_acks "noRangeAcks": boolean,
        /// `networkConsumerPath`.
        network_consumer_path "networkConsumerPath": array(ConsumerId) @ 4..,
    }

    /// A free-form control command; brokers accept and answer it.
    ControlCommand "ControlCommand" = 14 base {
        /// `command`.
        command "command": string,
    }

    /// A response that carries a list of structures.
    DataArrayResponse "DataArrayResponse" = 33 base {
        /// `correlationId`.
        correlation_id "correlationId": int,
        /// `data`.
        data "data": array(Any),
    }

    /// A response that carries a structure.
    DataResponse "DataResponse" = 32 base {
        /// `correlationId`.
        correlation_id "correlationId": int,
        /// `data`.
        data "data": nested(Any),
    }

    /// Adds or removes a destination; the payload of destination advisories.
    DestinationInfo "DestinationInfo" = 8 base {
        /// `connectionId`.
        connection_id "connectionId": cached(ConnectionId),
        /// `destination`.
        destination "destination": cached(Destination),
        /// `operationType`.
        operation_type "operationType": byte,
        /// `timeout`.
        timeout "timeout": long,
        /// `brokerPath`.
        broker_path "brokerPath": array(BrokerId),
    }

    /// A discovered service (discovery transports only).
    DiscoveryEvent "DiscoveryEvent" = 40 {
        /// `serviceName`.
        service_name "serviceName": string,
        /// `brokerName`.
        broker_name "brokerName": string,
    }

    /// A response that says why a command failed.
    ExceptionResponse "ExceptionResponse" = 31 base {
        /// `correlationId`.
        correlation_id "correlationId": int,
        /// `exception`.
        exception "exception": throwable,
    }

    /// Asks for a flush; brokers accept and answer it.
    FlushCommand "FlushCommand" = 15 base {
    }

    /// A response that carries a number (the vote of an XA prepare).
    IntegerResponse "IntegerResponse" = 34 base {
        /// `correlationId`.
        correlation_id "correlationId": int,
        /// `result`.
        result "result": int,
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalQueueAck "JournalQueueAck" = 52 {
        /// `destination`.
        destination "destination": nested(Destination),
        /// `messageAck`.
        message_ack "messageAck": nested(MessageAck),
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalTopicAck "JournalTopicAck" = 50 {
        /// `destination`.
        destination "destination": nested(Destination),
        /// `messageId`.
        message_id "messageId": nested(MessageId),
        /// `messageSequenceId`.
        message_sequence_id "messageSequenceId": long,
        /// `subscritionName`.
        subscription_name "subscritionName": string,
        /// `clientId`.
        client_id "clientId": string,
        /// `transactionId`.
        transaction_id "transactionId": nested(TransactionId),
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalTrace "JournalTrace" = 53 {
        /// `message`.
        message "message": string,
    }

    /// A journal record of ActiveMQ; never valid on a connection.
    JournalTransaction "JournalTransaction" = 54 {
        /// `transactionId`.
        transaction_id "transactionId": nested(TransactionId),
        /// `type`.
        kind "type": byte,
        /// `wasPrepared`.
        was_prepared "wasPrepared": boolean,
    }

    /// Says that the sender lives; answered by another one if it asks so.
    KeepAliveInfo "KeepAliveInfo" = 10 base {
    }

    /// The last part of a command split over datagrams.
    LastPartialCommand "LastPartialCommand" = 61 {
        /// `commandId`.
        command_id "commandId": int,
        /// `data`.
        data "data": bytes,
    }

    /// A consumer's word on the messages dispatched to it.
    MessageAck "MessageAck" = 22 base {
        /// `destination`.
        destination "destination": cached(Destination),
        /// `transactionId`.
        transaction_id "transactionId": cached(TransactionId),
        /// `consumerId`.
        consumer_id "consumerId": cached(ConsumerId),
        /// `ackType`.
        ack_type "ackType": byte,
        /// `firstMessageId`.
        first_message_id "firstMessageId": nested(MessageId),
        /// `lastMessageId`.
        last_message_id "lastMessageId": nested(MessageId),
        /// `messageCount`.
        message_count "messageCount": int,
        /// `poisonCause`.
        poison_cause "poisonCause": throwable @ 7..,
    }

    /// A message on its way to a consumer. Without a message: the end of a browse or of a pull.
    MessageDispatch "MessageDispatch" = 21 base {
        /// `consumerId`.
        consumer_id "consumerId": cached(ConsumerId),
        /// `destination`.
        destination "destination": cached(Destination),
        /// `message`.
        message "message": nested(Message),
        /// `redeliveryCounter`.
        redelivery_counter "redeliveryCounter": int,
    }

    /// A dispatch told to a standby broker (historical).
    MessageDispatchNotification "MessageDispatchNotification" = 90 base {
        /// `consumerId`.
        consumer_id "consumerId": cached(ConsumerId),
        /// `destination`.
        destination "destination": cached(Destination),
        /// `deliverySequenceId`.
        delivery_sequence_id "deliverySequenceId": long,
        /// `messageId`.
        message_id "messageId": nested(MessageId),
    }

    /// Asks for one message on behalf of a consumer without a prefetch window (since version 2).
    MessagePull "MessagePull" = 20 @ 2 base {
        /// `consumerId`.
        consumer_id "consumerId": cached(ConsumerId),
        /// `destination`.
        destination "destination": cached(Destination),
        /// `timeout`.
        timeout "timeout": long,
        /// `correlationId`.
        correlation_id "correlationId": string @ 3..,
        /// `messageId`.
        message_id "messageId": nested(MessageId) @ 3..,
    }

    /// The predicate of a demand subscription: which messages may cross the bridge. Before version
    /// 10 one number stands for both hop limits.
    NetworkBridgeFilter "NetworkBridgeFilter" = 91 {
        /// `networkTTL`.
        network_ttl "networkTTL": int @ 1..=9,
        /// `networkBrokerId`.
        network_broker_id "networkBrokerId": cached(BrokerId),
        /// `messageTTL`.
        message_ttl "messageTTL": int @ 10..,
        /// `consumerTTL`.
        consumer_ttl "consumerTTL": int @ 10..,
    }

    /// A part of a command split over datagrams.
    PartialCommand "PartialCommand" = 60 {
        /// `commandId`.
        command_id "commandId": int,
        /// `data`.
        data "data": bytes,
    }

    /// Gives a producer with a window its credit back (since version 3).
    ProducerAck "ProducerAck" = 19 @ 3 base {
        /// `producerId`.
        producer_id "producerId": nested(ProducerId),
        /// `size`.
        size "size": int,
    }

    /// A producer; without a destination it may send to any.
    ProducerInfo "ProducerInfo" = 6 base {
        /// `producerId`.
        producer_id "producerId": cached(ProducerId),
        /// `destination`.
        destination "destination": cached(Destination),
        /// `brokerPath`.
        broker_path "brokerPath": array(BrokerId),
        /// `dispatchAsync`.
        dispatch_async "dispatchAsync": boolean @ 2..,
        /// `windowSize`.
        window_size "windowSize": int @ 3..,
    }

    /// Removes a connection, session, producer or consumer.
    RemoveInfo "RemoveInfo" = 12 base {
        /// `objectId`.
        object_id "objectId": cached(Any),
        /// `lastDeliveredSequenceId`.
        last_delivered_sequence_id "lastDeliveredSequenceId": long @ 5..,
    }

    /// Unsubscribes a durable subscription.
    RemoveSubscriptionInfo "RemoveSubscriptionInfo" = 9 base {
        /// `connectionId`.
        connection_id "connectionId": cached(ConnectionId),
        /// `subscriptionName`.
        subscription_name "subscriptionName" | 6 "subcriptionName": string,
        /// `clientId`.
        client_id "clientId": string,
    }

    /// Asks for lost datagrams again.
    ReplayCommand "ReplayCommand" = 65 base {
        /// `firstNakNumber`.
        first_nak_number "firstNakNumber": int,
        /// `lastNakNumber`.
        last_nak_number "lastNakNumber": int,
    }

    /// A plain response: done.
    Response "Response" = 30 base {
        /// `correlationId`.
        correlation_id "correlationId": int,
    }

    /// A session of a connection.
    SessionInfo "SessionInfo" = 4 base {
        /// `sessionId`.
        session_id "sessionId": cached(SessionId),
    }

    /// The sender is leaving.
    ShutdownInfo "ShutdownInfo" = 11 base {
    }

    /// A store's record of a durable subscription.
    SubscriptionInfo "SubscriptionInfo" = 55 {
        /// `clientId`.
        client_id "clientId": string,
        /// `destination`.
        destination "destination": cached(Destination),
        /// `selector`.
        selector "selector": string,
        /// `subscriptionName`.
        subscription_name "subscriptionName" | 6 "subcriptionName": string,
        /// `subscribedDestination`.
        subscribed_destination "subscribedDestination": nested(Destination) @ 3..,
        /// `noLocal`.
        no_local "noLocal": boolean @ 11..,
    }

    /// A step of a transaction.
    TransactionInfo "TransactionInfo" = 7 base {
        /// `connectionId`.
        connection_id "connectionId": cached(ConnectionId),
        /// `transactionId`.
        transaction_id "transactionId": cached(TransactionId),
        /// `type`.
        kind "type": byte,
    }

    /// What a peer can speak: the first frame each way, in one layout for every version.
    WireFormatInfo "WireFormatInfo" = 1 {
        /// `magic`.
        magic "magic": magic,
        /// `version`.
        version "version": int,
        /// `marshalledProperties`.
        marshalled_properties "marshalledProperties": bytes,
    }

}
