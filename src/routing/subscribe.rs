//! Subscriptions: how a consumer gets messages, says what became of them, and leaves.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::commands::{ConsumerInfo, MessageAck};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::outbox::Outbox;

use super::advisory::wants_replay;
use super::broker::Broker;
use super::directory::Living;
use super::durable_subscriber::{DurableError, DurableSubscriber};
use super::lease::ClientLease;
use super::publish_error::PublishError;
use super::queue_handle::QueueHandle;
use super::registry::{Registration, owns};
use super::topic_handle::{Listener, TopicSubscriber};
use super::topic_set::TopicSet;
use crate::destination::{
    AckError, Acknowledgement, Admission, Delivered, QueueSubscription, SubscriptionKey,
};
use crate::selector::SelectorError;

/// How many members a composite name may have.
const MOST_MEMBERS: usize = 4096;

/// Why a consumer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// No destination.
    #[error("the consumer names no destination")]
    NoDestination,
    /// Nobody can consume from such a name.
    #[error("cannot consume from {address}: {reason}")]
    InvalidName {
        /// The address.
        address: Destination,
        /// What is wrong with it.
        reason: String,
    },
    /// Only its owner consumes from a temporary destination.
    #[error("cannot consume from {0}: only the connection that made it may")]
    ForeignTemporary(Destination),
    /// Something that this broker does not do yet.
    #[error("{0} not supported yet")]
    NotSupported(&'static str),
    /// Its selector cannot be understood.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// The destination cannot live.
    #[error(transparent)]
    Destination(#[from] PublishError),
    /// The durable subscription does not take it.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

/// A consumer's place in the broker. It must be ended with [`Broker::unsubscribe`].
pub struct Subscription {
    held: Held,
    registration: Option<Registration>,
}

enum Held {
    Queue { queue: Arc<QueueHandle>, key: SubscriptionKey },
    Topic { subscriber: Arc<TopicSubscriber>, topics: TopicSet },
    Durable { subscriber: Arc<DurableSubscriber>, topics: Arc<TopicSet>, key: SubscriptionKey },
}

/// Whose consumer it is, and the way to it.
pub struct ConsumerLink<'a> {
    /// Where its messages go.
    pub outbox: &'a Outbox,
    /// The connection that it belongs to.
    pub client: &'a ClientLease,
    /// What may cross, where it is a bridge's own link: it gets nothing of what may not, also where
    /// a wildcard reaches it.
    pub permits: Option<&'a Arc<Permits>>,
}

impl Subscription {
    pub(super) fn durable(
        subscriber: Arc<DurableSubscriber>,
        topics: Arc<TopicSet>,
        key: SubscriptionKey,
        registration: Option<Registration>,
    ) -> Self {
        Self { held: Held::Durable { subscriber, topics, key }, registration }
    }
}

impl Broker {
    /// Lets a consumer have messages.
    pub fn subscribe(
        &self,
        info: &ConsumerInfo,
        link: &ConsumerLink<'_>,
    ) -> Result<Subscription, SubscribeError> {
        let address = info.destination.as_ref().ok_or(SubscribeError::NoDestination)?;
        refuse_unsupported(info)?;
        let prefetch = usize::try_from(info.prefetch_size).unwrap_or(0);
        let admission = Admission::of(info, &self.identity.id, &self.selectors)?;
        let id = info.consumer_id.clone().unwrap_or_default();
        if address.kind().is_temporary() {
            self.check_owner(link.client, address)?;
        }
        if let Some(permits) = link.permits
            && !permits.verdict(address).may_cross()
        {
            return Err(SubscribeError::InvalidName {
                address: address.clone(),
                reason: permits.verdict(address).to_string(),
            });
        }
        if info.subscription_name.is_some() && !address.kind().is_queue() {
            let members = members(address)?;
            return self.subscribe_durable(info, link, &members, prefetch, admission);
        }
        let held = if address.kind().is_queue() {
            let asked = QueueSubscription {
                priority: info.priority,
                prefetch,
                admission: admission.without_no_local(),
                network: info.network_subscription,
                browser: info.browser,
                distance: info.broker_path.as_ref().map_or(0, Vec::len),
                settling: 0,
            };
            self.subscribe_queue(address, asked, id, link.outbox)?
        } else {
            let members = members(address)?;
            let subscriber = TopicSubscriber::new(id, link.outbox.clone(), prefetch, admission);
            self.subscribe_topics(members, link.permits, Arc::new(subscriber))?
        };
        // A browser takes nothing, so that no other broker need know of it.
        let registration = if info.browser { None } else { self.announce_consumer(info) };
        Ok(Subscription { held, registration })
    }

    fn subscribe_queue(
        &self,
        address: &Destination,
        asked: QueueSubscription,
        id: ferrymq_openwire::ids::ConsumerId,
        outbox: &Outbox,
    ) -> Result<Held, SubscribeError> {
        let now = self.clock.now_millis();
        loop {
            let target = self.resolve(address)?;
            let Living::Queue(queue) = target.0 else {
                return Err(PublishError::DoesNotExist { address: address.clone() }.into());
            };
            // A queue that was deleted in between is made anew by the next turn.
            if let Ok((key, aftermath)) =
                queue.subscribe(asked.clone(), id.clone(), outbox.clone(), now)
            {
                self.clear_up(aftermath);
                return Ok(Held::Queue { queue, key });
            }
        }
    }

    fn subscribe_topics(
        &self,
        members: Vec<DestinationPattern>,
        permits: Option<&Arc<Permits>>,
        subscriber: Arc<TopicSubscriber>,
    ) -> Result<Held, SubscribeError> {
        let topics = self.topics_of(&members)?;
        let replay = members.iter().any(|member| wants_replay(&member.name().to_string_lossy()));
        let attach = || {
            topics.attach(&self.directory, permits, &Listener::Plain(Arc::clone(&subscriber)));
        };
        if replay {
            self.replay_to(&members, &subscriber, attach);
        } else {
            attach();
        }
        Ok(Held::Topic { subscriber, topics })
    }

    /// The topics of a name's members; those named exactly are brought to life.
    pub(super) fn topics_of(
        &self,
        members: &[DestinationPattern],
    ) -> Result<TopicSet, PublishError> {
        let mut exact = Vec::new();
        for member in members.iter().filter(|member| !member.is_wildcard()) {
            if let Living::Topic(topic) = self.resolve(member.address())?.0 {
                exact.push(topic);
            }
        }
        let wildcards = members.iter().filter(|member| member.is_wildcard()).cloned().collect();
        Ok(TopicSet::new(exact, wildcards))
    }

    fn check_owner(
        &self,
        client: &ClientLease,
        address: &Destination,
    ) -> Result<(), SubscribeError> {
        let owner = self.registry.lock().temporary(address).map(|temporary| temporary.owner);
        match owner {
            None => Err(PublishError::DoesNotExist { address: address.clone() }.into()),
            // A bridge owns the temporary destinations that it brought, whatever their names.
            Some(owner) if owner == client.number() || owns(client.connection_id(), address) => {
                Ok(())
            }
            Some(_) => Err(SubscribeError::ForeignTemporary(address.clone())),
        }
    }

    /// Applies a consumer's acknowledgement.
    pub fn acknowledge(
        &self,
        subscription: &Subscription,
        ack: &MessageAck,
    ) -> Result<(), AckError> {
        let ack = Acknowledgement::of(ack)?;
        let now = self.clock.now_millis();
        match &subscription.held {
            Held::Queue { queue, key } => self.clear_up(queue.acknowledge(*key, &ack, now)?),
            Held::Topic { subscriber, topics } => {
                topics.count_settled(subscriber.acknowledge(&ack, now));
            }
            Held::Durable { subscriber, key, topics } => {
                let (settled, aftermath) = subscriber.acknowledge(*key, &ack, now)?;
                topics.count_settled(settled);
                self.clear_up(aftermath);
            }
        }
        Ok(())
    }

    /// Changes how many messages may be outstanding on a consumer; with 0 (or less) it gets one
    /// for each [`pull`](Self::pull).
    pub fn set_prefetch(&self, subscription: &Subscription, prefetch: i32) {
        let prefetch = usize::try_from(prefetch).unwrap_or(0);
        let now = self.clock.now_millis();
        match &subscription.held {
            Held::Queue { queue, key } => self.clear_up(queue.set_prefetch(*key, prefetch, now)),
            Held::Topic { subscriber, .. } => subscriber.set_prefetch(prefetch, now),
            Held::Durable { subscriber, key, .. } => {
                self.clear_up(subscriber.set_prefetch(*key, prefetch, now));
            }
        }
    }

    /// Lets a consumer without a window have one message, at once or when one comes; one that
    /// was allowed before and has not come is not allowed twice. True if it has still to come.
    pub fn pull(&self, subscription: &Subscription) -> bool {
        let now = self.clock.now_millis();
        match &subscription.held {
            Held::Queue { queue, key } => {
                let (owed, aftermath) = queue.pull(*key, now);
                self.clear_up(aftermath);
                owed
            }
            Held::Topic { subscriber, .. } => subscriber.pull(now),
            Held::Durable { subscriber, key, .. } => {
                let (owed, aftermath) = subscriber.pull(*key, now);
                self.clear_up(aftermath);
                owed
            }
        }
    }

    /// Tells a consumer that the message which it pulled does not come, unless it has come.
    pub fn end_pull(&self, subscription: &Subscription) {
        match &subscription.held {
            Held::Queue { queue, key } => queue.end_pull(*key),
            Held::Topic { subscriber, .. } => subscriber.end_pull(),
            Held::Durable { subscriber, key, .. } => subscriber.end_pull(*key),
        }
    }

    /// Lets a consumer have no more, as it is about to end.
    pub fn suspend(&self, subscription: &Subscription) {
        if let Held::Queue { queue, key } = &subscription.held {
            self.clear_up(queue.suspend(*key, self.clock.now_millis()));
        }
    }

    /// Ends a subscription. What it had not settled goes to others.
    pub fn unsubscribe(&self, subscription: Subscription, delivered: Delivered) {
        let now = self.clock.now_millis();
        match subscription.held {
            Held::Queue { queue, key } => {
                self.clear_up(queue.unsubscribe(key, delivered, now));
            }
            Held::Topic { subscriber, topics } => {
                topics.detach(&self.directory, &Listener::Plain(subscriber));
            }
            Held::Durable { subscriber, key, .. } => {
                let registration = subscription.registration;
                return self.leave_durable(&subscriber, key, registration, delivered);
            }
        }
        if let Some(registration) = subscription.registration {
            self.retract_consumer(registration);
        }
    }
}

/// The members of a topic subscription's name, each once: several where it is composite.
fn members(address: &Destination) -> Result<Vec<DestinationPattern>, SubscribeError> {
    let name = address.name().to_string_lossy();
    let invalid = |reason: String| SubscribeError::InvalidName { address: address.clone(), reason };
    let mut seen = BTreeSet::new();
    let mut members = Vec::new();
    for member in name.split(',').map(str::trim) {
        if member.is_empty() {
            return Err(invalid("the name is empty".to_owned()));
        }
        if seen.insert(member) {
            members.push(DestinationPattern::of(&Destination::new(address.kind(), member)));
        }
        if members.len() > MOST_MEMBERS {
            return Err(invalid(format!("it has more than {MOST_MEMBERS} members")));
        }
    }
    Ok(members)
}

fn refuse_unsupported(info: &ConsumerInfo) -> Result<(), SubscribeError> {
    let Some(address) = &info.destination else { return Err(SubscribeError::NoDestination) };
    let name = address.name().as_bytes();
    let pattern = name.split(|byte| *byte == b'.').any(|level| level == b"*" || level == b">");
    let queue = address.kind().is_queue();
    let refused = [
        (info.browser && !queue, "browsers of topics are"),
        (info.exclusive, "exclusive consumers are"),
        (queue && pattern, "wildcard consumers of queues are"),
        (queue && name.contains(&b','), "composite queue consumers are"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(SubscribeError::NotSupported(what)),
        None => Ok(()),
    }
}
