//! A message in a queue.

use std::sync::Arc;

use ferrymq_openwire::message::Message;
use ferrymq_transport::clock::WallOffset;

use super::memory::{Charge, SharedCharge};
use super::spooled::Spooled;
use crate::transaction::Tag;

/// A message that a queue holds, waiting or dispatched.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    /// Its place in the queue's order: the broker's sequence number.
    pub(super) sequence: i64,
    /// How often it has been delivered before.
    pub(super) redeliveries: i32,
    /// The open transaction in which it was acknowledged.
    pub(super) held_by: Option<Tag>,
    /// The message's own, by the wall clock, at hand: by the time it is asked again, the message is far from the
    /// processor.
    pub(super) expiration: i64,
    /// Whether a store keeps it until it is settled.
    pub(super) persistent: bool,
    /// The store keeps no message of this queue between this place and its own.
    pub(super) follows: i64,
    /// Set while a temporary store has a message that no other one keeps.
    pub(super) spooled: Option<Spooled>,
    /// Given back when the entry goes.
    pub(super) charge: Held,
}

/// What a message counts as, while an entry holds it.
#[derive(Debug)]
pub(super) enum Held {
    /// On this entry's own account.
    Alone(Charge),
    /// Once for all who hold the same message.
    Shared(SharedCharge),
}

impl Entry {
    /// Whether some store has it, so that it need not wait in memory.
    pub(super) fn is_kept(&self) -> bool {
        self.persistent || self.spooled.is_some()
    }

    /// What it counts as.
    pub(super) fn bytes(&self) -> u64 {
        match &self.charge {
            Held::Alone(charge) => charge.bytes(),
            Held::Shared(charge) => charge.bytes(),
        }
    }

    /// Whether its time is over, which its sender's clock told.
    pub(super) fn has_expired(&self, now: i64, offset: &WallOffset) -> bool {
        self.expiration > 0 && self.expiration < offset.wall(now)
    }
}
