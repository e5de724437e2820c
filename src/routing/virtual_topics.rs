//! Virtual topics: a topic whose messages also go to queues that are named after it, so that
//! several consumers can share one subscription.

use std::collections::HashMap;
use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;

use super::advisory::is_advisory;
use super::queue_handle::QueueHandle;
use crate::config::VirtualTopic;

/// A queue that gets copies of a topic's messages.
#[derive(Clone)]
pub(super) struct FanOut {
    pub(super) queue: Arc<QueueHandle>,
    /// Only what one of its consumers selects.
    selector_aware: bool,
    /// Only what was sent to this broker.
    local: bool,
}

impl FanOut {
    /// Whether it gets a message.
    pub(super) fn takes(&self, message: &Message) -> bool {
        if self.local && message.broker_path_len() > 0 {
            return false;
        }
        let wanted = !self.selector_aware || self.queue.is_wanted(message);
        wanted && !self.queue.is_served_on_the_way(message)
    }
}

/// Which living queues belong to which virtual topics, living or not.
#[derive(Default)]
pub(super) struct VirtualTopics {
    rules: Vec<VirtualTopic>,
    /// By topic.
    exact: HashMap<Destination, Vec<FanOut>>,
    /// Of queues whose names hold wildcards: they stand for several topics.
    patterns: Vec<Pattern>,
}

struct Pattern {
    topics: DestinationPattern,
    rule: DestinationPattern,
    fan_out: FanOut,
}

/// The topics that a queue gets copies of.
pub(super) enum TopicsOf {
    One(Destination, FanOut),
    Matching(DestinationPattern, DestinationPattern, FanOut),
}

impl VirtualTopics {
    pub(super) fn new(rules: Vec<VirtualTopic>) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Whether a name with wildcards is that of a queue: one that stands for several virtual topics.
    pub(super) fn names_queue(&self, address: &Destination) -> bool {
        self.rules.iter().any(|rule| rule.topics_of(address).is_some())
    }

    /// Notes a queue that has come to life; returns what it belongs to.
    pub(super) fn add(&mut self, queue: &Arc<QueueHandle>) -> Vec<TopicsOf> {
        let mut all = Vec::new();
        for rule in &self.rules {
            let Some(topics) = rule.topics_of(queue.address()) else { continue };
            let fan_out = FanOut {
                queue: Arc::clone(queue),
                selector_aware: rule.selector_aware,
                local: rule.local,
            };
            if topics.is_wildcard() {
                self.patterns.push(Pattern {
                    topics: topics.clone(),
                    rule: rule.name.clone(),
                    fan_out: fan_out.clone(),
                });
                all.push(TopicsOf::Matching(topics, rule.name.clone(), fan_out));
            } else if rule.name.matches(topics.address()) && !is_advisory(topics.address()) {
                let known = self.exact.entry(topics.address().clone()).or_default();
                known.push(fan_out.clone());
                all.push(TopicsOf::One(topics.address().clone(), fan_out));
            }
        }
        all
    }

    /// Forgets a queue that is gone; returns the topics that it got copies of by their names.
    pub(super) fn remove(&mut self, queue: &Destination) -> Vec<DestinationPattern> {
        let mut topics = Vec::new();
        for rule in &self.rules {
            let Some(of) = rule.topics_of(queue) else { continue };
            if let Some(known) = self.exact.get_mut(of.address()) {
                known.retain(|fan_out| fan_out.queue.address() != queue);
                if known.is_empty() {
                    self.exact.remove(of.address());
                }
            }
            topics.push(of);
        }
        if topics.iter().any(DestinationPattern::is_wildcard) {
            self.patterns.retain(|pattern| pattern.fan_out.queue.address() != queue);
        }
        topics
    }

    /// The queues of a topic that comes to life, each once.
    pub(super) fn of(&self, topic: &Destination) -> Vec<FanOut> {
        if is_advisory(topic) {
            return Vec::new();
        }
        let exact = self.exact.get(topic).into_iter().flatten();
        let patterns = self
            .patterns
            .iter()
            .filter(|pattern| pattern.topics.matches(topic) && pattern.rule.matches(topic));
        let mut all: Vec<FanOut> = Vec::new();
        for fan_out in exact.chain(patterns.map(|pattern| &pattern.fan_out)) {
            if !all.iter().any(|other| Arc::ptr_eq(&other.queue, &fan_out.queue)) {
                all.push(fan_out.clone());
            }
        }
        all
    }
}
