//! What a demand subscription looks like to the local broker.

use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{BrokerId, ConsumerId, SessionId};
use ferrymq_openwire::text::Text;

use super::durable::{DurableKey, Source, subscription_name};
use crate::broker_path;
use crate::destination_pattern::DestinationPattern;
use crate::rules::forward::message_limit;

/// The settings of a connector that shape its demand subscriptions.
#[derive(Debug, Clone)]
pub struct DemandPolicy {
    /// One subscription for all remote consumers of a destination.
    pub conduit: bool,
    /// Queue consumers that are demand subscriptions themselves are merged too.
    pub conduit_network_queues: bool,
    /// Messages that a demand subscription may hold unacknowledged.
    pub prefetch_size: i32,
    /// Demand is served after local consumers, and the farther the later.
    pub decrease_priority: bool,
    /// The priority of demand one bridge away.
    pub priority_base: i8,
    /// Hop limit of messages, for the filter; negative: none.
    pub message_ttl: i32,
    /// Hop limit of demand, for the filter; negative: none.
    pub consumer_ttl: i32,
    /// The broker at the other end.
    pub remote: BrokerId,
    /// The session that the subscriptions belong to on the local broker.
    pub session: SessionId,
    /// The local broker's name, which is part of the names of durable subscriptions.
    pub broker: String,
    /// The bridge's client identifier at the local broker, whose the durable subscriptions are.
    pub client_id: String,
    /// Topics whose demand is durable whoever asks for it (`forceDurable`).
    pub force_durable: Vec<DestinationPattern>,
}

/// What one remote consumer says about the demand that it is part of.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The brokers between the remote one and the consumer.
    pub path: Vec<BrokerId>,
    /// The demand subscriptions between the consumer and its announcement, then itself.
    pub consumers: Vec<ConsumerId>,
    /// Its priority on the remote broker.
    pub priority: i8,
    /// What it wants of the destination's messages; all of them if absent.
    pub selector: Option<Text>,
    /// How many bridges a message may pass, the remote broker's own towards the consumer included,
    /// if that has a limit.
    pub limit: Option<i32>,
    /// Whose it is.
    pub source: Source,
    /// It outlives the bridge: what is sent while there is none must be kept for it.
    pub durable: bool,
}

impl Wish {
    pub(super) fn of(info: &ConsumerInfo, source: Source, forced: bool) -> Self {
        let further = info.network_consumer_path.iter().flatten().flatten();
        Self {
            path: broker_path::brokers(info.broker_path.as_ref()).cloned().collect(),
            consumers: further.chain(&info.consumer_id).cloned().collect(),
            priority: info.priority,
            selector: info.selector.clone().filter(|text| !text.as_bytes().is_empty()),
            limit: info.additional_predicate.as_ref().map(message_limit).filter(|limit| *limit > 0),
            durable: forced || matches!(source, Source::Durable(_)),
            source,
        }
    }
}

impl DemandPolicy {
    pub(crate) fn filter(&self) -> NetworkBridgeFilter {
        NetworkBridgeFilter {
            network_broker_id: Some(self.remote.clone()),
            message_ttl: self.message_ttl,
            consumer_ttl: self.consumer_ttl,
            ..NetworkBridgeFilter::default()
        }
    }

    /// The subscription of a static destination.
    pub(super) fn standing(&self, destination: &Destination) -> ConsumerInfo {
        let info = ConsumerInfo {
            destination: Some(destination.clone()),
            broker_path: Some(broker_path::extended([], &self.remote)),
            ..ConsumerInfo::default()
        };
        let mut shaped = self.shaped(info, self.priority(1, 0));
        if self.forces(destination) {
            self.make_durable(&mut shaped, destination, None);
        }
        shaped
    }

    /// Whether demand for a topic is durable whoever asks for it.
    pub(super) fn forces(&self, destination: &Destination) -> bool {
        self.force_durable.iter().any(|pattern| pattern.matches(destination))
    }

