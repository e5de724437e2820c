//! The task of one connection.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::duplex::Wire;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConnectionError, ShutdownInfo};
use ferrymq_openwire::error::DecodeError;
use ferrymq_openwire::negotiate::{Negotiated, WireFormatOptions};
use ferrymq_openwire::throwable::Throwable;
use ferrymq_transport::dial::Stream;
use ferrymq_transport::handshake::handshake;
use ferrymq_transport::link::{Link, LinkError, Receiver};
use ferrymq_transport::pace::Pace;
use ferrymq_transport::pipe::pipe;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::duplex::BridgesBack;
use super::guidance::{Guidance, GuidedClient};
use super::held_answers::Heard;
use super::open::own_broker_info;
use super::peer::{Duplex, Flow, Peer};
use super::roster::{ConnectionSnapshot, Roster};
use super::synchronises::Synchronises;
use crate::destination::Delivered;
use crate::routing::Broker;

/// How long a peer may take from connecting to its `ConnectionInfo`.
const OPENING_DEADLINE: Duration = Duration::from_secs(30);
/// How long a peer may take to exchange `WireFormatInfo`.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(15);
/// The largest frame from a peer that has not opened its connection yet.
const OPENING_FRAME_SIZE: u64 = 64 * 1024;
/// What the ends of an in-process link speak.
const OWN_VERSION: u8 = 12;
/// How long acknowledgements that are not urgent may lie unread while there is much to do.
const UNREAD: Duration = Duration::from_millis(1);
/// A reading that brings as much needs no waiting for more.
const ENOUGH: usize = 64;
/// How long a store may take to make room for a transaction that ends. What is larger than its usual
/// files gets one of its own, which takes a moment to make.
const ROOM: Duration = Duration::from_secs(2);
/// How long what is queued for a peer may take to leave when its connection ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves the connections of one broker.
#[derive(Clone)]
pub struct Connections {
    broker: Arc<Broker>,
    tasks: TaskTracker,
    end: CancellationToken,
    roster: Arc<Roster>,
    pace: Pace,
    bridges_back: Option<Arc<dyn BridgesBack>>,
}

/// What a connection was admitted with, from the connector that accepted it.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// What the broker offers on this connector.
    pub wire_format: WireFormatOptions,
    /// What the connector tells clients about other brokers.
    pub guidance: Arc<Guidance>,
}

impl Connections {
    /// Serves the connections of `broker`, until they are closed; `pace` is told what arrives.
    pub fn new(broker: Arc<Broker>, pace: Pace) -> Self {
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        Self { broker, tasks, end, roster: Arc::default(), pace, bridges_back: None }
    }

    /// The same connections; peers that come this way may have bridges back.
    pub fn with_bridges_back(&self, bridges: Arc<dyn BridgesBack>) -> Self {
        Self { bridges_back: Some(bridges), ..self.clone() }
    }

    /// All connections whose wire format is agreed on, in the order in which they came.
    pub fn snapshots(&self) -> Vec<ConnectionSnapshot> {
        self.roster.snapshots()
    }

    /// The clients that may be told where to go, in the order in which they came.
    pub fn guided(&self) -> Vec<GuidedClient> {
        self.roster.guided()
    }

