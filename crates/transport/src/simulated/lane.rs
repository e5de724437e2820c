//! One direction of one stream.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::{Buf, Bytes};
use fastrand::Rng;
use parking_lot::Mutex;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::direction::Direction;

/// Both directions of one stream.
pub(super) struct Duct {
    /// From the dialer to the acceptor.
    pub(super) there: Lane,
    pub(super) back: Lane,
}

/// Bytes on their way from one end of a stream to the other.
///
/// Lock order: a lane's state, then its direction.
pub(super) struct Lane {
    state: Mutex<State>,
    direction: Arc<Mutex<Direction>>,
}

struct State {
    /// In order: none is read before those in front of it, whenever it arrives.
    pieces: VecDeque<Piece>,
    /// Bytes in `pieces`.
    underway: usize,
    /// When the reader learns that the writer has finished.
    end: Option<Instant>,
    reader_gone: bool,
    reader: Side,
    writer: Side,
    random: Rng,
}

struct Piece {
    arrives: Instant,
    bytes: Bytes,
}

/// What one end waits for and what it will be told.
#[derive(Default)]
struct Side {
    waker: Option<Waker>,
    reset: Option<Reset>,
}

/// The end of a stream by force.
#[derive(Clone, Copy)]
struct Reset {
    at: Instant,
    /// It happens on this end's own host, so that no silence hides it.
    own: bool,
}

/// Which end of a lane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Reader,
    Writer,
}

/// The answer to a poll; waiting may have a time at which to look again.
pub(super) enum Progress<T> {
    Done(io::Result<T>),
    Wait(Option<Instant>),
}

impl Lane {
    pub(super) fn new(direction: Arc<Mutex<Direction>>, random: Rng) -> Self {
        Self {
            direction,
            state: Mutex::new(State {
                pieces: VecDeque::new(),
                underway: 0,
                end: None,
                reader_gone: false,
                reader: Side::default(),
                writer: Side::default(),
                random,
            }),
        }
    }

    pub(super) fn poll_read(&self, into: &mut ReadBuf<'_>, cx: &Context<'_>) -> Progress<()> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let direction = self.direction.lock();
        if state.reader.is_reset(&direction, now) {
            return Progress::Done(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut read = 0;
        while into.remaining() > 0
            && let Some(piece) = state.pieces.front_mut()
            && direction.has_arrived(piece.arrives, now)
        {
            let part = piece.bytes.split_to(piece.bytes.len().min(into.remaining()));
            into.put_slice(&part);
            read += part.len();
            if !piece.bytes.has_remaining() {
                state.pieces.pop_front();
            }
        }
        state.underway -= read;
        let ended =
            state.pieces.is_empty() && state.end.is_some_and(|end| direction.has_arrived(end, now));
        if read > 0 || ended || into.remaining() == 0 {
            wake(&mut state.writer.waker);
            return Progress::Done(Ok(()));
        }
        state.reader.waker = Some(cx.waker().clone());
        let next = state.pieces.front().map(|piece| piece.arrives).or(state.end);
        Progress::Wait(soonest(next, &state.reader, &direction))
    }

    pub(super) fn poll_write(&self, bytes: &[u8], cx: &Context<'_>) -> Progress<usize> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut direction = self.direction.lock();
        if state.writer.is_reset(&direction, now) || state.end.is_some() {
            return Progress::Done(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.reader_gone {
            // The news is still underway.
            return Progress::Done(Ok(bytes.len()));
        }
        let room = direction.conditions.buffer.max(1).saturating_sub(state.underway);
        let accepted = bytes.len().min(room);
        if accepted == 0 && !bytes.is_empty() {
            state.writer.waker = Some(cx.waker().clone());
            return Progress::Wait(soonest(None, &state.writer, &direction));
        }
        for piece in bytes.get(..accepted).unwrap_or_default().chunks(direction.conditions.piece())
        {
            let arrives = direction.send(piece.len(), now, &mut state.random);
            state.pieces.push_back(Piece { arrives, bytes: Bytes::copy_from_slice(piece) });
        }
        state.underway += accepted;
        wake(&mut state.reader.waker);
        Progress::Done(Ok(accepted))
    }

    /// The writer has finished; what it wrote still arrives.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        let latency = self.direction.lock().conditions.latency;
        if state.end.is_none() {
            state.end = Some(Instant::now() + latency);
            wake(&mut state.reader.waker);
        }
    }

    /// The reader is gone; the writer will learn of it.
    pub(super) fn abandon(&self) {
        let mut state = self.state.lock();
        let latency = self.direction.lock().conditions.latency;
        state.reader_gone = true;
        state.pieces.clear();
        state.underway = 0;
        state.writer.reset.get_or_insert(Reset { at: Instant::now() + latency, own: false });
        wake(&mut state.writer.waker);
    }

    /// Ends the stream by force, at one of its ends.
    ///
    /// The end on the host where it happens notices at once, the other when the news arrives.
    pub(super) fn reset(&self, end: End, own: bool) {
        let mut state = self.state.lock();
        let latency = self.direction.lock().conditions.latency;
        let now = Instant::now();
        let at = if own { now } else { now + latency };
        let side = state.side(end);
        if side.reset.is_none_or(|reset| own && !reset.own) {
            side.reset = Some(Reset { at, own });
        }
        wake(&mut side.waker);
    }

    /// The silence is about to end: what it swallowed is sent again, as TCP would.
    pub(super) fn resend(&self) {
        let mut state = self.state.lock();
        let direction = self.direction.lock();
        let Some(since) = direction.silent_since else { return };
        let earliest = Instant::now() + direction.conditions.latency;
        let again = |at: Instant| if at > since { at.max(earliest) } else { at };
        for piece in &mut state.pieces {
            piece.arrives = again(piece.arrives);
        }
        state.end = state.end.map(again);
        for end in [End::Reader, End::Writer] {
            if let Some(reset) = &mut state.side(end).reset {
                reset.at = again(reset.at);
            }
        }
    }

    /// Both ends look again: conditions have changed.
    pub(super) fn wake(&self) {
        let mut state = self.state.lock();
        wake(&mut state.reader.waker);
        wake(&mut state.writer.waker);
    }
}

impl State {
    fn side(&mut self, end: End) -> &mut Side {
        match end {
            End::Reader => &mut self.reader,
            End::Writer => &mut self.writer,
        }
    }
}

impl Side {
    fn is_reset(&self, direction: &Direction, now: Instant) -> bool {
        self.reset.is_some_and(|reset| match reset.own {
            true => reset.at <= now,
            false => direction.has_arrived(reset.at, now),
        })
    }
}

/// When to look again; in a silence only another event can tell.
fn soonest(next: Option<Instant>, side: &Side, direction: &Direction) -> Option<Instant> {
    let reset = side.reset.map(|reset| reset.at);
    match direction.silent_since {
        Some(since) => next.into_iter().chain(reset).filter(|at| *at <= since).min(),
        None => next.into_iter().chain(reset).min(),
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
