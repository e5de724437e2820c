//! Reads commands from a stream.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::ready;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use ferrymq_openwire::codec::decoder::Decoder;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::KeepAliveInfo;
use ferrymq_openwire::error::DecodeError;
use ferrymq_openwire::negotiate::Negotiated;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::link::batch::LARGEST_BATCH;
use crate::link::error::LinkError;
use crate::link::spare::{Spare, timer_at};
use crate::outbox::{Outbox, Phase};

/// What a read may bring while the peer is busy.
const BUSY: usize = 64 * 1024;
/// What a read may bring to a link that has been quiet, and the most that an idle one keeps.
const QUIET: usize = 2 * 1024;
/// With so many commands underway to the peer, an answer to its keep-alive tells it nothing.
const ENOUGH_PROOF: usize = 64;

/// Splits bytes into commands and watches that bytes keep coming.
pub(crate) struct StreamReceiver {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    decoder: Decoder,
    /// Whole and partial frames that have not been decoded.
    buffer: BytesMut,
    /// Whether the last read filled what it was offered.
    busy: bool,
    /// Answers to keep-alives go there; aborted when this end gives up.
    outbox: Outbox,
    inactivity: Option<Inactivity>,
    spare: Spare,
    state: State,
}

enum State {
    Open,
    /// Commands came before the failure; they were handed out first.
    Failing(LinkError),
    Ended,
}

/// Every `limit` one look: if no byte came since the last, the peer is dead. The first look is
/// after an initial delay.
struct Inactivity {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    heard_since: bool,
    looked_at: Instant,
}

impl StreamReceiver {
    /// `received` are bytes that followed the peer's WireFormatInfo.
    pub(crate) fn new(
        reader: Box<dyn AsyncRead + Send + Unpin>,
        received: BytesMut,
        outbox: Outbox,
        negotiated: &Negotiated,
    ) -> Self {
        let now = Instant::now();
        let inactivity = negotiated.read_timeout.map(|limit| Inactivity {
            limit,
            timer: timer_at(now + negotiated.initial_delay),
            // The WireFormatInfo was.
            heard_since: true,
            looked_at: now,
        });
        Self {
            reader,
            decoder: Decoder::new(negotiated.format),
            buffer: received,
            busy: false,
            outbox,
            inactivity,
            spare: Spare::default(),
            state: State::Open,
        }
    }

    pub(crate) fn set_max_frame_size(&mut self, bytes: u64) {
        self.decoder.set_max_frame_size(bytes);
    }

    pub(crate) async fn receive(&mut self, batch: &mut Vec<Command>) -> Result<(), LinkError> {
        match std::mem::replace(&mut self.state, State::Open) {
            State::Open => {}
            State::Failing(error) => return Err(self.fail(error)),
            State::Ended => {
                self.state = State::Ended;
                return Err(LinkError::Closed);
            }
        }
        if self.outbox.phase() == Phase::Aborted {
            return Err(self.fail(LinkError::Aborted));
        }
        let before = batch.len();
        loop {
            let decoded = self.decode(batch, before + LARGEST_BATCH);
            match decoded {
                Ok(()) if batch.len() > before => return Ok(()),
                Ok(()) => {}
                Err(error) if batch.len() > before => {
                    self.state = State::Failing(error);
                    return Ok(());
                }
                Err(error) => return Err(self.fail(error)),
            }
            if let Err(error) = self.read_more().await {
                return Err(self.fail(error));
            }
        }
    }

    /// Reads until the peer closes its direction, and makes nothing of it.
    pub(crate) async fn discard(&mut self) {
        loop {
            self.buffer.clear();
            let read = tokio::select! {
                biased;
                read = read(&mut self.reader, &mut self.buffer, BUSY) => read,
                () = self.outbox.aborted() => return,
            };
            if !matches!(read, Ok(1..)) {
                return;
            }
        }
    }

    fn fail(&mut self, error: LinkError) -> LinkError {
        self.state = State::Ended;
        // A peer that only closed its direction may still be waiting for what is queued, and one that
        // sends too large a frame can be told so.
        let listens = matches!(
            error,
            LinkError::Closed | LinkError::Decode { source: DecodeError::FrameTooLarge { .. } }
        );
        if !listens {
            self.outbox.abort();
        }
        error
    }

