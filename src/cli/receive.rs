//! `ferrymq receive`: messages from a destination, printed as they come.

use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ferrymq_client::error::{AckError, OpenError, ReceiveError};
use ferrymq_client::{
    AckMode, Connection, Consumer, ConsumerOptions, Delivery, ReceivedMessage, Session,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageKind;
use serde_json::Value as Json;

use super::client::connect::ConnectArguments;
use super::client::json::{self, MessageJson};
use super::client::{destination, quantity};
use super::exit::ExitCode;
use super::output::complain;
use super::shutdown::Shutdown;

/// How many messages are printed and settled in one go, when so many are here.
const LARGEST_BATCH: u64 = 256;

/// Arguments of `receive`.
#[derive(Debug, Args)]
pub(super) struct ReceiveArguments {
    /// Where from: queue://NAME, topic://NAME, or NAME for a queue; * and > stand for many
    #[arg(value_name = "DEST", value_parser = destination::parse)]
    destination: Destination,
    /// End after so many messages [default: at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = quantity::whole_from::<u64>(1))]
    count: Option<u64>,
    /// End when no message comes for this long; with fewer than --count (or none) the exit code is
    /// 3
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration)]
    timeout: Option<Duration>,
    /// Print each message as a JSON object with headers and properties
    #[arg(long)]
    json: bool,
    /// Print bodies as they are, without a line break after each
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Receive only messages that this condition on headers and properties selects
    #[arg(long, value_name = "SQL")]
    selector: Option<String>,
    /// When a message counts as received. Never before it is printed
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Settle::Auto)]
    ack: Settle,
    /// Receive as a durable subscription of this name, which the broker makes if there is none and
    /// keeps messages for until `unsubscribe`; needs --client-id
    #[arg(long, value_name = "NAME", requires = "client_id")]
    durable: Option<String>,
    /// The name under which the broker knows this client [default: another one each time]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// How many messages the broker may send ahead [default: 1000, or --count if that is less]
    #[arg(long, value_name = "N", value_parser = quantity::whole_from::<u32>(1))]
    prefetch: Option<u32>,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// When printed messages are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Settle {
    /// As it is printed
    Auto,
    /// All together, at the end
    Client,
    /// Each by itself, as it is printed
    Individual,
}

/// Why receiving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that were asked for came.
    Complete,
    /// None came for too long.
    Quiet,
    /// Somebody asked to stop.
    Told,
}

/// Why receiving failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Ack(#[from] AckError),
    #[error("cannot write to standard output: {0}; what was not written is not acknowledged")]
    Write(#[from] io::Error),
    #[error("{0}")]
    Unreadable(String),
}

/// Receives and prints what the arguments say.
pub(super) async fn run(arguments: ReceiveArguments) -> ExitCode {
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return ExitCode::Failed;
        }
    };
    let connection = tokio::select! {
        biased;
        () = shutdown.requested() => return ExitCode::Failed,
        connection = arguments.connect.connect_as(arguments.client_id.as_deref()) => match connection {
            Ok(connection) => connection,
            Err(code) => return code,
        },
    };
    let mut received = 0;
    let outcome = receive_all(&arguments, &connection, &mut shutdown, &mut received).await;
    let closed = connection.close().await;
    let refused = connection.take_errors();
    for error in &refused {
        complain(format_args!("the broker refused: {error}"));
    }
    let end = match outcome {
        Ok(end) => end,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    if let Err(error) = closed {
        complain(error);
        return ExitCode::Failed;
    }
    match (end, arguments.count) {
        _ if !refused.is_empty() => ExitCode::Failed,
        (End::Complete, _) | (End::Told, None) => ExitCode::Done,
        (End::Quiet, None) if received > 0 => ExitCode::Done,
        (End::Quiet, wanted) => {
            let wanted = wanted.map(|count| format!(" of {count}")).unwrap_or_default();
            complain(format_args!("timed out after {received}{wanted} messages"));
            ExitCode::TimedOut
        }
        (End::Told, Some(wanted)) => {
            complain(format_args!("stopped after {received} of {wanted} messages"));
            ExitCode::Failed
        }
    }
}

