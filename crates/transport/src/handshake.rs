//! The first exchange on a stream: what both ends agree on.

use std::time::Duration;

use bytes::BytesMut;
use ferrymq_openwire::codec::decoder::Decoder;
use ferrymq_openwire::codec::encoder::Encoder;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::WireFormatInfo;
use ferrymq_openwire::error::{DecodeError, EncodeError};
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::negotiate::{NegotiationError, WireFormatOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::dial::{DialError, Dialer, Stream};
use crate::endpoint::Endpoint;
use crate::link::{Link, StreamPump, StreamReceiver};
use crate::outbox::Outbox;
use crate::settings::{ConnectionSettings, SettingsError};

/// Real ones have about 300 bytes.
const LARGEST_INFO: u64 = 4096;
/// ActiveMQ waits as long for the peer's answer, when it has nothing else configured.
const USUAL_DEADLINE: Duration = Duration::from_secs(10);

/// No agreement with the peer.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer says nothing, or not all of it.
    #[error("the peer sent no complete WireFormatInfo within {waited:?} ({received} bytes came)")]
    TimedOut {
        /// How long it had.
        waited: Duration,
        /// How much of it came.
        received: usize,
    },
    /// The peer went away.
    #[error(
        "the peer closed the connection before it sent its WireFormatInfo ({received} bytes came)"
    )]
    Closed {
        /// How much of it came.
        received: usize,
    },
    /// The peer speaks something else.
    #[error("the peer does not speak OpenWire{}", looks_like(started))]
    NotOpenWire {
        /// The first bytes that came.
        started: Vec<u8>,
    },
    /// The peer's first frame is no WireFormatInfo.
    #[error("the peer started with {command} instead of a WireFormatInfo")]
    Unexpected {
        /// What it was.
        command: &'static str,
    },
    /// The peer's first frame is broken.
    #[error("the peer's WireFormatInfo is broken: {0}")]
    Decode(#[from] DecodeError),
    /// This end's WireFormatInfo cannot be written.
    #[error("cannot encode the WireFormatInfo: {0}")]
    Encode(#[from] EncodeError),
    /// Both speak OpenWire, and do not fit.
    #[error("no agreement with the peer: {0}")]
    Negotiation(#[from] NegotiationError),
    /// The stream failed.
    #[error("the connection broke during the handshake: {0}")]
    Io(#[from] std::io::Error),
}

/// A link to an endpoint could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its options are no good.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It does not answer.
    #[error("cannot connect to {}: no answer within {waited:?} (connectionTimeout)", endpoint.bare())]
    TimedOut {
        /// The endpoint.
        endpoint: Endpoint,
        /// How long it had.
        waited: Duration,
    },
    /// It answers, but not as agreed.
    #[error("connected to {}, but {source}", endpoint.bare())]
    Handshake {
        /// The endpoint.
        endpoint: Endpoint,
        /// What went wrong.
        source: HandshakeError,
    },
}

/// Dials an endpoint and agrees with the peer, as the endpoint's options ask.
pub async fn connect(dialer: &dyn Dialer, endpoint: &Endpoint) -> Result<Link, ConnectError> {
    let settings = ConnectionSettings::for_dialing(endpoint)?;
    let dial = dialer.dial(endpoint);
    let stream = match settings.connection_timeout {
        None => dial.await?,
        Some(waited) => timeout(waited, dial)
            .await
            .map_err(|_| ConnectError::TimedOut { endpoint: endpoint.clone(), waited })??,
    };
    handshake(stream, &settings.wire_format, deadline(&settings.wire_format))
        .await
        .map_err(|source| ConnectError::Handshake { endpoint: endpoint.clone(), source })
}

/// How long a peer has for its WireFormatInfo: as in ActiveMQ, the initial delay of the inactivity
/// monitor.
pub fn deadline(options: &WireFormatOptions) -> Duration {
    match options.max_inactivity_duration_initial_delay {
        Duration::ZERO => USUAL_DEADLINE,
        delay => delay,
    }
}

/// Exchanges WireFormatInfo with the peer. Both ends do the same, whoever dialed.
pub async fn handshake(
    stream: Stream,
    options: &WireFormatOptions,
    deadline: Duration,
) -> Result<Link, HandshakeError> {
    let Stream { mut reader, mut writer, peer } = stream;
    let mut received = BytesMut::new();
    let exchange = async {
        let mut info = BytesMut::with_capacity(512);
        Encoder::new(WireFormat::default())
            .encode(&Command::WireFormatInfo(options.to_info()), &mut info)?;
        writer.write_all(&info).await?;
        writer.flush().await?;
        read_info(&mut *reader, &mut received).await
    };
    let exchanged = timeout(deadline, exchange).await;
    let theirs = match exchanged {
        Ok(theirs) => theirs?,
        Err(_) => {
            return Err(HandshakeError::TimedOut { waited: deadline, received: received.len() });
        }
    };
    let negotiated = options.negotiate(&theirs)?;
    let outbox = Outbox::new();
    Ok(Link {
        receiver: StreamReceiver::new(reader, received, outbox.clone(), &negotiated).into(),
        pump: StreamPump::new(outbox.clone(), writer, &negotiated).into(),
        outbox,
        peer,
        negotiated: Some(negotiated),
    })
}

/// What follows the frame stays in `received`.
async fn read_info(
    reader: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
    received: &mut BytesMut,
) -> Result<WireFormatInfo, HandshakeError> {
    let format = WireFormat { max_frame_size: LARGEST_INFO, ..WireFormat::default() };
    let mut decoder = Decoder::new(format);
    loop {
        check_start(received)?;
        match decoder.decode(received)? {
            None => {}
            Some(Command::WireFormatInfo(info)) => return Ok(info),
            Some(other) => {
                return Err(HandshakeError::Unexpected { command: other.wire_name() });
            }
        }
        received.reserve(1024);
        if reader.read_buf(received).await? == 0 {
            return Err(HandshakeError::Closed { received: received.len() });
        }
    }
}

/// A WireFormatInfo starts with its size, its type and the magic, whatever follows. Strangers are
/// recognised by the first bytes, before they can make anybody wait.
fn check_start(received: &[u8]) -> Result<(), HandshakeError> {
    const MAGIC: &[u8] = b"\x01ActiveMQ";
    let size = received
        .get(..4)
        .map(|size| size.iter().fold(0_u64, |size, byte| size << 8 | u64::from(*byte)));
    let too_large = size.is_some_and(|size| size > LARGEST_INFO);
    let start = received.get(4..).unwrap_or_default();
    let wrong = start.iter().zip(MAGIC).any(|(byte, magic)| byte != magic);
    // A plausible start with a large size is for the decoder to refuse.
    if wrong || (too_large && start.is_empty()) {
        let started = received.iter().take(16).copied().collect();
        return Err(HandshakeError::NotOpenWire { started });
    }
    Ok(())
}

/// Who connects by mistake, as far as the first bytes tell.
fn looks_like(started: &[u8]) -> String {
    const STARTS: [(&[u8], &str); 9] = [
        (b"\x16\x03", "TLS"),
        (b"AMQP", "AMQP"),
        (b"CONNECT", "STOMP"),
        (b"STOMP", "STOMP"),
        (b"\x10", "MQTT"),
        (b"GET ", "HTTP"),
        (b"POST ", "HTTP"),
        (b"HTTP/", "HTTP"),
        (b"PUT ", "HTTP"),
    ];
    match STARTS.iter().find(|(start, _)| started.starts_with(start)) {
        Some((_, protocol)) => format!("; its first bytes look like {protocol}"),
        None => format!("; it starts with \"{}\"", started.escape_ascii()),
    }
}
