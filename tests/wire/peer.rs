//! A peer that says what it is told to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConnectionInfo, ConsumerInfo, MessageAck, MessageDispatch, ProducerInfo, RemoveInfo,
    RemoveSubscriptionInfo, SessionInfo, TransactionInfo,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{
    ConnectionId, ConsumerId, LocalTransactionId, MessageId, ProducerId, SessionId, TransactionId,
};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_openwire::throwable::Throwable;
use ferrymq_transport::dial::Listener;
use ferrymq_transport::handshake::{connect, handshake};
use ferrymq_transport::link::{Link, Receiver};
use ferrymq_transport::outbox::Outbox;
use ferrymq_transport::tcp::Tcp;
use tokio::time::timeout;

use super::node::PATIENCE;

/// How long a peer listens to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

/// One peer.
pub struct Wire {
    pub outbox: Outbox,
    receiver: Receiver,
    pump: tokio::task::JoinHandle<()>,
    /// Received and not asked for yet.
    seen: VecDeque<Command>,
    next: i32,
    pub connection: ConnectionId,
}

impl Wire {
    /// Over a socket; `options` as in a URI.
    pub async fn dial(node: &Node, options: &str) -> Self {
        let port = node.listening()[0].port;
        let uri = format!("tcp://127.0.0.1:{port}{options}");
        let link = connect(&Tcp, &uri.parse().unwrap()).await.unwrap();
        Self::over(link)
    }

    /// Over the next socket that a broker dials; none: it dials nobody before `patience` is over.
    pub async fn accepted(listener: &mut dyn Listener, patience: Duration) -> Option<Self> {
        let stream = timeout(patience, listener.accept()).await.ok()?.unwrap();
        let link = handshake(stream, &WireFormatOptions::default(), PATIENCE).await.unwrap();
        Some(Self::over(link))
    }

    /// As [`opened`](Self::opened), at a broker of another process.
    pub async fn opened_at(url: &str, id: &str) -> Self {
        let link = connect(&Tcp, &url.parse().unwrap()).await.unwrap();
        let mut wire = Self::over(link);
        wire.open(id).await.unwrap();
        wire
    }

    /// Within the process.
    pub fn pipe(node: &Node) -> Self {
        Self::over(node.open_link("test"))
    }

    fn over(link: Link) -> Self {
        let Link { receiver, outbox, pump, .. } = link;
        let pump = tokio::spawn(async move {
            let _ = pump.run().await;
        });
        let connection = ConnectionId::new("");
        Self { outbox, receiver, pump, seen: VecDeque::new(), next: 0, connection }
    }

    /// Over a socket, opened under `id`, with session 1 and producer 1 of it (for any destination).
    pub async fn opened(node: &Node, id: &str) -> Self {
        let mut wire = Self::dial(node, "").await;
        wire.open(id).await.unwrap();
        wire
    }

    pub fn connection_info(id: &str) -> ConnectionInfo {
        ConnectionInfo {
            connection_id: Some(ConnectionId::new(id)),
            client_id: Some(id.into()),
            ..ConnectionInfo::default()
        }
    }

    pub async fn open(&mut self, id: &str) -> Result<(), Throwable> {
        self.open_as(Self::connection_info(id)).await
    }

    /// The same, for one that says more of itself.
    pub async fn open_as(&mut self, info: ConnectionInfo) -> Result<(), Throwable> {
        self.connection = info.connection_id.clone().unwrap_or_default();
        self.ask(Command::ConnectionInfo(Box::new(info))).await?;
        self.tell(Command::SessionInfo(SessionInfo {
            session_id: Some(self.session()),
            ..SessionInfo::default()
        }));
        let producer = ProducerInfo { producer_id: Some(self.producer()), ..Default::default() };
        self.ask(Command::ProducerInfo(Box::new(producer))).await
    }

    pub fn session(&self) -> SessionId {
        SessionId::new(&self.connection, 1)
    }

    pub fn producer(&self) -> ProducerId {
        ProducerId::new(&self.session(), 1)
    }

    pub fn consumer_id(&self, number: i64) -> ConsumerId {
        ConsumerId::new(&self.session(), number)
    }

    /// A description of a consumer, to be sent with [`ask`](Self::ask).
    pub fn consumer(&self, number: i64, address: &Destination, prefetch: i32) -> ConsumerInfo {
        ConsumerInfo {
            consumer_id: Some(self.consumer_id(number)),
            destination: Some(address.clone()),
            prefetch_size: prefetch,
            ..ConsumerInfo::default()
        }
    }

    pub async fn consume(&mut self, number: i64, address: &Destination, prefetch: i32) {
        let info = self.consumer(number, address, prefetch);
        self.ask(Command::ConsumerInfo(Box::new(info))).await.unwrap();
    }

