//! `ferrymq send`: messages to a destination.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use ferrymq_client::error::SendError;
use ferrymq_client::{AckMode, Connection, OutgoingMessage, Producer, ProducerOptions, Receipt};
use ferrymq_openwire::destination::Destination;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::connect::ConnectArguments;
use super::client::property::{self, PropertyArgument};
use super::client::waiting::Waiting;
use super::client::{destination, quantity};
use super::exit::ExitCode;
use super::output::{complain, say};

/// How many persistent messages may wait for their confirmation at once.
const IN_FLIGHT: usize = 1000;
/// How many lines are read ahead of the broker.
const LINES_AHEAD: usize = 256;

/// Arguments of `send`.
#[derive(Debug, Args)]
pub(super) struct SendArguments {
    /// Where to: queue://NAME, topic://NAME, or NAME for a queue
    #[arg(value_name = "DEST", value_parser = destination::parse)]
    destination: Destination,
    /// The body; without it and without --file, standard input
    #[arg(value_name = "BODY", conflicts_with = "file", allow_hyphen_values = true)]
    body: Option<String>,
    /// Read the body from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Send each line of the file or of standard input as a message
    #[arg(long, conflicts_with = "body")]
    lines: bool,
    /// Send the message so many times
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "lines", value_parser = quantity::whole_from::<u64>(1))]
    count: u64,
    /// Send bytes, even where the body is text
    #[arg(long)]
    bytes: bool,
    /// Set a property: NAME=VALUE, or NAME:TYPE=VALUE with string, bool, byte, short, int, long,
    /// float or double
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property::parse)]
    properties: Vec<PropertyArgument>,
    /// Set the correlation id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Ask for replies at this destination
    #[arg(long, value_name = "DEST", value_parser = destination::parse)]
    reply_to: Option<Destination>,
    /// Set the application's name for the kind of message
    #[arg(long = "type", value_name = "NAME")]
    jms_type: Option<String>,
    /// Put it into a message group
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// 0 (lowest) to 9
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = quantity::whole::<u8>(0, 9))]
    priority: u8,
    /// Drop the message if it is not received within this time
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration)]
    ttl: Option<Duration>,
    /// Mark the message as persistent, and wait until the broker has it (the default)
    #[arg(long, overrides_with = "non_persistent")]
    persistent: bool,
    /// Neither mark it nor wait
    #[arg(long)]
    non_persistent: bool,
    /// Say what was sent as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// Sends what the arguments say.
pub(super) async fn run(arguments: SendArguments) -> ExitCode {
    let mut bodies = match Bodies::open(&arguments) {
        Ok(bodies) => bodies,
        Err(error) => {
            complain(error);
            return ExitCode::Usage;
        }
    };
    let connection = match arguments.connect.connect().await {
        Ok(connection) => connection,
        Err(code) => return code,
    };
    let started = Instant::now();
    let mut sent = Sent::default();
    let waiting = Waiting::default();
    let outcome = tokio::select! {
        biased;
        outcome = send_all(&arguments, &connection, &mut bodies, &mut sent, &waiting) => outcome,
        never = waiting.tell(&connection, &arguments.destination) => match never {},
    };
    let closed = connection.close().await;
    // Complete now: the broker has handled everything before it confirmed the end.
    let refused = connection.take_errors();
    for error in &refused {
        complain(format_args!("the broker refused: {error}"));
    }
    if let Err(error) = &outcome {
        complain(error);
        complain(format_args!("{} messages were sent before that", sent.messages));
    } else if let Err(error) = &closed {
        complain(error);
    }
    if outcome.is_err() || closed.is_err() || !refused.is_empty() {
        return ExitCode::Failed;
    }
    report(&arguments, &sent, started.elapsed());
    ExitCode::Done
}

/// What was sent, and confirmed where that was asked for.
#[derive(Debug, Default)]
struct Sent {
    messages: u64,
    bytes: u64,
}

/// Why sending stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] ferrymq_client::error::OpenError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("cannot read {from}: {source}")]
    Read { from: String, source: io::Error },
}

async fn send_all(
    arguments: &SendArguments,
    connection: &Connection,
    bodies: &mut Bodies,
    sent: &mut Sent,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let session = connection.session(AckMode::Auto);
    let options = ProducerOptions::to(arguments.destination.clone());
    let producer = session.producer(options.persistent(!arguments.non_persistent)).await?;
    let mut unconfirmed = Unconfirmed::default();
    while let Some(body) = bodies.next().await? {
        let size = body.len() as u64;
        let message = arguments.message(body);
        for _ in 0..arguments.count {
            let sending = unconfirmed.send(arguments, &producer, message.clone(), size, sent);
            waiting.during(sending).await?;
        }
    }
    while !unconfirmed.receipts.is_empty() {
        let fewer = unconfirmed.receipts.len() - 1;
        waiting.during(unconfirmed.settle_down_to(fewer, sent)).await?;
    }
    Ok(())
}

