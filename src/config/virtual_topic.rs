//! Topics whose messages also go to queues that are named after them.

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;

/// A rule of virtual topics (ActiveMQ's `virtualTopic`): which topics they are, and what the queues
/// are called that get copies of their messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualTopic {
    /// The topics.
    pub name: DestinationPattern,
    /// What stands before a topic's name in that of its queue: whole levels, `*` for any one.
    pub prefix: String,
    /// What stands behind it: whole levels.
    pub postfix: String,
    /// Copies go only to queues that have a consumer which selects the message.
    pub selector_aware: bool,
    /// Messages that come over a bridge are not copied.
    pub local: bool,
}

impl Default for VirtualTopic {
    /// ActiveMQ's: `Consumer.NAME.VirtualTopic.X` is a queue of the topic `VirtualTopic.X`.
    fn default() -> Self {
        Self {
            name: DestinationPattern::of(&Destination::topic("VirtualTopic.>")),
            prefix: "Consumer.*.".to_owned(),
            postfix: String::new(),
            selector_aware: false,
            local: false,
        }
    }
}

impl VirtualTopic {
    /// The topics whose copies go to a queue of this name: one, or those that a pattern matches if
    /// the queue's name holds wildcards where theirs stands. Whether they are virtual is for
    /// [`name`](Self::name) to say.
    pub fn topics_of(&self, queue: &Destination) -> Option<DestinationPattern> {
        if !queue.kind().is_queue() || queue.kind().is_temporary() {
            return None;
        }
        let name = queue.name().to_string_lossy();
        let mut rest: &str = &name;
        for expected in self.prefix.split_terminator('.') {
            let (level, behind) = rest.split_once('.')?;
            let wildcard = level == "*" || level == ">";
            if wildcard || level.is_empty() || (expected != "*" && expected != level) {
                return None;
            }
            rest = behind;
        }
        let topic = rest.strip_suffix(self.postfix.as_str()).filter(|topic| !topic.is_empty())?;
        let topics = DestinationPattern::of(&Destination::topic(topic));
        // A pattern may go beyond the rule's own, which is asked for each topic; a name may not.
        (topics.is_wildcard() || self.name.matches(topics.address())).then_some(topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(rule: &VirtualTopic, queue: &str) -> Option<String> {
        rule.topics_of(&Destination::queue(queue)).map(|topics| topics.to_string())
    }

    #[test]
    fn a_queue_is_named_after_its_topic() {
        let rule = VirtualTopic::default();
        let of = |queue| topics(&rule, queue);
        assert_eq!(of("Consumer.a.VirtualTopic.X").as_deref(), Some("topic://VirtualTopic.X"));
        assert_eq!(of("Consumer.a.VirtualTopic.>").as_deref(), Some("topic://VirtualTopic.>"));
        for other in
            ["Consumer.a.Other.X", "Consumer.VirtualTopic.X", "VirtualTopic.X", "Consumer.a"]
        {
            assert_eq!(of(other), None, "{other}");
        }
        // It reads the queues of all consumers and is none of them.
        assert_eq!(of("Consumer.*.VirtualTopic.X"), None);
        assert_eq!(rule.topics_of(&Destination::topic("Consumer.a.VirtualTopic.X")), None);
    }

    #[test]
    fn names_are_configurable() {
        let rule = VirtualTopic {
            name: DestinationPattern::of(&Destination::topic("news.*")),
            prefix: "for.*.*.".to_owned(),
            postfix: ".copies".to_owned(),
            ..VirtualTopic::default()
        };
        let of = |queue| topics(&rule, queue);
        assert_eq!(of("for.a.b.news.x.copies").as_deref(), Some("topic://news.x"));
        assert_eq!(of("for.a.b.news.x"), None);
        assert_eq!(of("for.a.news.x.copies"), None);
        assert_eq!(of("for.a.b.news.x.y.copies"), None);
    }
}
