//! Writes an outbox to a stream.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use ferrymq_openwire::codec::encoder::Encoder;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::KeepAliveInfo;
use ferrymq_openwire::negotiate::Negotiated;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, timeout};

use crate::link::error::LinkError;
use crate::link::spare::{Spare, timer_at};
use crate::outbox::{Outbox, Phase};

/// A write is about this large while there is enough to send.
const CHUNK: usize = 256 * 1024;
/// How long a closing link waits for a peer that takes nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Encodes batches of commands, writes them, and keeps the link alive when there are none.
pub(crate) struct StreamPump {
    outbox: Outbox,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    encoder: Encoder,
    /// Taken from the outbox and not yet encoded.
    taken: VecDeque<Command>,
    /// Encoded and not yet written.
    buffer: BytesMut,
    keep_alive: Option<KeepAlive>,
    spare: Spare,
    /// Everything was sent and the direction closed; the other direction may go on.
    finished: bool,
}

/// Every `interval` one look: if nothing was sent since the last, a KeepAliveInfo goes out.
struct KeepAlive {
    interval: Duration,
    timer: Pin<Box<Sleep>>,
    sent_since: bool,
}

impl StreamPump {
    pub(crate) fn new(
        outbox: Outbox,
        writer: Box<dyn AsyncWrite + Send + Unpin>,
        negotiated: &Negotiated,
    ) -> Self {
        let keep_alive = negotiated.keep_alive.map(|interval| KeepAlive {
            interval,
            timer: timer_at(Instant::now() + negotiated.initial_delay),
            // The WireFormatInfo was.
            sent_since: true,
        });
        Self {
            outbox,
            writer,
            encoder: Encoder::new(negotiated.format),
            taken: VecDeque::new(),
            buffer: BytesMut::new(),
            keep_alive,
            spare: Spare::default(),
            finished: false,
        }
    }

    pub(crate) async fn run(mut self) -> Result<(), LinkError> {
        let result = self.work().await;
        if !self.finished {
            // The peer is told, if that needs no waiting.
            poll_fn(|cx| {
                let _ = Pin::new(&mut self.writer).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
        result
    }

    async fn work(&mut self) -> Result<(), LinkError> {
        loop {
            match self.outbox.take_all(&mut self.taken) {
                Phase::Aborted => return Ok(()),
                _ if !self.taken.is_empty() => self.send_taken().await?,
                Phase::Closing => return self.finish().await,
                Phase::Open => self.rest().await?,
            }
        }
    }

    async fn send_taken(&mut self) -> Result<(), LinkError> {
        while !self.taken.is_empty() {
            let chunk = self.encode_chunk();
            // What precedes a command that fails is still good.
            if !self.write_buffer().await? {
                return Ok(());
            }
            self.outbox.passed_on(chunk.encoded);
            if let Some(error) = chunk.error {
                return Err(error);
            }
        }
        self.writer.flush().await?;
        Ok(())
    }

    fn encode_chunk(&mut self) -> Chunk {
        let mut chunk = Chunk { encoded: 0, error: None };
        if self.buffer.is_empty() {
            // Start over at the front: otherwise the second chunk would be moved there half-way.
            let _reclaimed = self.buffer.try_reclaim(self.buffer.capacity() + 1);
        }
        while self.buffer.len() < CHUNK
            && let Some(command) = self.taken.pop_front()
        {
            if let Err(source) = self.encoder.encode(&command, &mut self.buffer) {
                let command = command.wire_name();
                chunk.error = Some(LinkError::Encode { command, source });
                break;
            }
            chunk.encoded += 1;
        }
        chunk
    }

    /// `false`: the outbox was aborted meanwhile.
    async fn write_buffer(&mut self) -> Result<bool, LinkError> {
        let mut deadline = None;
        while !self.buffer.is_empty() {
            let written = tokio::select! {
                biased;
                written = self.writer.write(&self.buffer) => written?,
                () = self.outbox.changed() => {
                    match self.outbox.phase() {
                        Phase::Open => {}
                        Phase::Closing => {
                            deadline.get_or_insert_with(|| timer_at(Instant::now() + PATIENCE));
                        }
                        Phase::Aborted => return Ok(false),
                    }
                    continue;
                }
                () = elapsed(&mut deadline) => {
                    return Err(LinkError::Stalled { waited: PATIENCE, unsent: self.buffer.len() });
                }
            };
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            self.buffer.advance(written);
            self.outbox.traffic().add_sent(written);
            if let Some(timer) = &mut deadline {
                timer.as_mut().reset(Instant::now() + PATIENCE);
            }
            if let Some(keep_alive) = &mut self.keep_alive {
                keep_alive.sent_since = true;
            }
        }
        self.spare.keep(true);
        Ok(true)
    }

    /// Waits for something to do.
    async fn rest(&mut self) -> Result<(), LinkError> {
        tokio::select! {
            biased;
            () = self.outbox.changed() => {}
            () = due(&mut self.keep_alive) => self.send_keep_alive().await?,
            () = self.spare.unneeded() => {
                self.buffer = BytesMut::new();
                self.taken = VecDeque::new();
                self.outbox.release_capacity();
            }
        }
        Ok(())
    }

    async fn send_keep_alive(&mut self) -> Result<(), LinkError> {
        let Some(keep_alive) = &mut self.keep_alive else { return Ok(()) };
        keep_alive.timer.as_mut().reset(Instant::now() + keep_alive.interval);
        if std::mem::take(&mut keep_alive.sent_since) {
            return Ok(());
        }
        let command = Command::KeepAliveInfo(KeepAliveInfo::default());
        self.encoder
            .encode(&command, &mut self.buffer)
            .map_err(|source| LinkError::Encode { command: command.wire_name(), source })?;
        if self.write_buffer().await? {
            self.writer.flush().await?;
        }
        // As in ActiveMQ, a keep-alive does not excuse the next one: one goes out per interval.
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.sent_since = false;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), LinkError> {
        let shut = match timeout(PATIENCE, self.writer.shutdown()).await {
            Err(_) => Err(LinkError::Stalled { waited: PATIENCE, unsent: 0 }),
            // The peer was quicker.
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            Ok(shut) => shut.map_err(LinkError::from),
        };
        self.finished = shut.is_ok();
        shut
    }
}

struct Chunk {
    encoded: usize,
    error: Option<LinkError>,
}

impl Drop for StreamPump {
    fn drop(&mut self) {
        if !self.finished {
            self.outbox.abort();
        }
    }
}

async fn due(keep_alive: &mut Option<KeepAlive>) {
    match keep_alive {
        Some(keep_alive) => keep_alive.timer.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn elapsed(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(timer) => timer.as_mut().await,
        None => std::future::pending().await,
    }
}
