//! What a destination decides, for its owner to carry out.

use std::sync::Arc;

use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::handed::MarkRecord;

/// A subscription within its queue; reused after the subscription is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey(pub(super) usize);

impl SubscriptionKey {
    /// Position in a table of the queue's subscriptions.
    pub fn index(self) -> usize {
        self.0
    }
}

/// A message on its way to a subscription.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// To whom.
    pub to: SubscriptionKey,
    /// What.
    pub message: Arc<Message>,
    /// How often it has been delivered before.
    pub redeliveries: i32,
    /// Whether it goes over a bridge, to another broker.
    pub onward: bool,
}

/// A message that nobody will get, and why.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The message.
    pub message: Arc<Message>,
    /// Why, in words; goes into a property of the dead letter.
    pub cause: Text,
}

/// The outcome of one input to a destination. Dispatches are handed over while the destination is
/// still locked (their order is the order of messages); the rest after that.
#[derive(Debug, Default)]
pub struct Effects {
    /// Messages to hand to consumers, in order.
    pub dispatches: Vec<Dispatch>,
    /// Messages to show to browsers, in order.
    pub shown: Vec<Dispatch>,
    /// Who is to be told, after all that, that nothing more comes: a browser has seen all, or a
    /// message that was pulled did not come.
    pub ended: Vec<SubscriptionKey>,
    /// Places of persistent messages that were consumed.
    pub consumed: Vec<i64>,
    /// Messages that expired before anyone got them.
    pub expired: Vec<Arc<Message>>,
    /// Messages that a consumer refused for good.
    pub dead_letters: Vec<DeadLetter>,
    /// What a store must know of what bridges are handed, before they are.
    pub marks: Vec<MarkRecord>,
    /// How many messages were held for the broker that may have them, and are not any more.
    pub doubtful: usize,
}

impl Effects {
    /// Makes a message a dead letter.
    pub(super) fn bury(&mut self, message: Arc<Message>, cause: Text) {
        self.dead_letters.push(DeadLetter { message, cause });
    }
}