    /// Serves what a connector accepted; `done` is called when it has ended.
    pub fn serve(&self, stream: Stream, admitted: Admitted, done: impl FnOnce() + Send + 'static) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let remote = stream.peer.remote.clone();
            let opened = tokio::select! {
                biased;
                () = this.end.cancelled() => None,
                link = handshake(stream, &admitted.wire_format, HANDSHAKE_DEADLINE) => Some(link),
            };
            match opened {
                Some(Ok(link)) => this.converse(link, None, false, Some(admitted.guidance)).await,
                Some(Err(error)) => {
                    tracing::info!(%remote, %error, "a connection ended before it was agreed on");
                }
                None => {}
            }
            done();
        });
    }

    /// Opens an in-process link to the broker; its subscriptions only get what `permits`
    /// lets cross a bridge.
    pub fn open_pipe(&self, name: &str, permits: Option<Arc<Permits>>) -> Link {
        let (near, far) = pipe(name, &self.broker.identity().name);
        let this = self.clone();
        self.tasks.spawn(async move { this.converse(far, permits, false, None).await });
        near
    }

    /// Serves a remote broker's bridge over half of a link that this broker dialled.
    pub fn serve_half(&self, link: Link) {
        let this = Self { bridges_back: None, ..self.clone() };
        self.tasks.spawn(async move { this.converse(link, None, true, None).await });
    }

    /// Says farewell to every peer and waits until all connections have ended.
    pub async fn close(&self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// `half`: a bridge back of the far broker is at the other end.
    async fn converse(
        &self,
        link: Link,
        permits: Option<Arc<Permits>>,
        half: bool,
        guidance: Option<Arc<Guidance>>,
    ) {
        let mut wire = Wire::new(link);
        let address = wire.peer.clone();
        let max_frame_size = wire.negotiated.as_ref().map(|agreed| agreed.format.max_frame_size);
        let version = wire.negotiated.as_ref().map_or(OWN_VERSION, |agreed| agreed.format.version);
        let end = self.end.child_token();
        let in_process = wire.negotiated.is_none();
        let since = self.broker.clock().now_millis();
        let product = wire.negotiated.as_ref().and_then(Negotiated::product);
        let roster = Arc::clone(&self.roster);
        let place = roster.enter(&address.remote, in_process, since, product, &wire.outbox);
        let mut peer = Peer::new(
            Arc::clone(&self.broker),
            wire.outbox.clone(),
            address.remote.clone(),
            version,
            permits,
            end.clone(),
            Arc::clone(place.entry()),
        );
        if half {
            peer.synchronises = Synchronises::unasked(version);
        }
        peer.takes = wire.negotiated.as_ref().and_then(|agreed| agreed.peer_takes);
        peer.guidance = guidance.filter(|guidance| guidance.reaches(version));
        if !in_process {
            peer.bridges_back.clone_from(&self.bridges_back);
        }
        wire.outbox.push(own_broker_info(&self.broker));
        wire.receiver.set_max_frame_size(OPENING_FRAME_SIZE);

        let mut joined = None;
        let mut early = Vec::new();
        let opening = open(&mut peer, &mut wire.receiver, &mut early, &end);
        let ended = match timeout(OPENING_DEADLINE, opening).await {
            Err(_) => End::Silent,
            Ok(Some(ended)) => ended,
            Ok(None) => {
                if let Some(size) = max_frame_size {
                    wire.receiver.set_max_frame_size(size);
                }
                if let Duplex::Admitted(bridge) = std::mem::take(&mut peer.duplex) {
                    let (half, whole) = bridge.start(wire, peer.theirs.take());
                    joined = Some(whole);
                    wire = Wire::new(half);
                    peer.outbox = wire.outbox.clone();
                    peer.entry.sends_by(&wire.outbox);
                }
                read(&mut peer, &mut wire.receiver, early, &end, &self.pace).await
            }
        };
        ended.log(&address.remote, peer.is_open());
        if !peer.parked.is_empty() {
            let messages = peer.parked.len();
            tracing::warn!(
                remote = %address.remote,
                messages,
                "its last messages are not taken: it went before there was room for them"
            );
        }
        peer.close(Delivered::Unknown);
        if matches!(ended, End::Left | End::Refused | End::Asked) {
            // What the peer has not heard of it may send again.
            let finish = peer.held_answers.finish(&self.broker, &wire.outbox);
            let _ = timeout(FAREWELL, finish).await;
        }
        leave(wire, &ended).await;
        if let Some(joined) = joined {
            // It has bounds of its own; this is for what nobody foresaw.
            let _ = timeout(2 * FAREWELL + FAREWELL, joined).await;
        }
    }
}

