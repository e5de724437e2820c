//! Messages that several durable subscriptions have, when a broker starts.

use std::collections::HashMap;
use std::sync::Arc;

use ferrymq_openwire::message::Message;

use crate::destination::{MemoryAccount, SharedCharge};

/// What was read for one subscription is not held once more for the next one.
pub(super) struct SharedMessages {
    /// By their places, of which a message has one, whoever has it; none if nobody shares.
    read: Option<HashMap<i64, (Arc<Message>, SharedCharge)>>,
}

impl SharedMessages {
    /// Those of so many subscriptions.
    pub(super) fn among(subscriptions: usize) -> Self {
        Self { read: (subscriptions > 1).then(HashMap::new) }
    }

    /// A message that was read, with what it counts as: once for all who have it.
    pub(super) fn share(
        &mut self,
        message: Message,
        account: &Arc<MemoryAccount>,
    ) -> (Arc<Message>, SharedCharge) {
        let place = message.broker_sequence_id();
        let known = self.read.as_ref().and_then(|read| read.get(&place));
        if let Some((known, charge)) = known.filter(|(known, _)| **known == message) {
            return (Arc::clone(known), Arc::clone(charge));
        }
        let charge = Arc::new(account.charge(message.size()));
        let shared = (Arc::new(message), charge);
        if let Some(read) = &mut self.read {
            read.insert(place, shared.clone());
        }
        shared
    }
}
