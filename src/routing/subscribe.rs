//! Subscriptions: how a consumer gets messages, says what became of them, and leaves.

use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::commands::{ConsumerInfo, MessageAck};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::outbox::Outbox;

use super::advisory::wants_replay;
use super::broker::Broker;
use super::consumer_link::ConsumerLink;
use super::directory::Living;
use super::durable_subscriber::DurableSubscriber;
use super::lease::ClientLease;
use super::publish_error::PublishError;
use super::queue_handle::{Outlet, QueueHandle, Removed};
use super::registry::{Registration, owns};
use super::several::{Several, members};
use super::subscribe_error::SubscribeError;
use super::topic_handle::Listener;
use super::topic_set::TopicSet;
use super::topic_subscriber::TopicSubscriber;
use crate::destination::{
    AckError, Acknowledgement, Admission, Delivered, Frames, QueueSubscription, SubscriptionKey,
};

/// A consumer's place in the broker. It must be ended with [`Broker::unsubscribe`].
pub struct Subscription {
    pub(super) held: Held,
    registration: Option<Registration>,
}

pub(super) enum Held {
    Queue { queue: Arc<QueueHandle>, key: SubscriptionKey },
    Topic { subscriber: Arc<TopicSubscriber>, topics: Arc<TopicSet> },
    Durable { subscriber: Arc<DurableSubscriber>, topics: Arc<TopicSet>, key: SubscriptionKey },
    Several(Several),
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

/// How long, in milliseconds, a message that came from a broker that is no FerryMQ stays before it
/// goes back there: until it has our answer, that broker still has the message and takes what returns
/// for a copy, which it drops.
const SETTLING: i64 = 5_000;

impl Broker {
    /// Lets a consumer have messages.
    pub fn subscribe(
        &self,
        info: &ConsumerInfo,
        link: &ConsumerLink<'_>,
    ) -> Result<Subscription, SubscribeError> {
        let address = info.destination.as_ref().ok_or(SubscribeError::NoDestination)?;
        refuse_unsupported(info)?;
        let prefetch = window_of(info.prefetch_size);
        let id = info.consumer_id.clone().unwrap_or_default();
        let frames = link.takes.map(|limit| Frames::new(limit, id.clone()));
        let admission = Admission::of(info, &self.identity.id, &self.selectors)?.within(frames);
        let members = members(address)?;
        for member in members.iter().filter(|member| member.kind().is_temporary()) {
            self.check_owner(link.client, member.address())?;
        }
        if let Some(permits) = link.permits
            && !permits.verdict(address).may_cross()
        {
            return Err(SubscribeError::InvalidName {
                address: address.clone(),
                reason: permits.verdict(address).to_string(),
            });
        }
        let queues = members.iter().any(|member| member.kind().is_queue());
        if info.subscription_name.is_some() && !queues {
            return self.subscribe_durable(info, link, &members, prefetch, admission);
        }
        let held = if queues {
            let asked = QueueSubscription {
                priority: info.priority,
                prefetch,
                admission: admission.clone().without_no_local(),
                // Only an own bridge asks about what it handed on.
                network: info.network_subscription && (!info.browser || link.permits.is_some()),
                browser: info.browser,
                exclusive: info.exclusive,
                distance: info.broker_path.as_ref().map_or(0, Vec::len),
                route: info.broker_path.iter().flatten().flatten().cloned().collect(),
                settling: if link.foreign { SETTLING } else { 0 },
                shared: None,
            };
            match members.as_slice() {
                [one] if !one.is_wildcard() => {
                    self.subscribe_queue(one.address(), asked, id, link.outbox)?
                }
                _ if info.browser => {
                    return Err(SubscribeError::NotSupported("browsers of several queues are"));
                }
                _ => Held::Several(self.subscribe_several(members, asked, admission, id, link)?),
            }
        } else {
            let subscriber = TopicSubscriber::new(
                id,
                link.outbox.clone(),
                prefetch,
                admission,
                self.clock.wall_offset().clone(),
            );
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
            let outlet = Outlet { consumer: id.clone(), outbox: outbox.clone() };
            let mut joined = None;
            let subscribed = queue.subscribe(asked.clone(), outlet, now, |key| joined = Some(key));
            // A queue that was deleted in between is made anew by the next turn.
            if let (Ok(aftermath), Some(key)) = (subscribed, joined) {
                self.clear_up(aftermath);
                return Ok(Held::Queue { queue, key });
            }
            self.wait_for_removal();
        }
    }

