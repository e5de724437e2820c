//! A link and its parts.

use ferrymq_openwire::negotiate::Negotiated;

use crate::link::peer::PeerAddress;
use crate::link::pump::Pump;
use crate::link::receiver::Receiver;
use crate::outbox::Outbox;

/// A pair of command streams with one peer.
///
/// The parts are meant to be taken apart: one task receives, any number push to clones of the
/// outbox, and a task of its own runs the pump. The halves watch each other: when the pump ends,
/// the outbox is closed; when the receiver fails, the pump ends; when the receiver is dropped, the
/// outbox is closed and what is queued still goes out.
#[derive(Debug)]
pub struct Link {
    /// What the peer sends.
    pub receiver: Receiver,
    /// What goes to the peer.
    pub outbox: Outbox,
    /// Moves the outbox to the peer while it runs.
    pub pump: Pump,
    /// Who the peer is.
    pub peer: PeerAddress,
    /// What both ends agreed on; a pipe needs no agreement.
    pub negotiated: Option<Negotiated>,
}

impl Link {
    /// The largest frame that both ends agreed on, in bytes; a pipe takes any.
    pub fn largest_frame(&self) -> u64 {
        self.negotiated.as_ref().map_or(u64::MAX, |agreed| agreed.format.max_frame_size)
    }
}
