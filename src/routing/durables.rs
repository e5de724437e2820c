//! Which durable subscriptions there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_network::rules::permit::Permits;

use super::durable_name::{DurableError, DurableName};
use super::durable_subscriber::DurableSubscriber;
use super::topic_set::TopicSet;

/// How many durable subscriptions a broker keeps: clients make them by naming them.
const MOST: usize = 100_000;
/// How many bytes of descriptions it keeps for them.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The durable subscriptions of a broker, active or not, by name.
#[derive(Default)]
pub(super) struct Durables {
    kept: BTreeMap<DurableName, Kept>,
    bytes: usize,
}

/// A durable subscription and where it stands.
pub(super) struct Kept {
    pub(super) subscriber: Arc<DurableSubscriber>,
    pub(super) topics: Arc<TopicSet>,
    /// A bridge's: which of the topics that its patterns match it has.
    pub(super) permits: Option<Arc<Permits>>,
    /// Of its last description.
    bytes: usize,
}

impl Durables {
    pub(super) fn get(&self, name: &DurableName) -> Option<&Kept> {
        self.kept.get(name)
    }

    /// Whether there is room for a description of so many bytes, in place of the one that `name`
    /// may have.
    pub(super) fn check_room(&self, name: &DurableName, bytes: usize) -> Result<(), DurableError> {
        let former = self.kept.get(name);
        let count = self.kept.len() + usize::from(former.is_none());
        let total = self.bytes.saturating_sub(former.map_or(0, |kept| kept.bytes));
        if count > MOST || total.saturating_add(bytes) > MOST_BYTES {
            return Err(DurableError::TooMany { most: MOST, bytes: MOST_BYTES });
        }
        Ok(())
    }

    pub(super) fn insert(
        &mut self,
        subscriber: Arc<DurableSubscriber>,
        topics: Arc<TopicSet>,
        permits: Option<Arc<Permits>>,
        bytes: usize,
    ) {
        self.bytes += bytes;
        self.kept.insert(subscriber.name().clone(), Kept { subscriber, topics, permits, bytes });
    }

    /// Notes which topics a subscription has from now on.
    pub(super) fn permit(&mut self, name: &DurableName, permits: Option<Arc<Permits>>) {
        if let Some(kept) = self.kept.get_mut(name) {
            kept.permits = permits;
        }
    }

    /// A new consumer's description takes the place of the last one's.
    pub(super) fn describe(&mut self, name: &DurableName, bytes: usize) {
        if let Some(kept) = self.kept.get_mut(name) {
            self.bytes = self.bytes.saturating_sub(kept.bytes) + bytes;
            kept.bytes = bytes;
        }
    }

    pub(super) fn remove(&mut self, name: &DurableName) -> Option<Kept> {
        let kept = self.kept.remove(name)?;
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        Some(kept)
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<Arc<DurableSubscriber>> {
        self.kept.values().map(|kept| Arc::clone(&kept.subscriber)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_their_descriptions() {
        let name = |name: &str| DurableName { client: "c".into(), name: name.into() };
        let mut durables = Durables::default();
        assert!(durables.check_room(&name("a"), MOST_BYTES).is_ok());
        assert!(durables.check_room(&name("a"), MOST_BYTES + 1).is_err());
        durables.bytes = MOST_BYTES - 10;
        assert!(durables.check_room(&name("a"), 10).is_ok());
        assert!(durables.check_room(&name("a"), 11).is_err());
    }
}