    fn subscribe_topics(
        &self,
        members: Vec<DestinationPattern>,
        permits: Option<&Arc<Permits>>,
        subscriber: Arc<TopicSubscriber>,
    ) -> Result<Held, SubscribeError> {
        let replay = members.iter().any(|member| wants_replay(&member.name().to_string_lossy()));
        let listener = Listener::Plain(Arc::clone(&subscriber));
        let topics = self.attach_to(&members, |topics| {
            let attach = || topics.attach(&self.directory, permits, &listener);
            if replay { self.replay_to(&members, &subscriber, attach) } else { attach() }
        })?;
        Ok(Held::Topic { subscriber, topics: Arc::new(topics) })
    }

    /// Brings the topics of a name's members to life and attaches to them; again, if one of them was
    /// deleted in between.
    pub(super) fn attach_to(
        &self,
        members: &[DestinationPattern],
        attach: impl Fn(&TopicSet) -> Result<(), Removed>,
    ) -> Result<TopicSet, PublishError> {
        loop {
            let topics = self.topics_of(members)?;
            match attach(&topics) {
                Ok(()) => return Ok(topics),
                Err(Removed) => self.wait_for_removal(),
            }
        }
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

    /// A bridge describes the consumer of a durable subscription anew: whose demand it is, and
    /// over which path, has changed.
    pub fn describe_anew(&self, subscription: &Subscription, info: &ConsumerInfo) {
        if let Subscription { held: Held::Durable { subscriber, .. }, registration } = subscription
        {
            self.describe_durable(subscriber, *registration, info);
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
            Held::Several(several) => self.clear_up(several.acknowledge(&ack, now)?),
        }
        Ok(())
    }

    /// Changes how many messages may be outstanding on a consumer; with 0 it gets one
    /// for each [`pull`](Self::pull).
    pub fn set_prefetch(&self, subscription: &Subscription, prefetch: usize) {
        let now = self.clock.now_millis();
        match &subscription.held {
            Held::Queue { queue, key } => self.clear_up(queue.set_prefetch(*key, prefetch, now)),
            Held::Topic { subscriber, .. } => subscriber.set_prefetch(prefetch, now),
            Held::Durable { subscriber, key, .. } => {
                self.clear_up(subscriber.set_prefetch(*key, prefetch, now));
            }
            Held::Several(several) => self.clear_up(several.set_prefetch(prefetch, now)),
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
            Held::Several(several) => {
                let (owed, aftermath) = several.group.pull(now);
                self.clear_up(aftermath);
                owed
            }
        }
    }

    /// Tells a consumer that the message which it pulled does not come, unless it has come.
    pub fn end_pull(&self, subscription: &Subscription) {
        match &subscription.held {
            Held::Queue { queue, key } => queue.end_pull(*key, self.clock.now_millis()),
            Held::Topic { subscriber, .. } => subscriber.end_pull(),
            Held::Durable { subscriber, key, .. } => subscriber.end_pull(*key),
            Held::Several(several) => several.group.end_pull(),
        }
    }

    /// Lets a consumer have no more, as it is about to end.
    pub fn suspend(&self, subscription: &Subscription) {
        match &subscription.held {
            Held::Queue { queue, key } => {
                self.clear_up(queue.suspend(*key, self.clock.now_millis()));
            }
            Held::Several(several) => several.group.close(),
            Held::Topic { .. } | Held::Durable { .. } => {}
        }
    }

    /// A bridge's consumer of queues wants no more, and nobody is to send here for its sake. It keeps
    /// what it was dispatched up to the last message that `ack` names, until it is settled; the rest
    /// goes to others.
    pub fn retire(&self, subscription: &mut Subscription, ack: &MessageAck) {
        let Some(last) = &ack.last_message_id else { return };
        let now = self.clock.now_millis();
        match &subscription.held {
            Held::Queue { queue, key } => self.clear_up(queue.retire(*key, last, now)),
            Held::Several(several) => {
                self.clear_up(several.group.retire(last, ack.destination.as_ref(), now));
            }
            Held::Topic { .. } | Held::Durable { .. } => return,
        }
        if let Some(registration) = subscription.registration.take() {
            self.retract_consumer(registration);
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
            Held::Several(several) => self.unsubscribe_several(several, delivered),
        }
        if let Some(registration) = subscription.registration {
            self.retract_consumer(registration);
        }
    }
}

/// The window that a consumer asks for (`prefetchSize`). No client asks for less than 0; a peer
/// that does gets the smallest window instead of none that it could never pull from.
pub fn window_of(prefetch_size: i32) -> usize {
    usize::try_from(prefetch_size).unwrap_or(1)
}

fn refuse_unsupported(info: &ConsumerInfo) -> Result<(), SubscribeError> {
    let Some(address) = &info.destination else { return Err(SubscribeError::NoDestination) };
    let refused = [(info.browser && !address.kind().is_queue(), "browsers of topics are")];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(SubscribeError::NotSupported(what)),
        None => Ok(()),
    }
}
