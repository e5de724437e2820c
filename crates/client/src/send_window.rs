//! How much a producer may send before the broker says that it has room.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The window of a producer: bytes sent one-way and not yet confirmed by a `ProducerAck`.
///
/// As in ActiveMQ, a message is sent while the window is not full, even if it overfills it;
/// otherwise a message larger than the window could never be sent.
#[derive(Debug)]
pub(crate) struct SendWindow {
    size: usize,
    /// Bytes out, or nothing once the window no longer counts.
    used: Mutex<Option<usize>>,
    freed: Notify,
}

impl SendWindow {
    /// An empty window of this size.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, used: Mutex::new(Some(0)), freed: Notify::new() }
    }

    /// Waits until the window is not full, and takes these bytes of it.
    pub(crate) async fn reserve(&self, bytes: usize) {
        loop {
            let freed = self.freed.notified();
            {
                let mut used = self.used.lock();
                match &mut *used {
                    None => return,
                    Some(used) if *used < self.size => {
                        *used = used.saturating_add(bytes);
                        if *used < self.size {
                            self.freed.notify_one();
                        }
                        return;
                    }
                    Some(_) => {}
                }
            }
            freed.await;
        }
    }

    /// The broker has room for these bytes again.
    pub(crate) fn give_back(&self, bytes: usize) {
        if let Some(used) = &mut *self.used.lock() {
            *used = used.saturating_sub(bytes);
        }
        self.freed.notify_one();
    }

    /// What was out is lost with its link, and the window empty again.
    pub(crate) fn reset(&self) {
        if let Some(used) = &mut *self.used.lock() {
            *used = 0;
        }
        self.freed.notify_one();
    }

    /// Nobody will give anything back; whoever waits shall find out what happened.
    pub(crate) fn open_for_good(&self) {
        *self.used.lock() = None;
        self.freed.notify_waiters();
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;

    #[tokio::test]
    async fn a_full_window_waits_for_room() {
        let window = std::sync::Arc::new(SendWindow::new(100));
        window.reserve(80).await;
        window.reserve(80).await;
        let waiting = tokio::spawn({
            let window = window.clone();
            async move { window.reserve(10).await }
        });
        yield_now().await;
        assert!(!waiting.is_finished(), "160 of 100 bytes are out");
        window.give_back(60);
        yield_now().await;
        yield_now().await;
        assert!(!waiting.is_finished(), "100 of 100 bytes are out");
        window.give_back(1);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_lost_connection_opens_every_window() {
        let window = std::sync::Arc::new(SendWindow::new(1));
        window.reserve(1).await;
        let waiting = tokio::spawn({
            let window = window.clone();
            async move { window.reserve(1).await }
        });
        yield_now().await;
        window.open_for_good();
        waiting.await.unwrap();
    }
}