    /// Takes up the durable subscription `name` as consumer `number`.
    pub async fn subscribe(&mut self, number: i64, name: &str, topic: &Destination, prefetch: i32) {
        let info = ConsumerInfo {
            subscription_name: Some(name.into()),
            ..self.consumer(number, topic, prefetch)
        };
        self.ask(info.into()).await.unwrap();
    }

    /// Ends a durable subscription of this client.
    pub async fn unsubscribe(&mut self, name: &str) -> Result<(), Throwable> {
        let info = RemoveSubscriptionInfo {
            subscription_name: Some(name.into()),
            ..RemoveSubscriptionInfo::default()
        };
        self.ask(info.into()).await
    }

    pub fn remove(object: Command, last: i64) -> Command {
        Command::RemoveInfo(RemoveInfo {
            object_id: Some(Box::new(object)),
            last_delivered_sequence_id: last,
            ..RemoveInfo::default()
        })
    }

    /// A message of producer 1: its body is its number, its memory about `size` bytes.
    pub fn message(&self, address: &Destination, number: i64, size: usize) -> MessageFields {
        let mut content = number.to_be_bytes().to_vec();
        content.resize(size.saturating_sub(1024).max(8), 0);
        MessageFields {
            producer_id: Some(self.producer()),
            destination: Some(address.clone()),
            message_id: Some(MessageId::new(self.producer(), number)),
            content: Some(content.into()),
            priority: 4,
            ..MessageFields::default()
        }
    }

    /// Sends a message without asking for an answer.
    pub fn send(&mut self, address: &Destination, number: i64, size: usize) {
        let message = Message::from_fields(&self.message(address, number, size)).unwrap();
        self.tell(Command::Message(Arc::new(message)));
    }

    /// Sends a message and returns the number under which it will be answered.
    pub fn submit(&mut self, fields: &MessageFields) -> i32 {
        let mut message = Message::from_fields(fields).unwrap();
        self.next += 1;
        (message.command_id, message.response_required) = (self.next, true);
        self.outbox.push(Command::Message(Arc::new(message)));
        self.next
    }

    /// Sends without asking for an answer.
    pub fn tell(&mut self, command: Command) {
        assert!(self.outbox.push(command), "the link is open");
    }

    /// Sends and waits for the answer.
    pub async fn ask(&mut self, command: Command) -> Result<(), Throwable> {
        let number = self.request(command);
        self.answer(number).await
    }

    /// Sends and returns the number of the answer to come.
    pub fn request(&mut self, mut command: Command) -> i32 {
        self.next += 1;
        match &mut command {
            Command::ConnectionInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::ConsumerInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::ProducerInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::DestinationInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::RemoveInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::MessageAck(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::RemoveSubscriptionInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::TransactionInfo(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            Command::ControlCommand(info) => {
                (info.command_id, info.response_required) = (self.next, true);
            }
            other => panic!("{} is not asked here", other.wire_name()),
        }
        self.tell(command);
        self.next
    }

    pub async fn answer(&mut self, number: i32) -> Result<(), Throwable> {
        self.want("an answer", |command| match command {
            Command::Response(response) if response.correlation_id == number => Some(Ok(())),
            Command::ExceptionResponse(response) if response.correlation_id == number => {
                Some(Err(response.exception.clone().unwrap()))
            }
            _ => None,
        })
        .await
    }

    /// The first command, of those not asked for yet, in which `pick` finds what is wanted.
    pub async fn want<T>(&mut self, what: &str, pick: impl Fn(&Command) -> Option<T>) -> T {
        let found = timeout(PATIENCE, self.find(pick)).await;
        found.unwrap_or_else(|_| panic!("never came: {what}")).unwrap_or_else(|| {
            panic!("the link ended without {what}");
        })
    }

    async fn find<T>(&mut self, pick: impl Fn(&Command) -> Option<T>) -> Option<T> {
        let mut at = 0;
        loop {
            while let Some(command) = self.seen.get(at) {
                if let Some(found) = pick(command) {
                    self.seen.remove(at);
                    return Some(found);
                }
                at += 1;
            }
            let mut batch = Vec::new();
            self.receiver.receive(&mut batch).await.ok()?;
            self.seen.extend(batch);
        }
    }

    /// The next message.
    pub async fn dispatch(&mut self) -> MessageDispatch {
        self.want("a message", |command| match command {
            Command::MessageDispatch(dispatch) => Some(dispatch.clone()),
            _ => None,
        })
        .await
    }

    /// The next message, if one comes before long.
    pub async fn dispatch_soon(&mut self) -> Option<MessageDispatch> {
        let pick = |command: &Command| match command {
            Command::MessageDispatch(dispatch) => Some(dispatch.clone()),
            _ => None,
        };
        timeout(SILENCE, self.find(pick)).await.unwrap_or(None)
    }

    /// The number of the next message, and how often it had been delivered before.
    pub async fn number(&mut self) -> (i64, i32) {
        let dispatch = self.dispatch().await;
        (number_of(&dispatch), dispatch.redelivery_counter)
    }

    pub async fn numbers(&mut self, count: usize) -> Vec<i64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            numbers.push(self.number().await.0);
        }
        numbers
    }