    /// Decodes complete frames until `batch` holds `limit` commands.
    fn decode(&mut self, batch: &mut Vec<Command>, limit: usize) -> Result<(), LinkError> {
        while batch.len() < limit && !self.buffer.is_empty() {
            let decoded = self.decoder.decode(&mut self.buffer);
            match decoded.map_err(|source| LinkError::Decode { source })? {
                None => return Ok(()),
                Some(Command::KeepAliveInfo(keep_alive)) => {
                    if keep_alive.response_required && self.outbox.pending() < ENOUGH_PROOF {
                        self.outbox.push(Command::KeepAliveInfo(KeepAliveInfo::default()));
                    }
                }
                Some(Command::WireFormatInfo(_)) => return Err(LinkError::RepeatedNegotiation),
                Some(command) => batch.push(command),
            }
        }
        Ok(())
    }

    /// Waits for bytes, but not for ever.
    async fn read_more(&mut self) -> Result<(), LinkError> {
        loop {
            let room = self.room();
            tokio::select! {
                // Bytes that are there prove life, however late the look is.
                biased;
                read = read(&mut self.reader, &mut self.buffer, room) => {
                    return self.after_read(read?, room);
                }
                () = self.outbox.aborted() => return Err(LinkError::Aborted),
                checked = Inactivity::check(&mut self.inactivity) => checked?,
                () = self.spare.unneeded() => {
                    self.busy = false;
                    if self.buffer.is_empty() {
                        self.buffer = BytesMut::new();
                    }
                }
            }
        }
    }

    fn after_read(&mut self, read: usize, room: usize) -> Result<(), LinkError> {
        if read == 0 {
            return Err(match self.buffer.len() {
                0 => LinkError::Closed,
                received => LinkError::Truncated { received },
            });
        }
        self.outbox.traffic().add_received(read);
        if let Some(inactivity) = &mut self.inactivity {
            inactivity.heard_since = true;
        }
        self.busy |= read == room;
        if self.buffer.capacity() > QUIET {
            self.spare.keep(read > QUIET);
        }
        Ok(())
    }

    /// How many bytes the next read may bring.
    ///
    /// A frame that is announced as large gets room as it arrives: never more than has already
    /// come, so that a claim alone costs nothing.
    fn room(&self) -> usize {
        let usual = if self.busy { BUSY } else { QUIET };
        let arrived = self.buffer.len();
        let announced = match self.buffer.get(..4) {
            Some(mut prefix) if self.decoder.format().size_prefix => {
                usize::try_from(prefix.get_i32()).unwrap_or(0).saturating_add(4)
            }
            _ => 0,
        };
        usual.max(announced.saturating_sub(arrived).min(arrived))
    }
}

impl Inactivity {
    /// Completes after each look. Never, when both ends agreed not to look.
    async fn check(inactivity: &mut Option<Self>) -> Result<(), LinkError> {
        let Some(inactivity) = inactivity else { return std::future::pending().await };
        inactivity.timer.as_mut().await;
        let now = Instant::now();
        if !std::mem::take(&mut inactivity.heard_since) {
            let silence = now.duration_since(inactivity.looked_at);
            return Err(LinkError::Inactive { silence, limit: inactivity.limit });
        }
        inactivity.looked_at = now;
        // Counted from now, so that a late look does not shorten the next interval.
        inactivity.timer.as_mut().reset(now + inactivity.limit);
        Ok(())
    }
}

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        // Nobody will hear the peer's answers, so nothing new goes out.
        self.outbox.close();
    }
}

/// Appends up to `room` bytes to `buffer`; 0 means the end. Cancel-safe.
async fn read(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    buffer: &mut BytesMut,
    room: usize,
) -> io::Result<usize> {
    if room > QUIET {
        buffer.reserve(room);
        return reader.read_buf(&mut buffer.limit(room)).await;
    }
    // A quiet link waits without a buffer.
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); QUIET];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *reader).poll_read(cx, &mut space))?;
        buffer.extend_from_slice(space.filled());
        Ok(space.filled().len()).into()
    })
    .await
}
