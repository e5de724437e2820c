//! What one conversation has not read yet.

use std::collections::VecDeque;

use ferrymq_openwire::command::Command;
use ferrymq_transport::outbox::Outbox;

/// How much may wait for one of the two conversations before the link is not read any more, which
/// stops the other one too. A FerryMQ bridge never has so much on its way (12288 messages, or
/// 12 MiB and one message), so that between FerryMQ brokers one full direction does not stop the other.
const MOST_COMMANDS: usize = 32 * 1024;
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// What a command counts that holds no message.
const SMALL: usize = 128;

/// Hands commands to one conversation, and knows how many bytes of them wait there.
pub(super) struct Backlog {
    outbox: Outbox,
    batch: Vec<Command>,
    /// Of the commands that wait, in their order.
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl Backlog {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self { outbox, batch: Vec::new(), sizes: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn add(&mut self, command: Command) {
        let size = match &command {
            Command::Message(message) => SMALL + message.size(),
            _ => SMALL,
        };
        self.sizes.push_back(size);
        self.bytes += size;
        self.batch.push(command);
    }

    /// Hands over what was added. A conversation that is over takes nothing, which is nobody's
    /// fault: the link ends with it.
    pub(super) fn hand_over(&mut self) {
        self.outbox.push_all(&mut self.batch);
    }

    /// Waits until more may be added.
    pub(super) async fn has_room(&mut self) {
        loop {
            let pending = self.outbox.pending();
            while self.sizes.len() > pending {
                self.bytes -= self.sizes.pop_front().unwrap_or_default();
            }
            let full = pending >= MOST_COMMANDS || self.bytes >= MOST_BYTES;
            if !full || self.outbox.is_closed() {
                return;
            }
            self.outbox.drained_below(pending).await;
        }
    }

    pub(super) fn close(&self) {
        self.outbox.close();
    }
}