async fn receive_all(
    arguments: &ReceiveArguments,
    connection: &Connection,
    shutdown: &mut Shutdown,
    received: &mut u64,
) -> Result<End, Failure> {
    // In no mode of JMS is a message settled after it was handled and before the next one is
    // received, unless the application says so: it does.
    let session = connection.session(match arguments.ack {
        Settle::Auto | Settle::Client => AckMode::Client,
        Settle::Individual => AckMode::Individual,
    });
    let mut options = ConsumerOptions::new(arguments.destination.clone());
    options.selector.clone_from(&arguments.selector);
    options.durable.clone_from(&arguments.durable);
    // Not more than will be taken: others may wait for the rest.
    let few = arguments.count.and_then(|count| u32::try_from(count).ok());
    options.prefetch = arguments.prefetch.or(few.filter(|count| *count < 1000));
    let consumer = session.consumer(options).await?;
    let mut batch = Vec::new();
    loop {
        let wanted = arguments.count.map_or(LARGEST_BATCH, |count| count - *received);
        if wanted == 0 {
            break;
        }
        let idle = async {
            match arguments.timeout {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let max = usize::try_from(wanted.min(LARGEST_BATCH)).unwrap_or(usize::MAX);
        let end = tokio::select! {
            biased;
            () = shutdown.requested() => Some(End::Told),
            came = consumer.receive_many(max, &mut batch) => came.map(|_| None)?,
            () = idle => Some(End::Quiet),
        };
        if let Some(end) = end {
            return settle_at_end(arguments, &session).map(|()| end);
        }
        print_and_settle(arguments, &consumer, &batch)?;
        *received += batch.len() as u64;
        batch.clear();
    }
    settle_at_end(arguments, &session)?;
    Ok(End::Complete)
}

fn print_and_settle(
    arguments: &ReceiveArguments,
    consumer: &Consumer,
    batch: &[Delivery],
) -> Result<(), Failure> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    for message in batch {
        if arguments.json {
            write_json(&mut output, message)?;
        } else {
            write_body(&mut output, message)?;
            if !arguments.raw {
                output.write_all(b"\n")?;
            }
        }
    }
    output.flush()?;
    drop(output);
    match arguments.ack {
        Settle::Auto => consumer.session().acknowledge()?,
        Settle::Individual => {
            for message in batch {
                message.ack()?;
            }
        }
        Settle::Client => {}
    }
    Ok(())
}

fn settle_at_end(arguments: &ReceiveArguments, session: &Session) -> Result<(), Failure> {
    if arguments.ack == Settle::Client {
        session.acknowledge()?;
    }
    Ok(())
}

fn write_json(output: &mut impl Write, message: &ReceivedMessage) -> Result<(), Failure> {
    let json = MessageJson::of(message).map_err(Failure::Unreadable)?;
    let line = serde_json::to_string(&json).map_err(|e| Failure::Unreadable(e.to_string()))?;
    writeln!(output, "{line}")?;
    Ok(())
}

/// The body as it is; values as JSON.
fn write_body(output: &mut impl Write, message: &ReceivedMessage) -> Result<(), Failure> {
    let unreadable = |error: ferrymq_openwire::body::BodyError| {
        let id = message.message_id().map(|id| id.to_string()).unwrap_or_default();
        Failure::Unreadable(format!("message {id} cannot be read: {error}"))
    };
    match message.kind() {
        MessageKind::Text => {
            let text = message.text().map_err(unreadable)?;
            output.write_all(text.unwrap_or_default().as_bytes())?;
        }
        MessageKind::Bytes => output.write_all(&message.bytes().map_err(unreadable)?)?,
        MessageKind::Map => {
            write!(output, "{}", json::object(&message.map().map_err(unreadable)?))?;
        }
        MessageKind::Stream => {
            let values = message.stream().map_err(unreadable)?;
            write!(output, "{}", Json::Array(values.iter().map(json::value).collect()))?;
        }
        MessageKind::Object => output.write_all(message.message().content().unwrap_or_default())?,
        MessageKind::Message | MessageKind::Blob => {}
    }
    Ok(())
}
