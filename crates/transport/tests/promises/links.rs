//! Fixtures: links over streams in memory, and peers that only know bytes.

use std::time::Duration;

use bytes::BytesMut;
use ferrymq_openwire::codec::decoder::Decoder;
use ferrymq_openwire::codec::encoder::Encoder;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ControlCommand, Response};
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::dial::Stream;
use ferrymq_transport::handshake::handshake;
use ferrymq_transport::link::{Link, LinkError, PeerAddress, Receiver};
use ferrymq_transport::outbox::Outbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A numbered command.
pub(crate) fn numbered(id: i32) -> Command {
    Response { command_id: id, correlation_id: id, ..Response::default() }.into()
}

/// A command of about so many bytes.
pub(crate) fn sized(id: i32, bytes: usize) -> Command {
    let text = "x".repeat(bytes.min(32_000));
    ControlCommand {
        command_id: id,
        command: Some(text.as_str().into()),
        ..ControlCommand::default()
    }
    .into()
}

pub(crate) fn ids(commands: &[Command]) -> Vec<i32> {
    commands.iter().map(|command| command.command_id().unwrap()).collect()
}

/// Two ends of a stream in memory that holds `buffer` bytes each way.
pub(crate) fn streams(buffer: usize) -> (Stream, Stream) {
    let (left, right) = duplex(buffer);
    (stream(left), stream(right))
}

pub(crate) fn stream(duplex: DuplexStream) -> Stream {
    let (reader, writer) = tokio::io::split(duplex);
    let peer = PeerAddress { remote: "there".to_owned(), local: "here".to_owned() };
    Stream::new(reader, writer, peer)
}

/// A link with its pump running.
pub(crate) struct Running {
    pub(crate) receiver: Receiver,
    pub(crate) outbox: Outbox,
    pub(crate) pump: JoinHandle<Result<(), LinkError>>,
}

impl Running {
    pub(crate) fn new(link: Link) -> Self {
        let Link { receiver, outbox, pump, .. } = link;
        Self { receiver, outbox, pump: tokio::spawn(pump.run()) }
    }

    /// Receives until so many commands have come.
    pub(crate) async fn receive(&mut self, count: usize) -> Vec<Command> {
        let mut received = Vec::new();
        while received.len() < count {
            self.receiver.receive(&mut received).await.unwrap();
        }
        received
    }

    pub(crate) async fn failure(&mut self) -> LinkError {
        loop {
            let mut received = Vec::new();
            if let Err(error) = self.receiver.receive(&mut received).await {
                return error;
            }
        }
    }
}

/// Two ends that agreed.
pub(crate) async fn linked(left: WireFormatOptions, right: WireFormatOptions) -> (Link, Link) {
    let (left_stream, right_stream) = streams(64 * 1024);
    let (left, right) = tokio::join!(
        handshake(left_stream, &left, DEADLINE),
        handshake(right_stream, &right, DEADLINE)
    );
    (left.unwrap(), right.unwrap())
}

pub(crate) async fn running_pair() -> (Running, Running) {
    let (left, right) = linked(WireFormatOptions::default(), WireFormatOptions::default()).await;
    (Running::new(left), Running::new(right))
}

pub(crate) fn encoded(commands: &[Command], format: WireFormat) -> BytesMut {
    let mut bytes = BytesMut::new();
    let mut encoder = Encoder::new(format);
    for command in commands {
        encoder.encode(command, &mut bytes).unwrap();
    }
    bytes
}

/// A peer that writes whatever it is told.
pub(crate) struct RawPeer {
    pub(crate) duplex: DuplexStream,
}

impl RawPeer {
    /// The other end of a link that shook hands, and the link.
    pub(crate) async fn of_link(options: WireFormatOptions) -> (Self, Link) {
        let (left, right) = duplex(256 * 1024);
        let mut peer = Self { duplex: right };
        let info = Command::WireFormatInfo(WireFormatOptions::default().to_info());
        peer.write(&encoded(&[info], WireFormat::default())).await;
        let link = handshake(stream(left), &options, DEADLINE).await.unwrap();
        assert!(matches!(peer.read_command().await, Command::WireFormatInfo(_)));
        (peer, link)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.duplex.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn send(&mut self, commands: &[Command]) {
        self.write(&encoded(commands, WireFormat::loose(12))).await;
    }

    /// Reads exactly one loose frame.
    pub(crate) async fn read_command(&mut self) -> Command {
        let mut frame = BytesMut::zeroed(4);
        self.duplex.read_exact(&mut frame).await.unwrap();
        let size = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
        frame.resize(4 + size, 0);
        self.duplex.read_exact(&mut frame[4..]).await.unwrap();
        Decoder::new(WireFormat::loose(12)).decode(&mut frame).unwrap().unwrap()
    }
}
