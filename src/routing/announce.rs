//! Advisories: what the broker tells of consumers and destinations, and to whom.

use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConsumerInfo, DestinationInfo, RemoveInfo, RemoveSubscriptionInfo,
};
use ferrymq_openwire::destination::{Destination, DestinationKind};

use super::advisory::{self, is_advisory};
use super::broker::Broker;
use super::directory::Living;
use super::publish_error::PublishError;
use super::queue_handle::Removed;
use super::registry::{Registration, Registry, Temporary};
use super::topic_subscriber::TopicSubscriber;
use crate::destination::Pending;

impl Broker {
    /// Registers a live consumer and tells of it.
    pub(super) fn announce_consumer(&self, info: &ConsumerInfo) -> Option<Registration> {
        let address = info.destination.as_ref()?;
        if is_advisory(address) {
            return None;
        }
        let topic = advisory::consumer_topic(address);
        let told = ConsumerInfo { command_id: 0, response_required: false, ..info.clone() };
        let mut registry = self.registry.lock();
        let registration = registry.add_consumer(&topic, told.clone());
        let count = registry.count(&topic);
        self.tell(&mut registry, &topic, Some(count), || Command::ConsumerInfo(Box::new(told)));
        Some(registration)
    }

    /// Forgets a consumer and tells of its end.
    pub(super) fn retract_consumer(&self, registration: Registration) {
        let mut registry = self.registry.lock();
        let Some(info) = registry.consumer(registration) else { return };
        let (Some(address), Some(id)) = (&info.destination, info.consumer_id.clone()) else {
            return;
        };
        let topic = advisory::consumer_topic(address);
        registry.remove_consumer(&topic, registration);
        let count = registry.count(&topic);
        self.tell(&mut registry, &topic, Some(count), || {
            Command::RemoveInfo(RemoveInfo {
                object_id: Some(Box::new(Command::ConsumerId(id))),
                ..RemoveInfo::default()
            })
        });
    }

    /// Tells of a consumer that is described anew.
    pub(super) fn announce_again(&self, registration: Registration, told: ConsumerInfo) {
        let Some(address) = &told.destination else { return };
        let topic = advisory::consumer_topic(address);
        let mut registry = self.registry.lock();
        if registry.describe_consumer(registration, told.clone()) {
            let count = registry.count(&topic);
            self.tell(&mut registry, &topic, Some(count), || Command::ConsumerInfo(Box::new(told)));
        }
    }

    /// The live consumers of topics, advisories' left out, in the order in which they came.
    pub fn topic_consumers(&self) -> Vec<ConsumerInfo> {
        let registry = self.registry.lock();
        let of_topic = |info: &&ConsumerInfo| {
            info.destination.as_ref().is_some_and(|to| !to.kind().is_queue())
        };
        registry.consumers().filter(of_topic).cloned().collect()
    }

    /// Tells of the end of a durable subscription, which a consumer's end is not.
    pub(super) fn announce_unsubscription(
        &self,
        address: &Destination,
        told: RemoveSubscriptionInfo,
    ) {
        let topic = advisory::consumer_topic(address);
        let mut registry = self.registry.lock();
        let count = registry.count(&topic);
        self.tell(&mut registry, &topic, Some(count), || Command::from(told));
    }

    /// Brings a destination to life and tells of it, or finds the one that somebody else just
    /// brought.
    pub(super) fn create_destination(&self, address: &Destination) -> Result<Living, PublishError> {
        let mut registry = self.registry.lock();
        let found = self.directory.find_or_create(address, || self.terms_for(address))?;
        if found.created {
            self.tell_of_destination(&mut registry, address, 0);
        }
        Ok(found.living)
    }

    /// Tells that a destination, not a temporary one, came (0) or went (1).
    pub(super) fn tell_of_destination(
        &self,
        registry: &mut Registry,
        address: &Destination,
        operation_type: i8,
    ) {
        if is_advisory(address) {
            return;
        }
        let topic = advisory::destination_topic(address.kind());
        self.tell(registry, &topic, None, || {
            Command::DestinationInfo(DestinationInfo {
                destination: Some(address.clone()),
                operation_type,
                ..DestinationInfo::default()
            })
        });
    }

