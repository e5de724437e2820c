//! Durable topic subscriptions: made by their first consumer, taken up by later ones, and removed
//! on request.

use std::sync::Arc;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::commands::{ConsumerInfo, RemoveSubscriptionInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConnectionId;
use ferrymq_openwire::text::Text;
use ferrymq_store::contract::QueueId;

use super::advisory::is_advisory;
use super::broker::Broker;
use super::consumer_link::ConsumerLink;
use super::durable_name::{DurableError, DurableName, DurableSnapshot, Wanted};
use super::durable_subscriber::{Arrival, DurableSubscriber};
use super::durables::Kept;
use super::lease::ClientLease;
use super::persistence::Persistence;
use super::queue_handle::Aftermath;
use super::recovery::{Recovered, RecoveryError};
use super::registry::Registration;
use super::retained::bytes_kept;
use super::several::members;
use super::subscribe::Subscription;
use super::subscribe_error::SubscribeError;
use super::topic_handle::Listener;
use super::topic_set::TopicSet;
use super::undecided::Undecided;
use crate::destination::{Admission, Delivered, MemoryAccount, SubscriptionKey};

impl Broker {
    /// Lets a consumer take up the durable subscription that it names, which it makes if need be.
    ///
    /// One lock covers the change and its advisory, so that who listens learns of the comings and
    /// goings of one subscription in their order.
    pub(super) fn subscribe_durable(
        &self,
        info: &ConsumerInfo,
        link: &ConsumerLink<'_>,
        members: &[DestinationPattern],
        prefetch: usize,
        admission: Admission,
    ) -> Result<Subscription, SubscribeError> {
        let address = info.destination.as_ref().ok_or(SubscribeError::NoDestination)?;
        check_address(address, members)?;
        let own = link.permits.is_some();
        let name =
            name(info.subscription_name.as_ref(), info.client_id.as_ref(), link.client, own)?;
        let told = ConsumerInfo {
            command_id: 0,
            response_required: false,
            client_id: Some(name.client.clone()),
            ..info.clone()
        };
        let wanted = Wanted::of(info, address);
        let bytes = bytes_kept(&told);
        let mut durables = self.durables.lock();
        durables.check_room(&name, bytes)?;
        let known = durables.get(&name);
        let known = known.map(|kept| {
            let permits = kept.permits.clone();
            (Arc::clone(&kept.subscriber), Arc::clone(&kept.topics), permits)
        });
        if known.as_ref().is_some_and(|(known, ..)| known.is_active()) {
            return Err(DurableError::InUse(name).into());
        }
        let (subscriber, topics) = match known {
            Some((known, topics, permits)) if *known.wanted() == wanted => {
                if topics.is_by_pattern() && permits.as_ref() != link.permits {
                    // The bridge has another configuration than the one before.
                    let listener = Listener::Durable(Arc::clone(&known));
                    topics.permit_anew(&self.directory, link.permits, &listener);
                    known.keep_described(&told, link.permits.map(Arc::as_ref));
                    durables.permit(&name, link.permits.cloned());
                }
                (known, topics)
            }
            former => {
                // Before anything is given up: the new topics can be there.
                self.topics_of(members)?;
                if former.is_some()
                    && let Some(kept) = durables.remove(&name)
                {
                    let moved = kept.subscriber.wanted().address != wanted.address;
                    self.end_durable(&kept);
                    if moved {
                        self.tell_unsubscribed(&kept, Some(link.client.connection_id()));
                    }
                }
                let account = MemoryAccount::below(&self.memory, None);
                let permits = link.permits.map(Arc::as_ref);
                let store = self.persistence.as_ref();
                let store = store.map(|persistence| persistence.keep_subscription(&told, permits));
                let store = store.transpose().map_err(|_| DurableError::NotKept {
                    address: address.clone(),
                    reason: "its description is too long to be kept",
                })?;
                let kept = store.map(|store| (store, self.window(None)));
                let made = DurableSubscriber::new(
                    name.clone(),
                    wanted,
                    admission.clone(),
                    account,
                    kept,
                    self.clock.wall_offset().clone(),
                );
                let made = Arc::new(made);
                let listener = Listener::Durable(Arc::clone(&made));
                let topics = self.attach_to(members, |topics| {
                    topics.attach(&self.directory, link.permits, &listener)
                });
                // Nothing must be left of one that could not be made.
                let topics = topics.inspect_err(|_| made.end(Arc::clone(&self.memory)))?;
                let topics = Arc::new(topics);
                let permits = link.permits.cloned();
                durables.insert(Arc::clone(&made), Arc::clone(&topics), permits, bytes);
                (made, topics)
            }
        };
        durables.describe(&name, bytes);
        let arrival = Arrival { info: &told, prefetch, admission, outbox: link.outbox };
        let (key, aftermath) = subscriber.activate(arrival, self.clock.now_millis());
        let registration = self.announce_consumer(&told);
        drop(durables);
        self.clear_up(aftermath);
        Ok(Subscription::durable(subscriber, topics, key, registration))
    }

    /// Brings back a durable subscription that the store holds, with what it kept.
    pub(super) fn recover_durable(
        &self,
        persistence: &Arc<Persistence>,
        (id, info, permits): (QueueId, ConsumerInfo, Option<Permits>),
        (undecided, recovered): (&mut Undecided, &mut Recovered),
    ) -> Result<Aftermath, RecoveryError> {
        let address = info.destination.clone().ok_or(SubscribeError::NoDestination)?;
        let name = DurableName {
            client: info.client_id.clone().unwrap_or_default(),
            name: info.subscription_name.clone().unwrap_or_default(),
        };
        let members = members(&address)?;
        let admission = Admission::of(&info, &self.identity.id, &self.selectors)
            .map_err(SubscribeError::from)?;
        let store = persistence.subscription_store(id);
        let kept = Some((store, self.window(None)));
        let account = MemoryAccount::below(&self.memory, None);
        let wanted = Wanted::of(&info, &address);
        let made = DurableSubscriber::new(
            name.clone(),
            wanted,
            admission,
            account,
            kept,
            self.clock.wall_offset().clone(),
        );
        let made = Arc::new(made);
        let listener = Listener::Durable(Arc::clone(&made));
        let permits = permits.map(Arc::new);
        let attach =
            |topics: &TopicSet| topics.attach(&self.directory, permits.as_ref(), &listener);
        let topics = Arc::new(self.attach_to(&members, attach)?);
        let bytes = bytes_kept(&info);
        made.recall(info);
        let mut durables = self.durables.lock();
        // The broker ended between the end of one and the beginning of the next.
        if let Some(former) = durables.remove(&name) {
            self.end_durable(&former);
        }
        durables.insert(Arc::clone(&made), Arc::clone(&topics), permits, bytes);
        drop(durables);
        recovered.subscriptions += 1;
        let state = persistence.state(id);
        recovered.messages += usize::try_from(state.messages).unwrap_or(usize::MAX);
        let aftermath = made.take_up(&state);
        for (place, tag) in undecided.held_of(id) {
            if let Some(message) = persistence.message(id, place)? {
                made.restore_held(message, tag);
            }
        }
        undecided.join_durable(id, &made, &topics);
        Ok(aftermath)
    }

    /// The consumer of a durable subscription goes; the subscription stays.
    pub(super) fn leave_durable(
        &self,
        subscriber: &DurableSubscriber,
        key: SubscriptionKey,
        registration: Option<Registration>,
        delivered: Delivered,
    ) {
        let durables = self.durables.lock();
        let aftermath = subscriber.deactivate(key, delivered, self.clock.now_millis());
        if let Some(registration) = registration {
            self.retract_consumer(registration);
        }
        drop(durables);
        self.clear_up(aftermath);
    }

    /// A consumer is described anew.
    pub(super) fn describe_durable(
        &self,
        subscriber: &DurableSubscriber,
        registration: Option<Registration>,
        info: &ConsumerInfo,
    ) {
        let name = subscriber.name();
        let mut durables = self.durables.lock();
        if durables.check_room(name, bytes_kept(info)).is_err() {
            return;
        }
        let told = subscriber.describe(info);
        durables.describe(name, bytes_kept(&told));
        if let Some(registration) = registration {
            self.announce_again(registration, told);
        }
    }

    /// The durable subscriptions as the consumers that they have or had, by client and name.
    pub fn durable_consumers(&self) -> Vec<ConsumerInfo> {
        let all = self.durables.lock().all();
        all.iter().map(|subscriber| subscriber.info()).collect()
    }

    /// Ends a durable subscription, which must have no consumer, and forgets what it kept. `own`:
    /// the request comes from a bridge of this broker, which may name other clients.
    pub fn remove_durable(
        &self,
        info: &RemoveSubscriptionInfo,
        client: &ClientLease,
        own: bool,
    ) -> Result<(), DurableError> {
        let name = name(info.subscription_name.as_ref(), info.client_id.as_ref(), client, own)?;
        let mut durables = self.durables.lock();
        match durables.get(&name) {
            None => return Err(DurableError::Unknown(name)),
            Some(kept) if kept.subscriber.is_active() => return Err(DurableError::InUse(name)),
            Some(_) => {}
        }
        if let Some(kept) = durables.remove(&name) {
            self.end_durable(&kept);
            self.tell_unsubscribed(&kept, Some(client.connection_id()));
        }
        Ok(())
    }

    /// All durable subscriptions, by client and name.
    pub fn durable_subscriptions(&self) -> Vec<DurableSnapshot> {
        let all = self.durables.lock().all();
        all.iter().map(|subscriber| subscriber.snapshot()).collect()
    }

    fn end_durable(&self, kept: &Kept) {
        kept.topics.detach(&self.directory, &Listener::Durable(Arc::clone(&kept.subscriber)));
        kept.subscriber.end(Arc::clone(&self.memory));
    }

    fn tell_unsubscribed(&self, kept: &Kept, by: Option<&ConnectionId>) {
        let DurableName { client, name } = kept.subscriber.name().clone();
        self.announce_unsubscription(
            &kept.subscriber.wanted().address,
            RemoveSubscriptionInfo {
                connection_id: by.cloned(),
                client_id: Some(client),
                subscription_name: Some(name),
                ..RemoveSubscriptionInfo::default()
            },
        );
    }
}

/// What a subscription is called: by the client whose connection it is, and only a bridge of our
/// own may speak for another one.
fn name(
    name: Option<&Text>,
    client: Option<&Text>,
    lease: &ClientLease,
    own: bool,
) -> Result<DurableName, DurableError> {
    let given = |text: &&Text| !text.as_bytes().is_empty();
    let name = name.filter(given).cloned().ok_or(DurableError::Unnamed)?;
    let client = client.filter(|text| own && given(text)).unwrap_or(lease.client_id()).clone();
    Ok(DurableName { client, name })
}

fn check_address(
    address: &Destination,
    members: &[DestinationPattern],
) -> Result<(), DurableError> {
    let refused = |reason| DurableError::NotKept { address: address.clone(), reason };
    if address.kind().is_temporary() {
        return Err(refused("it ends with its connection"));
    }
    if members.iter().any(|member| is_advisory(member.address())) {
        return Err(refused("advisories are not kept"));
    }
    Ok(())
}
