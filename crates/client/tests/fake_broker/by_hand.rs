//! The broker's end of a pipe, worked by hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::{ConnectOptions, Connection, IdSource};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConnectionError, ConnectionInfo, ExceptionResponse, MessageDispatch, Response,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_openwire::throwable::Throwable;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::{Binder, Listener};
use ferrymq_transport::handshake::handshake;
use ferrymq_transport::link::{Link, Receiver};
use ferrymq_transport::outbox::Outbox;
use ferrymq_transport::pipe::pipe;
use ferrymq_transport::simulated::SimulatedNetwork;
use ferrymq_transport::tcp::Tcp;

pub struct FakeBroker {
    receiver: Receiver,
    outbox: Outbox,
    arrived: VecDeque<Command>,
}

pub fn options() -> ConnectOptions {
    let clock = Clock::starting_at(1_700_000_000_000);
    ConnectOptions::new(Arc::new(Tcp), clock, IdSource::new("test", 1, 1))
}

/// A connection that the broker has accepted.
pub async fn connected() -> (Connection, FakeBroker) {
    let (client, mut broker) = unconnected();
    let connecting = tokio::spawn(Connection::over(client, options()));
    let info = broker.next().await;
    assert!(matches!(info, Command::ConnectionInfo(_)), "{info:?}");
    broker.respond(&info);
    (connecting.await.unwrap().unwrap(), broker)
}

/// The client's link, and the broker at its end.
pub fn unconnected() -> (Link, FakeBroker) {
    let (client, broker) = pipe("client", "broker");
    let broker =
        FakeBroker { receiver: broker.receiver, outbox: broker.outbox, arrived: VecDeque::new() };
    (client, broker)
}

/// Where a broker of a simulated network lets clients in.
pub struct Harbour {
    listener: Box<dyn Listener>,
}

impl Harbour {
    /// At port 1 of this host.
    pub async fn open(network: &SimulatedNetwork, host: &str) -> Self {
        let endpoint = format!("tcp://{host}:1").parse().unwrap();
        Self { listener: network.host(host).bind(&endpoint).await.unwrap() }
    }

    /// The next client's link.
    pub async fn link(&mut self) -> FakeBroker {
        let stream = self.listener.accept().await.unwrap();
        let options = WireFormatOptions::default();
        let Link { receiver, outbox, pump, .. } =
            handshake(stream, &options, Duration::from_secs(5)).await.unwrap();
        tokio::spawn(pump.run());
        FakeBroker { receiver, outbox, arrived: VecDeque::new() }
    }

    /// The next client, let in, and what it said of itself.
    pub async fn accept(&mut self) -> (FakeBroker, ConnectionInfo) {
        let mut broker = self.link().await;
        let info = broker.let_in().await;
        (broker, info)
    }
}

impl FakeBroker {
    /// Lets the client in, and returns what it said of itself.
    pub async fn let_in(&mut self) -> ConnectionInfo {
        loop {
            match self.next().await {
                Command::ConnectionControl(control) => assert!(control.fault_tolerant),
                Command::ConnectionInfo(info) => {
                    self.respond(&Command::ConnectionInfo(info.clone()));
                    return *info;
                }
                other => panic!("{other:?} before the ConnectionInfo"),
            }
        }
    }

    /// The next command of the client; waits for it.
    pub async fn next(&mut self) -> Command {
        self.try_next().await.expect("the client left")
    }

    /// The next command of the client, or nothing once it has left.
    pub async fn try_next(&mut self) -> Option<Command> {
        while self.arrived.is_empty() {
            let mut batch = Vec::new();
            let received = self.receiver.receive(&mut batch).await;
            self.arrived.extend(batch);
            if received.is_err() {
                break;
            }
        }
        self.arrived.pop_front()
    }

    /// The next command, answered if it asks for that.
    pub async fn serve(&mut self) -> Command {
        let command = self.next().await;
        self.respond(&command);
        command
    }

    /// Serves until a command of this name, and returns it.
    pub async fn serve_until(&mut self, name: &str) -> Command {
        loop {
            let command = self.serve().await;
            if name_of(&command) == name {
                return command;
            }
        }
    }

    /// Answers with success if the command asks for an answer.
    pub fn respond(&self, command: &Command) {
        if let Some(correlation_id) = asks(command) {
            self.push(Command::Response(Response { correlation_id, ..Response::default() }));
        }
    }

