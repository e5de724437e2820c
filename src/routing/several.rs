//! Consumers of several destinations at once: composite names, and wildcards of queues.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_network::composite;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;

use super::broker::Broker;
use super::consumer_link::ConsumerLink;
use super::queue_group::QueueGroup;
use super::queue_handle::Aftermath;
use super::subscribe_error::SubscribeError;
use super::topic_handle::Listener;
use super::topic_set::TopicSet;
use super::topic_subscriber::TopicSubscriber;
use crate::destination::{
    AckError, AckKind, Acknowledgement, Admission, Delivered, QueueSubscription,
};

/// How many members a composite name may have.
const MOST_MEMBERS: usize = 4096;

/// A consumer of queues, and of topics beside them if its name lists some.
pub(super) struct Several {
    pub(super) group: Arc<QueueGroup>,
    pub(super) topics: Option<(Arc<TopicSubscriber>, Arc<TopicSet>)>,
}

impl Broker {
    /// Lets a consumer have several queues, those named exactly being brought to life; and topics,
    /// for which `admission` holds.
    pub(super) fn subscribe_several(
        &self,
        members: Vec<DestinationPattern>,
        asked: QueueSubscription,
        admission: Admission,
        id: ConsumerId,
        link: &ConsumerLink<'_>,
    ) -> Result<Several, SubscribeError> {
        let (queues, topics): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|member| member.kind().is_queue());
        let prefetch = asked.prefetch;
        if prefetch == 0 && !topics.is_empty() {
            return Err(SubscribeError::NotSupported(
                "consumers of queues and topics at once without a prefetch window are",
            ));
        }
        // A wildcard may also be the name of a queue: that of several virtual topics.
        let named = |member: &&DestinationPattern| {
            !member.is_wildcard() || self.directory.names_virtual_queue(member.address())
        };
        for queue in queues.iter().filter(named) {
            self.resolve(queue.address())?;
        }
        let permits = link.permits.cloned();
        let group = QueueGroup::new(id.clone(), link.outbox.clone(), asked, queues, permits);
        let group = Arc::new(group);
        let topics = if topics.is_empty() {
            None
        } else {
            let subscriber = TopicSubscriber::new(
                id,
                link.outbox.clone(),
                prefetch,
                admission,
                self.clock.wall_offset().clone(),
            );
            let subscriber = Arc::new(subscriber.beside(Arc::clone(group.window())));
            let listener = Listener::Plain(Arc::clone(&subscriber));
            let topics = self.attach_to(&topics, |topics| {
                topics.attach(&self.directory, link.permits, &listener)
            })?;
            Some((subscriber, Arc::new(topics)))
        };
        let now = self.clock.now_millis();
        let mut aftermath = Aftermath::default();
        for queue in self.directory.attach_group(&group) {
            aftermath.append(group.join(&queue, now));
        }
        self.clear_up(aftermath);
        Ok(Several { group, topics })
    }

    /// Ends such a consumer. What it had not settled of queues returns there.
    pub(super) fn unsubscribe_several(&self, several: Several, delivered: Delivered) {
        self.directory.detach_group(&several.group);
        self.clear_up(several.group.end(delivered, self.clock.now_millis()));
        if let Some((subscriber, topics)) = several.topics {
            topics.detach(&self.directory, &Listener::Plain(subscriber));
        }
    }
}

impl Several {
    /// Applies an acknowledgement, whose range may go over queues and topics.
    pub(super) fn acknowledge(
        &self,
        ack: &Acknowledgement<'_>,
        now: i64,
    ) -> Result<Aftermath, AckError> {
        let (of_topics, aftermath) = self.group.acknowledge(ack, now)?;
        if let Some((subscriber, topics)) = &self.topics
            && of_topics > 0
        {
            let ack = Acknowledgement::of_count(AckKind::Standard, of_topics);
            topics.count_settled(subscriber.acknowledge(&ack, now));
        }
        Ok(aftermath)
    }

    /// Changes how many messages of queues may be outstanding, and how many of topics.
    pub(super) fn set_prefetch(&self, prefetch: usize, now: i64) -> Aftermath {
        if let Some((subscriber, _)) = &self.topics {
            subscriber.set_prefetch(prefetch, now);
        }
        self.group.set_prefetch(prefetch, now)
    }
}

/// The members of a consumer's name, each once: several where it is composite.
pub(super) fn members(address: &Destination) -> Result<Vec<DestinationPattern>, SubscribeError> {
    let invalid = |reason: String| SubscribeError::InvalidName { address: address.clone(), reason };
    if address
        .name()
        .as_bytes()
        .split(|byte| *byte == b',')
        .any(|part| part.trim_ascii().is_empty())
    {
        return Err(invalid("the name is empty".to_owned()));
    }
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    for member in composite::members(address) {
        if seen.insert(member.clone()) {
            members.push(DestinationPattern::of(&member));
        }
        if members.len() > MOST_MEMBERS {
            return Err(invalid(format!("it has more than {MOST_MEMBERS} members")));
        }
    }
    Ok(members)
}