/// Persistent messages whose confirmation is due, oldest first, with their sizes.
#[derive(Debug, Default)]
struct Unconfirmed {
    receipts: VecDeque<(Receipt, u64)>,
}

impl Unconfirmed {
    async fn send(
        &mut self,
        arguments: &SendArguments,
        producer: &Producer,
        message: OutgoingMessage,
        size: u64,
        sent: &mut Sent,
    ) -> Result<(), SendError> {
        if arguments.non_persistent {
            producer.send(message).await?;
            sent.messages += 1;
            sent.bytes += size;
            return Ok(());
        }
        self.receipts.push_back((producer.submit(message).await?, size));
        self.settle_down_to(IN_FLIGHT, sent).await
    }

    async fn settle_down_to(&mut self, remaining: usize, sent: &mut Sent) -> Result<(), SendError> {
        while self.receipts.len() > remaining {
            let Some((receipt, size)) = self.receipts.pop_front() else { break };
            receipt.confirmed().await?;
            sent.messages += 1;
            sent.bytes += size;
        }
        Ok(())
    }
}

impl SendArguments {
    fn message(&self, body: Bytes) -> OutgoingMessage {
        let text = if self.bytes { None } else { std::str::from_utf8(&body).ok() };
        let mut message = match text {
            Some(text) => OutgoingMessage::text(text),
            None => OutgoingMessage::bytes(body),
        };
        for property in &self.properties {
            message = message.property(&property.name, property.value.clone());
        }
        if let Some(id) = &self.correlation_id {
            message = message.correlation_id(id.as_str());
        }
        if let Some(destination) = &self.reply_to {
            message = message.reply_to(destination.clone());
        }
        if let Some(name) = &self.jms_type {
            message = message.jms_type(name.as_str());
        }
        if let Some(group) = &self.group {
            message = message.group(group.as_str(), 0);
        }
        if let Some(ttl) = self.ttl {
            message = message.ttl(ttl);
        }
        message.priority(self.priority)
    }
}

/// Where bodies come from.
enum Bodies {
    /// One that is here.
    Whole(Option<Bytes>),
    /// One from standard input, up to its end.
    StandardInput,
    /// One for each line; read by a thread of its own, because reading blocks.
    Lines { from: String, lines: mpsc::Receiver<io::Result<Bytes>> },
}

impl Bodies {
    /// Opens what the arguments name; the error is for the user.
    fn open(arguments: &SendArguments) -> Result<Self, String> {
        if let Some(body) = &arguments.body {
            return Ok(Self::Whole(Some(body.clone().into())));
        }
        let unreadable =
            |path: &Path, error: io::Error| format!("cannot read {}: {error}", path.display());
        match (&arguments.file, arguments.lines) {
            (Some(path), false) => {
                let body = std::fs::read(path).map_err(|error| unreadable(path, error))?;
                Ok(Self::Whole(Some(body.into())))
            }
            (Some(path), true) => {
                let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
                Ok(Self::lines_of(path.display().to_string(), file))
            }
            (None, true) => Ok(Self::lines_of("standard input".to_owned(), io::stdin())),
            (None, false) => Ok(Self::StandardInput),
        }
    }

    fn lines_of(from: String, input: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel(LINES_AHEAD);
        std::thread::spawn(move || {
            let mut input = BufReader::new(input);
            loop {
                let mut line = Vec::new();
                let line = match input.read_until(b'\n', &mut line) {
                    Ok(0) => return,
                    Ok(_) => {
                        if line.last() == Some(&b'\n') {
                            line.pop();
                        }
                        Ok(Bytes::from(line))
                    }
                    Err(error) => Err(error),
                };
                let ended = line.is_err();
                if sender.blocking_send(line).is_err() || ended {
                    return;
                }
            }
        });
        Self::Lines { from, lines }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Whole(body) => Ok(body.take()),
            Self::StandardInput => {
                *self = Self::Whole(None);
                let read = tokio::task::spawn_blocking(|| {
                    let mut body = Vec::new();
                    io::stdin().lock().read_to_end(&mut body).map(|_| Bytes::from(body))
                });
                match read.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    Ok(body) => Ok(Some(body)),
                    Err(source) => Err(Failure::Read { from: "standard input".to_owned(), source }),
                }
            }
            Self::Lines { from, lines } => match lines.recv().await {
                None => Ok(None),
                Some(Ok(line)) => Ok(Some(line)),
                Some(Err(source)) => Err(Failure::Read { from: from.clone(), source }),
            },
        }
    }
}

fn report(arguments: &SendArguments, sent: &Sent, elapsed: Duration) {
    let destination = &arguments.destination;
    if arguments.json {
        say(json!({
            "destination": destination.to_string(),
            "sent": sent.messages,
            "bytes": sent.bytes,
            "seconds": elapsed.as_secs_f64(),
        }));
    } else {
        let plural = if sent.messages == 1 { "" } else { "s" };
        say(format_args!("sent {} message{plural} to {destination}", sent.messages));
    }
}