    pub async fn nothing_comes(&mut self) {
        if let Some(came) = self.dispatch_soon().await {
            panic!("nothing was to come, but {came:?}");
        }
    }

    /// The exception of the next `ConnectionError`.
    pub async fn failure(&mut self) -> Throwable {
        self.want("a failure", |command| match command {
            Command::ConnectionError(error) => Some(error.exception.clone().unwrap()),
            _ => None,
        })
        .await
    }

    /// An acknowledgement of a range of what was dispatched to consumer `number`.
    pub fn ack(&self, number: i64, kind: i8, first: i64, last: i64, count: i32) -> MessageAck {
        MessageAck {
            consumer_id: Some(self.consumer_id(number)),
            ack_type: kind,
            first_message_id: Some(MessageId::new(self.producer(), first)),
            last_message_id: Some(MessageId::new(self.producer(), last)),
            message_count: count,
            ..MessageAck::default()
        }
    }

    /// A step of a transaction: 0 begin, 1 prepare, 2 and 3 commit, 4 roll back, 5 recover, 6 forget,
    /// 7 end.
    pub fn step(&self, within: Option<TransactionId>, kind: i8) -> Command {
        TransactionInfo {
            connection_id: Some(self.connection.clone()),
            transaction_id: within,
            kind,
            ..TransactionInfo::default()
        }
        .into()
    }

    /// A local transaction of this connection.
    pub fn local(&self, number: i64) -> TransactionId {
        TransactionId::Local(LocalTransactionId::new(&self.connection, number))
    }

    /// Sends a message in a transaction without asking for an answer.
    pub fn send_in(&mut self, within: &TransactionId, address: &Destination, number: i64) {
        let fields = MessageFields {
            transaction_id: Some(within.clone()),
            persistent: true,
            ..self.message(address, number, 2048)
        };
        self.tell(Command::Message(Arc::new(Message::from_fields(&fields).unwrap())));
    }

    /// The number that answers a request: of `prepare`.
    pub async fn number_answered(&mut self, request: i32) -> i32 {
        self.want("a number", |command| match command {
            Command::IntegerResponse(response) if response.correlation_id == request => {
                Some(response.result)
            }
            _ => None,
        })
        .await
    }

    /// The branches that a coordinator has still to decide on.
    pub async fn recover(&mut self) -> Vec<TransactionId> {
        let request = self.request(self.step(None, 5));
        let data = self
            .want("the branches", |command| match command {
                Command::DataArrayResponse(response) if response.correlation_id == request => {
                    Some(response.data.clone().unwrap())
                }
                _ => None,
            })
            .await;
        let id = |command: Option<Command>| match command {
            Some(Command::XaTransactionId(id)) => TransactionId::Xa(id),
            other => panic!("{other:?} is no branch"),
        };
        data.into_iter().map(id).collect()
    }

    /// Acknowledges one message as consumed, whoever sent it.
    pub fn settle(&mut self, dispatch: &MessageDispatch) {
        let id = dispatch.message.as_ref().unwrap().message_id();
        self.tell(Command::MessageAck(Box::new(MessageAck {
            consumer_id: dispatch.consumer_id.clone(),
            destination: dispatch.destination.clone(),
            ack_type: 2,
            first_message_id: id.clone(),
            last_message_id: id,
            message_count: 1,
            ..MessageAck::default()
        })));
    }

    /// Waits until the broker has ended the link; what it said before is kept.
    pub async fn ended(&mut self) {
        let ended = async {
            let mut batch = Vec::new();
            while self.receiver.receive(&mut batch).await.is_ok() {}
            self.seen.extend(batch);
        };
        timeout(PATIENCE, ended).await.expect("the broker ends the link");
    }

    /// A crash: the socket closes without a word.
    pub fn crash(self) {
        self.outbox.abort();
    }
}

/// The number of a message that [`Wire::message`] made.
pub fn number_of(dispatch: &MessageDispatch) -> i64 {
    let message = dispatch.message.as_ref().unwrap();
    let content = message.content().unwrap();
    i64::from_be_bytes(content[..8].try_into().unwrap())
}