/// Lets what is queued for a peer go out, within reason, and closes its link.
async fn leave(wire: Wire, ended: &End) {
    let Wire { mut receiver, outbox, mut pump, .. } = wire;
    if matches!(ended, End::Asked) {
        outbox.push(Command::ShutdownInfo(ShutdownInfo::default()));
    }
    if let Some(reason) = ended.frame_too_large() {
        let reason = format!("{reason} (wireFormat.maxFrameSize)");
        let exception = Some(Throwable::new(IO_EXCEPTION, reason.as_str()));
        let error = ConnectionError { exception, ..ConnectionError::default() };
        outbox.push(Command::ConnectionError(error));
    }
    outbox.close();
    if matches!(ended, End::Refused) || ended.frame_too_large().is_some() {
        // It has the time that it takes to read and go.
        let _ = timeout(FAREWELL, receiver.discard()).await;
    }
    drop(receiver);
    if timeout(FAREWELL, &mut pump).await.is_err() {
        outbox.abort();
        pump.abort();
    }
}

/// Java's class for what is wrong with a link, which every JMS client has.
const IO_EXCEPTION: &str = "java.io.IOException";

/// Why a connection ended.
enum End {
    /// The peer left as it should.
    Left,
    /// The peer was told that it cannot stay.
    Refused,
    /// The link broke, or carried what is not OpenWire.
    Broken(LinkError),
    /// The peer did not open its connection in time.
    Silent,
    /// The broker ends it.
    Asked,
}

impl End {
    fn of(flow: Flow) -> Option<Self> {
        match flow {
            Flow::Continue => None,
            Flow::End => Some(Self::Left),
            Flow::Refused => Some(Self::Refused),
        }
    }

    /// What is wrong with a frame that is larger than was agreed.
    fn frame_too_large(&self) -> Option<&DecodeError> {
        match self {
            Self::Broken(LinkError::Decode {
                source: source @ DecodeError::FrameTooLarge { .. },
            }) => Some(source),
            _ => None,
        }
    }

    fn log(&self, remote: &str, open: bool) {
        match self {
            Self::Left | Self::Refused | Self::Asked => {
                tracing::debug!(%remote, "a connection has ended")
            }
            Self::Broken(LinkError::Closed) if !open => {
                tracing::debug!(%remote, "a connection ended before it was opened");
            }
            Self::Broken(error) => tracing::info!(%remote, %error, "a connection is lost"),
            Self::Silent => tracing::info!(%remote, "closing: no ConnectionInfo in time"),
        }
    }
}

/// Reads until the peer has opened its connection; `Some` when the link ends before. What came with
/// the opening is left in `early`.
async fn open(
    peer: &mut Peer,
    receiver: &mut Receiver,
    early: &mut Vec<Command>,
    end: &CancellationToken,
) -> Option<End> {
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            () = end.cancelled() => return Some(End::Asked),
            received = receiver.receive(&mut batch) => {
                if let Err(error) = received {
                    return Some(End::Broken(error));
                }
            }
        }
        let mut commands = batch.into_iter();
        while let Some(command) = commands.next() {
            if let Some(ended) = End::of(peer.handle(command)) {
                return Some(ended);
            }
            if peer.is_open() {
                early.extend(commands);
                wait_for_former(peer).await;
                return None;
            }
        }
    }
}

