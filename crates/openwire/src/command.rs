//! One decoded unit of OpenWire.

use std::sync::Arc;

use crate::commands::*;
use crate::destination::Destination;
use crate::ids::*;
use crate::message::Message;

/// One OpenWire unit, decoded: a command of a connection, or (inside other structures) an
/// identifier or an address. ActiveMQ calls it `DataStructure`.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A message of any kind (types 23 to 29).
    Message(Arc<Message>),
    /// See [`BrokerInfo`].
    BrokerInfo(Box<BrokerInfo>),
    /// See [`BrokerSubscriptionInfo`].
    BrokerSubscriptionInfo(Box<BrokerSubscriptionInfo>),
    /// See [`ConnectionControl`].
    ConnectionControl(Box<ConnectionControl>),
    /// See [`ConnectionError`].
    ConnectionError(ConnectionError),
    /// See [`ConnectionInfo`].
    ConnectionInfo(Box<ConnectionInfo>),
    /// See [`ConsumerControl`].
    ConsumerControl(ConsumerControl),
    /// See [`ConsumerInfo`].
    ConsumerInfo(Box<ConsumerInfo>),
    /// See [`ControlCommand`].
    ControlCommand(ControlCommand),
    /// See [`DataArrayResponse`].
    DataArrayResponse(DataArrayResponse),
    /// See [`DataResponse`].
    DataResponse(DataResponse),
    /// See [`DestinationInfo`].
    DestinationInfo(DestinationInfo),
    /// See [`DiscoveryEvent`].
    DiscoveryEvent(DiscoveryEvent),
    /// See [`ExceptionResponse`].
    ExceptionResponse(ExceptionResponse),
    /// See [`FlushCommand`].
    FlushCommand(FlushCommand),
    /// See [`IntegerResponse`].
    IntegerResponse(IntegerResponse),
    /// See [`JournalQueueAck`].
    JournalQueueAck(JournalQueueAck),
    /// See [`JournalTopicAck`].
    JournalTopicAck(JournalTopicAck),
    /// See [`JournalTrace`].
    JournalTrace(JournalTrace),
    /// See [`JournalTransaction`].
    JournalTransaction(JournalTransaction),
    /// See [`KeepAliveInfo`].
    KeepAliveInfo(KeepAliveInfo),
    /// See [`LastPartialCommand`].
    LastPartialCommand(LastPartialCommand),
    /// See [`MessageAck`].
    MessageAck(MessageAck),
    /// See [`MessageDispatch`].
    MessageDispatch(MessageDispatch),
    /// See [`MessageDispatchNotification`].
    MessageDispatchNotification(MessageDispatchNotification),
    /// See [`MessagePull`].
    MessagePull(MessagePull),
    /// See [`NetworkBridgeFilter`].
    NetworkBridgeFilter(NetworkBridgeFilter),
    /// See [`PartialCommand`].
    PartialCommand(PartialCommand),
    /// See [`ProducerAck`].
    ProducerAck(ProducerAck),
    /// See [`ProducerInfo`].
    ProducerInfo(ProducerInfo),
    /// See [`RemoveInfo`].
    RemoveInfo(RemoveInfo),
    /// See [`RemoveSubscriptionInfo`].
    RemoveSubscriptionInfo(RemoveSubscriptionInfo),
    /// See [`ReplayCommand`].
    ReplayCommand(ReplayCommand),
    /// See [`Response`].
    Response(Response),
    /// See [`SessionInfo`].
    SessionInfo(SessionInfo),
    /// See [`ShutdownInfo`].
    ShutdownInfo(ShutdownInfo),
    /// See [`SubscriptionInfo`].
    SubscriptionInfo(SubscriptionInfo),
    /// See [`TransactionInfo`].
    TransactionInfo(TransactionInfo),
    /// See [`WireFormatInfo`].
    WireFormatInfo(WireFormatInfo),
    /// See [`Destination`].
    Destination(Destination),
    /// See [`BrokerId`].
    BrokerId(BrokerId),
    /// See [`ConnectionId`].
    ConnectionId(ConnectionId),
    /// See [`SessionId`].
    SessionId(SessionId),
    /// See [`ConsumerId`].
    ConsumerId(ConsumerId),
    /// See [`ProducerId`].
    ProducerId(ProducerId),
    /// See [`MessageId`].
    MessageId(MessageId),
    /// See [`LocalTransactionId`].
    LocalTransactionId(LocalTransactionId),
    /// See [`XaTransactionId`].
    XaTransactionId(XaTransactionId),
}
