//! The two halves of one end of a stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::lane::{Lane, Progress};

/// What the other end sends.
pub(super) struct ReadHalf {
    lane: Arc<Lane>,
    alarm: Alarm,
}

/// What goes to the other end.
pub(super) struct WriteHalf {
    lane: Arc<Lane>,
    alarm: Alarm,
}

/// Wakes a half when something that is underway arrives.
#[derive(Default)]
struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl ReadHalf {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self { lane, alarm: Alarm::default() }
    }
}

impl WriteHalf {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self { lane, alarm: Alarm::default() }
    }
}

impl Alarm {
    /// Whether the time has already come.
    fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = match &mut self.timer {
            Some(timer) => {
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                timer
            }
            None => self.timer.insert(Box::pin(sleep_until(at))),
        };
        timer.as_mut().poll(cx)
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let half = &mut *self;
        poll_with(&mut half.alarm, cx, |cx| half.lane.poll_read(into, cx))
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let half = &mut *self;
        poll_with(&mut half.alarm, cx, |cx| half.lane.poll_write(bytes, cx))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lane.finish();
        Poll::Ready(Ok(()))
    }
}

fn poll_with<T>(
    alarm: &mut Alarm,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&Context<'_>) -> Progress<T>,
) -> Poll<io::Result<T>> {
    loop {
        match poll(cx) {
            Progress::Done(result) => return Poll::Ready(result),
            Progress::Wait(None) => return Poll::Pending,
            Progress::Wait(Some(at)) => std::task::ready!(alarm.poll(at, cx)),
        }
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        self.lane.abandon();
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        self.lane.finish();
    }
}
