//! The two halves of one end of a stream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::lane::{Duct, Lane, Progress};
use crate::dial::Stream;
use crate::link::PeerAddress;

/// What the other end sends.
struct ReadHalf {
    duct: Arc<Duct>,
    holder: Holder,
    alarm: Alarm,
}

/// What goes to the other end.
struct WriteHalf {
    duct: Arc<Duct>,
    holder: Holder,
    alarm: Alarm,
}

/// Who holds a half.
#[derive(Clone, Copy)]
pub(super) enum Holder {
    Dialer,
    Acceptor,
}

/// The end of a stream that `holder` gets.
pub(super) fn end(duct: &Arc<Duct>, holder: Holder, peer: PeerAddress) -> Stream {
    let (reads, writes) = (Arc::clone(duct), Arc::clone(duct));
    Stream::new(
        ReadHalf { duct: reads, holder, alarm: Alarm::default() },
        WriteHalf { duct: writes, holder, alarm: Alarm::default() },
        peer,
    )
}

/// Wakes a half when something that is underway arrives.
#[derive(Default)]
struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl ReadHalf {
    fn lane(&self) -> &Lane {
        match self.holder {
            Holder::Dialer => &self.duct.back,
            Holder::Acceptor => &self.duct.there,
        }
    }
}

impl WriteHalf {
    fn lane(&self) -> &Lane {
        match self.holder {
            Holder::Dialer => &self.duct.there,
            Holder::Acceptor => &self.duct.back,
        }
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
        let mut alarm = std::mem::take(&mut self.alarm);
        let polled = poll_with(&mut alarm, cx, |cx| self.lane().poll_read(into, cx));
        self.alarm = alarm;
        polled
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut alarm = std::mem::take(&mut self.alarm);
        let polled = poll_with(&mut alarm, cx, |cx| self.lane().poll_write(bytes, cx));
        self.alarm = alarm;
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lane().finish();
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
        self.lane().abandon();
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        self.lane().finish();
    }
}
