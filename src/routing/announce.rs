//! Advisories: what the broker tells of consumers and destinations, and to whom.

use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo, RemoveInfo};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::message::Message;

use super::advisory::{self, is_advisory};
use super::broker::Broker;
use super::directory::Living;
use super::registry::{Registration, Registry, Temporary};
use super::topic_handle::TopicSubscriber;
use crate::destination::Pending;

impl Broker {
    /// Registers a live consumer and tells of it.
    pub(super) fn announce_consumer(&self, info: &ConsumerInfo) -> Option<Registration> {
        let address = info.destination.as_ref()?;
        if is_advisory(address) {
            return None;
        }
        let mut registry = self.registry.lock();
        let registration = Registration(registry.number());
        let told = ConsumerInfo { command_id: 0, response_required: false, ..info.clone() };
        registry.consumers.insert(registration, told.clone());
        let count = registry.counts.entry(address.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        let topic = advisory::consumer_topic(address);
        self.tell(&mut registry, &topic, Some(count), || Command::ConsumerInfo(Box::new(told)));
        Some(registration)
    }

    /// Forgets a consumer and tells of its end.
    pub(super) fn retract_consumer(&self, registration: Registration) {
        let mut registry = self.registry.lock();
        let Some(info) = registry.consumers.remove(&registration) else { return };
        let (Some(address), Some(id)) = (info.destination, info.consumer_id) else { return };
        let count = registry.counts.get_mut(&address).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if count <= 0 {
            registry.counts.remove(&address);
        }
        let topic = advisory::consumer_topic(&address);
        self.tell(&mut registry, &topic, Some(count), || {
            Command::RemoveInfo(RemoveInfo {
                object_id: Some(Box::new(Command::ConsumerId(id))),
                ..RemoveInfo::default()
            })
        });
    }

    /// Tells of a destination that came to life.
    pub(super) fn announce_destination(&self, address: &Destination) {
        let mut registry = self.registry.lock();
        let topic = advisory::destination_topic(address.kind());
        self.tell(&mut registry, &topic, None, || {
            Command::DestinationInfo(DestinationInfo {
                destination: Some(address.clone()),
                ..DestinationInfo::default()
            })
        });
    }

    /// Registers a temporary destination and tells of it.
    pub(super) fn announce_temporary(&self, info: DestinationInfo, owner: u64) {
        let Some(address) = info.destination.clone() else { return };
        let mut registry = self.registry.lock();
        let number = registry.number();
        registry.by_address.insert(address.clone(), number);
        registry.temporaries.insert(number, Temporary { info: info.clone(), owner });
        let topic = advisory::destination_topic(address.kind());
        self.tell(&mut registry, &topic, None, || Command::DestinationInfo(info));
    }

    /// Forgets a temporary destination and tells of its end.
    pub(super) fn retract_temporary(&self, address: &Destination) {
        let mut registry = self.registry.lock();
        let Some(number) = registry.by_address.remove(address) else { return };
        let Some(temporary) = registry.temporaries.remove(&number) else { return };
        let topic = advisory::destination_topic(address.kind());
        self.tell(&mut registry, &topic, None, || {
            Command::DestinationInfo(DestinationInfo { operation_type: 1, ..temporary.info })
        });
    }

    /// Adds a listener (by `attach`) and tells it alone of all that lives: consumers and temporary
    /// destinations, in the order in which they came.
    pub(super) fn replay_to(
        &self,
        members: &[DestinationPattern],
        listener: &Arc<TopicSubscriber>,
        attach: impl FnOnce(),
    ) {
        let mut guard = self.registry.lock();
        attach();
        let now = self.clock.now_millis();
        let Registry { writer, consumers, counts, temporaries, .. } = &mut *guard;
        let wanted = |topic: &Destination| members.iter().any(|member| member.matches(topic));
        for info in consumers.values() {
            let Some(address) = &info.destination else { continue };
            let topic = advisory::consumer_topic(address);
            if wanted(&topic) {
                let count = counts.get(address).copied();
                let subject = Command::ConsumerInfo(Box::new(info.clone()));
                let told = writer.write(&topic, subject, count, Some(listener.consumer()), now);
                deliver(told, &topic, std::slice::from_ref(listener), now);
            }
        }
        for temporary in temporaries.values() {
            let Some(address) = &temporary.info.destination else { continue };
            let topic = advisory::destination_topic(address.kind());
            if wanted(&topic) {
                let subject = Command::DestinationInfo(temporary.info.clone());
                let told = writer.write(&topic, subject, None, Some(listener.consumer()), now);
                deliver(told, &topic, std::slice::from_ref(listener), now);
            }
        }
        let kinds = [DestinationKind::Queue, DestinationKind::Topic];
        if kinds.iter().any(|kind| wanted(&advisory::destination_topic(*kind))) {
            for living in self.directory.all() {
                let address = match &living {
                    Living::Queue(queue) => queue.address(),
                    Living::Topic(topic) => topic.address(),
                };
                let topic = advisory::destination_topic(address.kind());
                if address.kind().is_temporary() || is_advisory(address) || !wanted(&topic) {
                    continue;
                }
                let subject = Command::DestinationInfo(DestinationInfo {
                    destination: Some(address.clone()),
                    ..DestinationInfo::default()
                });
                let told = writer.write(&topic, subject, None, Some(listener.consumer()), now);
                deliver(told, &topic, std::slice::from_ref(listener), now);
            }
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
                if handle.depth().1 == 0 {
                    return;
                }
                match registry.writer.write(topic, subject(), consumer_count, None, now) {
                    Ok(message) => handle.publish_advisory(&message, now),
                    Err(error) => tracing::warn!(%topic, %error, "an advisory is lost"),
                }
            }
            _ => {
                let listeners = self.directory.matching(topic);
                if !listeners.is_empty() {
                    let told = registry.writer.write(topic, subject(), consumer_count, None, now);
                    deliver(told, topic, &listeners, now);
                }
            }
        }
    }
}

fn deliver<E: std::fmt::Display>(
    told: Result<Arc<Message>, E>,
    topic: &Destination,
    listeners: &[Arc<TopicSubscriber>],
    now: i64,
) {
    match told {
        Ok(message) => {
            for listener in listeners {
                let pending = Pending { message: Arc::clone(&message), charge: None };
                listener.offer(topic, pending, now);
            }
        }
        Err(error) => tracing::warn!(%topic, %error, "an advisory is lost"),
    }
}