    /// Answers with an exception.
    pub fn refuse(&self, command: &Command, class: &str, text: &str) {
        self.push(Command::ExceptionResponse(ExceptionResponse {
            correlation_id: asks(command).expect("nobody waits for an answer"),
            exception: Some(Throwable::new(class, text)),
            ..ExceptionResponse::default()
        }));
    }

    /// Reports a failure that nobody waits for.
    pub fn complain(&self, class: &str, text: &str) {
        self.push(Command::ConnectionError(ConnectionError {
            exception: Some(Throwable::new(class, text)),
            ..ConnectionError::default()
        }));
    }

    /// Dispatches messages of a foreign producer with these numbers; the broker's numbers are 100
    /// higher.
    pub fn dispatch(
        &self,
        consumer: &ConsumerId,
        destination: &Destination,
        numbers: impl IntoIterator<Item = i64>,
    ) {
        for number in numbers {
            self.dispatch_message(consumer, numbered(number, destination));
        }
    }

    pub fn dispatch_message(&self, consumer: &ConsumerId, message: Message) {
        self.push(Command::MessageDispatch(MessageDispatch {
            consumer_id: Some(consumer.clone()),
            destination: message.destination(),
            redelivery_counter: message.redelivery_counter(),
            message: Some(Arc::new(message)),
            ..MessageDispatch::default()
        }));
    }

    pub fn push(&self, command: Command) {
        assert!(self.outbox.push(command), "the client closed the link");
    }

    /// Breaks the link.
    pub fn cut(self) {
        self.outbox.abort();
    }
}

pub fn numbered(number: i64, destination: &Destination) -> Message {
    let session = SessionId::new(&ConnectionId::new("ID:foreign:1"), 1);
    let mut id = MessageId::new(ProducerId::new(&session, 1), number);
    id.broker_sequence_id = 100 + number;
    let fields = MessageFields {
        message_id: Some(id),
        destination: Some(destination.clone()),
        ..MessageFields::default()
    };
    Message::from_fields(&fields).unwrap()
}

/// The command's number, if it asks for a response.
fn asks(command: &Command) -> Option<i32> {
    let (id, asks) = match command {
        Command::ConnectionInfo(c) => (c.command_id, c.response_required),
        Command::ConsumerInfo(c) => (c.command_id, c.response_required),
        Command::ProducerInfo(c) => (c.command_id, c.response_required),
        Command::DestinationInfo(c) => (c.command_id, c.response_required),
        Command::RemoveInfo(c) => (c.command_id, c.response_required),
        Command::SessionInfo(c) => (c.command_id, c.response_required),
        Command::MessageAck(c) => (c.command_id, c.response_required),
        Command::Message(c) => (c.command_id, c.response_required),
        Command::ShutdownInfo(c) => (c.command_id, c.response_required),
        other => panic!("not a client's command: {other:?}"),
    };
    asks.then_some(id)
}

fn name_of(command: &Command) -> String {
    let shown = format!("{command:?}");
    shown.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

/// A command in one line: what matters about it.
pub fn brief(command: &Command) -> String {
    let asks = if asks(command).is_some() { " rr" } else { "" };
    match command {
        Command::ConsumerInfo(c) => format!(
            "{}ConsumerInfo {} prefetch {}{asks}",
            c.command_id,
            c.destination.as_ref().unwrap(),
            c.prefetch_size
        ),
        Command::ProducerInfo(c) => format!("{}ProducerInfo{asks}", c.command_id),
        Command::SessionInfo(c) => format!("{}SessionInfo{asks}", c.command_id),
        Command::ShutdownInfo(c) => format!("{}ShutdownInfo{asks}", c.command_id),
        Command::Message(m) => format!(
            "{}Message {} persistent={}{asks}",
            m.command_id,
            m.message_id().unwrap().producer_sequence_id,
            m.persistent()
        ),
        Command::MessageAck(a) => {
            let number = |id: &Option<MessageId>| {
                id.as_ref().map_or("-".to_owned(), |id| id.producer_sequence_id.to_string())
            };
            format!(
                "{}MessageAck type {} {}..{} count {}{asks}",
                a.command_id,
                a.ack_type,
                number(&a.first_message_id),
                number(&a.last_message_id),
                a.message_count
            )
        }
        Command::RemoveInfo(r) => format!(
            "{}RemoveInfo {} last {}{asks}",
            r.command_id,
            name_of(r.object_id.as_ref().unwrap()),
            r.last_delivered_sequence_id
        ),
        other => format!("{other:?}"),
    }
}
