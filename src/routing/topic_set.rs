//! The topics of one subscription's name.

use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;

use super::directory::{Directory, TopicPattern};
use super::queue_handle::Removed;
use super::topic_handle::{Listener, TopicHandle};

/// The topics that a subscription names: some by their names, some by patterns.
pub(super) struct TopicSet {
    exact: Vec<Arc<TopicHandle>>,
    wildcards: Vec<DestinationPattern>,
}

impl TopicSet {
    pub(super) fn new(exact: Vec<Arc<TopicHandle>>, wildcards: Vec<DestinationPattern>) -> Self {
        Self { exact, wildcards }
    }

    /// Lets a subscription have what is published to the topics; of those that a pattern matches,
    /// only what `permits` lets cross. If one of those named has been deleted meanwhile, it has none.
    pub(super) fn attach(
        &self,
        directory: &Directory,
        permits: Option<&Arc<Permits>>,
        listener: &Listener,
    ) -> Result<(), Removed> {
        for topic in &self.exact {
            if topic.attach(listener).is_err() {
                self.exact.iter().for_each(|topic| topic.detach(listener));
                return Err(Removed);
            }
        }
        for pattern in &self.wildcards {
            let pattern = TopicPattern::new(pattern.clone(), permits.cloned(), listener.clone());
            directory.attach_pattern(pattern);
        }
        Ok(())
    }

    /// Changes which topics that a pattern matches a subscription may have.
    pub(super) fn permit_anew(
        &self,
        directory: &Directory,
        permits: Option<&Arc<Permits>>,
        listener: &Listener,
    ) {
        for pattern in &self.wildcards {
            let pattern = TopicPattern::new(pattern.clone(), permits.cloned(), listener.clone());
            directory.permit_anew(pattern);
        }
        for topic in &self.exact {
            // A pattern may match it, too. It stays as long as a durable subscription stands in it.
            let _ = topic.attach(listener);
        }
    }

    /// Whether what it may have of patterns depends on permits.
    pub(super) fn is_by_pattern(&self) -> bool {
        !self.wildcards.is_empty()
    }

    /// Ends what [`attach`](Self::attach) began.
    pub(super) fn detach(&self, directory: &Directory, listener: &Listener) {
        for topic in &self.exact {
            topic.detach(listener);
        }
        for pattern in &self.wildcards {
            directory.detach_pattern(pattern, listener);
        }
    }

    /// Counts what was settled, where it is known of which topic that was.
    pub(super) fn count_settled(&self, messages: usize) {
        if let [topic] = self.exact.as_slice() {
            topic.count_settled(messages);
        }
    }
}