    /// Lets a subscription outlive the bridge.
    pub(super) fn make_durable(
        &self,
        local: &mut ConsumerInfo,
        destination: &Destination,
        only: Option<&DurableKey>,
    ) {
        local.subscription_name = Some(subscription_name(&self.broker, destination, only));
        local.client_id = Some(self.client_id.as_str().into());
    }

    /// The subscription of an earlier bridge, taken up again under the name that it has.
    pub(super) fn restored(&self, kept: &ConsumerInfo, destination: &Destination) -> ConsumerInfo {
        let info = ConsumerInfo {
            destination: Some(destination.clone()),
            selector: kept.selector.clone(),
            subscription_name: kept.subscription_name.clone(),
            client_id: kept.client_id.clone(),
            // Who follows it from elsewhere knew it by this.
            broker_path: kept.broker_path.clone(),
            network_consumer_path: kept.network_consumer_path.clone(),
            ..ConsumerInfo::default()
        };
        self.shaped(info, kept.priority)
    }

    /// The subscription for the first remote consumer of a demand: its own description, made ours.
    pub(super) fn following(
        &self,
        info: &ConsumerInfo,
        wish: &Wish,
        destination: &Destination,
    ) -> ConsumerInfo {
        let copy = ConsumerInfo {
            destination: Some(destination.clone()),
            // A durable subscription that several share cannot change what it keeps.
            selector: wish.selector.clone().filter(|_| !self.conduit || !wish.durable),
            // A conduit stands for consumers that come and go, exclusive or not; the remote broker
            // knows who of them has its queue.
            exclusive: info.exclusive && !self.conduit,
            retroactive: info.retroactive,
            maximum_pending_message_limit: info.maximum_pending_message_limit,
            ..ConsumerInfo::default()
        };
        let mut shaped = self.shaped(copy, info.priority);
        self.lead(&mut shaped, wish);
        if wish.durable {
            let only = match &wish.source {
                Source::Durable(key) if !self.conduit => Some(key),
                _ => None,
            };
            self.make_durable(&mut shaped, destination, only);
        }
        shaped
    }

    /// Describes a demand by the remote consumer that leads it.
    pub(super) fn lead(&self, local: &mut ConsumerInfo, wish: &Wish) {
        let path = broker_path::extended(&wish.path, &self.remote);
        local.priority = self.priority(path.len(), wish.priority);
        local.broker_path = Some(path);
        // With the bridge to there, it will have passed one more.
        let beyond = wish.limit.map(|limit| limit - 1);
        let own = Some(self.message_ttl).filter(|own| *own >= 0);
        let nearest = own.into_iter().chain(beyond).min().unwrap_or(self.message_ttl);
        local.additional_predicate =
            Some(NetworkBridgeFilter { message_ttl: nearest, ..self.filter() });
        local.network_consumer_path = Some(wish.consumers.iter().cloned().map(Some).collect());
    }

    fn shaped(&self, info: ConsumerInfo, priority: i8) -> ConsumerInfo {
        ConsumerInfo {
            network_subscription: true,
            dispatch_async: true,
            prefetch_size: self.prefetch_size,
            priority,
            additional_predicate: Some(self.filter()),
            ..info
        }
    }

    /// -5, -8, -9, … for one, two, three hops: ActiveMQ's series.
    fn priority(&self, hops: usize, original: i8) -> i8 {
        if !self.decrease_priority {
            return original;
        }
        let further = if hops > 1 { i64::try_from(hops).unwrap_or(i64::MAX - 1) + 1 } else { 0 };
        let priority = i64::from(self.priority_base).saturating_sub(further);
        i8::try_from(priority).unwrap_or(i8::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::policy;

    #[test]
    fn priority_falls_with_distance() {
        let policy = policy();
        let series: Vec<_> = (1..=4).map(|hops| policy.priority(hops, 3)).collect();
        assert_eq!(series, [-5, -8, -9, -10]);
        assert_eq!(policy.priority(500, 0), i8::MIN);
        let keep = DemandPolicy { decrease_priority: false, ..policy };
        assert_eq!(keep.priority(3, 7), 7);
    }
}