    /// Registers a temporary destination and tells of it.
    pub(super) fn announce_temporary(
        &self,
        registry: &mut Registry,
        info: DestinationInfo,
        owner: u64,
    ) {
        let Some(address) = info.destination.clone() else { return };
        let topic = advisory::destination_topic(address.kind());
        registry.add_temporary(address, Temporary { info: info.clone(), owner });
        self.tell(registry, &topic, None, || Command::DestinationInfo(info));
    }

    /// Forgets a temporary destination and tells of its end.
    pub(super) fn retract_temporary(&self, registry: &mut Registry, address: &Destination) {
        let Some(temporary) = registry.remove_temporary(address) else { return };
        let topic = advisory::destination_topic(address.kind());
        self.tell(registry, &topic, None, || {
            Command::DestinationInfo(DestinationInfo { operation_type: 1, ..temporary.info })
        });
    }

    /// Adds a listener (by `attach`, if it can be) and tells it alone of all that lives: consumers and temporary
    /// destinations, in the order in which they came.
    pub(super) fn replay_to(
        &self,
        members: &[DestinationPattern],
        listener: &TopicSubscriber,
        attach: impl FnOnce() -> Result<(), Removed>,
    ) -> Result<(), Removed> {
        let mut registry = self.registry.lock();
        attach()?;
        let wanted = |topic: &Destination| members.iter().any(|member| member.matches(topic));
        for (registration, topic) in registry.told_by(members) {
            let Some(info) = registry.consumer(registration) else { continue };
            let subject = Command::ConsumerInfo(Box::new(info.clone()));
            let count = registry.count(&topic);
            self.replay(&mut registry, listener, &topic, subject, Some(count));
        }
        let temporaries: Vec<DestinationInfo> = registry
            .temporaries()
            .filter(|temporary| {
                let address = temporary.info.destination.as_ref();
                address.is_some_and(|address| wanted(&advisory::destination_topic(address.kind())))
            })
            .map(|temporary| temporary.info.clone())
            .collect();
        for info in temporaries {
            let Some(kind) = info.destination.as_ref().map(Destination::kind) else { continue };
            let topic = advisory::destination_topic(kind);
            self.replay(&mut registry, listener, &topic, Command::DestinationInfo(info), None);
        }
        let kinds = [DestinationKind::Queue, DestinationKind::Topic];
        if kinds.iter().any(|kind| wanted(&advisory::destination_topic(*kind))) {
            for living in self.directory.all() {
                let address = living.address();
                let topic = advisory::destination_topic(address.kind());
                if address.kind().is_temporary() || is_advisory(address) || !wanted(&topic) {
                    continue;
                }
                let subject = Command::DestinationInfo(DestinationInfo {
                    destination: Some(address.clone()),
                    ..DestinationInfo::default()
                });
                self.replay(&mut registry, listener, &topic, subject, None);
            }
        }
        Ok(())
    }

    fn replay(
        &self,
        registry: &mut Registry,
        listener: &TopicSubscriber,
        topic: &Destination,
        subject: Command,
        count: Option<i32>,
    ) {
        let now = self.clock.now_millis();
        match registry.writer.write(topic, subject, count, Some(listener.consumer()), now) {
            Ok(message) => listener.replay(topic, message, now),
            Err(error) => tracing::warn!(%topic, %error, "an advisory is lost"),
        }
    }

    /// Writes an advisory for those who listen, if anyone does.
    fn tell(
        &self,
        registry: &mut Registry,
        topic: &Destination,
        consumer_count: Option<i32>,
        subject: impl FnOnce() -> Command,
    ) {
        let now = self.clock.now_millis();
        match self.directory.find(topic) {
            Some(Living::Topic(handle)) => {
                if !handle.has_subscribers() {
                    return;
                }
                match registry.writer.write(topic, subject(), consumer_count, None, now) {
                    Ok(message) => handle.publish_advisory(&message, now),
                    Err(error) => tracing::warn!(%topic, %error, "an advisory is lost"),
                }
            }
            _ => {
                let listeners = self.directory.matching(topic);
                if listeners.is_empty() {
                    return;
                }
                match registry.writer.write(topic, subject(), consumer_count, None, now) {
                    Ok(message) => {
                        for listener in &listeners {
                            let pending = Pending { message: Arc::clone(&message), charge: None };
                            listener.offer(topic, pending, now);
                        }
                    }
                    Err(error) => tracing::warn!(%topic, %error, "an advisory is lost"),
                }
            }
        }
    }
}
