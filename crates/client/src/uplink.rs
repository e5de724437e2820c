//! The way to the broker: whichever link is current.

use std::sync::atomic::{AtomicI32, Ordering};

use ferrymq_openwire::command::Command;
use ferrymq_transport::outbox::Outbox;
use parking_lot::{Mutex, RwLock};

use crate::error::ConnectionLost;

/// Hands commands to the current link, and numbers them.
///
/// Everything above sends through this and never sees a link, so that a connection which fails over
/// can put another one in its place.
#[derive(Debug)]
pub(crate) struct Uplink {
    outbox: RwLock<Outbox>,
    /// The number of the next command; they start at 1 and may wrap.
    next_command: AtomicI32,
    /// Why nothing can be sent any more.
    lost: Mutex<Option<ConnectionLost>>,
}

impl Uplink {
    /// Sends over this link.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self {
            outbox: RwLock::new(outbox),
            next_command: AtomicI32::new(1),
            lost: Mutex::new(None),
        }
    }

    /// A number for a command.
    pub(crate) fn number(&self) -> i32 {
        self.next_command.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a command that has its number already. `false`: the link is closed.
    pub(crate) fn send(&self, command: Command) -> bool {
        self.outbox.read().push(command)
    }

    /// Numbers these acknowledgements and sends them together. `false`: the link is closed.
    pub(crate) fn send_acks(&self, acks: &mut Vec<Command>) -> bool {
        for command in acks.iter_mut() {
            if let Command::MessageAck(ack) = command {
                ack.command_id = self.number();
            }
        }
        let sent = self.outbox.read().push_all(acks);
        acks.clear();
        sent
    }

    /// How many commands wait to be written.
    pub(crate) fn pending(&self) -> usize {
        self.outbox.read().pending()
    }

    /// Waits until fewer commands than this wait to be written, or the link is closed.
    pub(crate) async fn drained_below(&self, commands: usize) {
        let outbox = self.outbox.read().clone();
        outbox.drained_below(commands).await;
    }

    /// Takes nothing more; what waits is still written.
    pub(crate) fn close(&self) {
        self.outbox.read().close();
    }

    /// Takes nothing more, and drops what waits.
    pub(crate) fn abort(&self) {
        self.outbox.read().abort();
    }

    /// Nothing can be sent any more, for this reason; the first one stays.
    pub(crate) fn lose(&self, reason: ConnectionLost) {
        self.lost.lock().get_or_insert(reason);
    }

    /// Why nothing can be sent any more.
    pub(crate) fn lost(&self) -> ConnectionLost {
        let known = self.lost.lock().clone();
        known.unwrap_or_else(|| ConnectionLost::new("the link is closed"))
    }
}