/// Reads and handles commands until the connection ends.
async fn read(
    peer: &mut Peer,
    receiver: &mut Receiver,
    early: Vec<Command>,
    end: &CancellationToken,
    pace: &Pace,
) -> End {
    let broker = Arc::clone(&peer.broker);
    let mut batch = early;
    let mut leisurely = false;
    loop {
        if let Some(ended) = handle_all(peer, &mut batch).await {
            return ended;
        }
        // Registered before the accounts are asked, so that no release in between is missed.
        let space = broker.memory().space().notified();
        tokio::pin!(space);
        let parked = !peer.parked.is_empty();
        if parked {
            space.as_mut().enable();
            if let Some(ended) = End::of(peer.retry_parked()) {
                return ended;
            }
            if let Some(ended) = await_room(peer).await {
                return ended;
            }
            if let Some(ended) = End::of(peer.refuse_overdue()) {
                return ended;
            }
        }
        if peer.held_answers.want_room() {
            space.as_mut().enable();
        }
        peer.held_answers.await_safety(&broker, &peer.outbox);
        peer.held_answers.send_following(&peer.outbox).await;
        let waiting = !peer.parked.is_empty() || peer.held_answers.want_room();
        let unread = peer.parked.is_full(peer.is_network) || peer.held_answers.is_full();
        let heard = peer.held_answers.heard();
        let outbox = peer.outbox.clone();
        let most = peer.most_outbound();
        let pull_end = peer.pulls.next_end();
        let overdue = peer.parked.next_deadline();
        tokio::select! {
            biased;
            () = end.cancelled() => return End::Asked,
            () = space, if waiting => {}
            () = at(overdue), if overdue.is_some() => {}
            () = at(pull_end), if pull_end.is_some() => peer.end_pulls(),
            () = news(heard), if heard.is_some() => peer.held_answers.release(&broker, &peer.outbox),
            // Who is not read is still written to, and that fails when the peer is gone.
            () = outbox.closed(), if unread => return End::Broken(LinkError::Aborted),
            received = receive(receiver, peer, most, leisurely && !waiting, &mut batch), if !unread => {
                if let Err(error) = received {
                    return End::Broken(error);
                }
                pace.arrived(batch.len(), batch.iter().any(|command| peer.awaits(command)));
                leisurely = pace.is_stream()
                    && batch.len() < ENOUGH
                    && peer.can_leave_unread(&batch);
            }
        }
    }
}

/// Handles what was received; `Some` when the connection ends with it.
async fn handle_all(peer: &mut Peer, batch: &mut Vec<Command>) -> Option<End> {
    for command in batch.drain(..) {
        if let Some(ended) = End::of(peer.handle(command)) {
            return Some(ended);
        }
        wait_for_former(peer).await;
        if let Some(ended) = await_room(peer).await {
            return Some(ended);
        }
    }
    None
}

/// Gives the store a moment to make room for a transaction that ends; then it is done, or refused:
/// what would be put off would hold up all others. `Some` when the connection ends with it.
async fn await_room(peer: &mut Peer) -> Option<End> {
    while let Some(step) = peer.transactions.lacking.take() {
        let broker = Arc::clone(&peer.broker);
        let until = Instant::now() + ROOM;
        loop {
            // Registered before the store is asked, so that its word is not missed.
            let room = broker.memory().space().notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if !peer.lacks_room(&step) || timeout_at(until, room).await.is_err() {
                break;
            }
        }
        if let Some(ended) = End::of(peer.take_lacking(&step)) {
            return Some(ended);
        }
    }
    None
}

async fn wait_for_former(peer: &mut Peer) {
    if let Some(former) = peer.former.take() {
        // It was told to end and waits for nothing; the limit is for what nobody foresaw.
        if timeout(FAREWELL, former.gone()).await.is_err() {
            tracing::warn!(remote = %peer.remote, "the former connection does not end");
        }
    }
}

/// Waits until `then`; for ever without it.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// Waits until the store has settled more.
async fn news(heard: Option<Arc<Heard>>) {
    match heard {
        Some(heard) => heard.news().await,
        None => std::future::pending().await,
    }
}

/// Reads from a peer that reads what it is sent. One that does not is not read either.
///
/// `leisurely`, it waits for some more first: each reading has its price.
async fn receive(
    receiver: &mut Receiver,
    peer: &Peer,
    most: usize,
    leisurely: bool,
    batch: &mut Vec<Command>,
) -> Result<(), LinkError> {
    if leisurely {
        sleep(UNREAD).await;
    }
    peer.outbox.drained_below(most).await;
    receiver.receive(batch).await
}
