//! What a bridge does once it knows between whom: follows demand, here for temporary destinations.

use std::collections::HashSet;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::text::Text;

use super::advised::AdvisoryAcks;
use super::by_number::ByNumber;
use super::effects::Event;
use super::forwarder::{ForwardTerms, Forwarder};
use super::liveness::Liveness;
use super::outgoing::Outgoing;
use super::settings::{BridgeSettings, EndIds, Role};
use super::settling::{Settling, SettlingTerms};
use crate::broker_path::{self, WirePath};
use crate::composite;
use crate::config::NetworkConnectorConfig;
use crate::demand::durable::{DurableKey, connector_of, is_of_bridge};
use crate::demand::table::{DemandChange, DemandNumber, DemandTable};
use crate::local_broker::BrokerIdentity;
use crate::rules::demand::DemandRule;
use crate::rules::forward::within_hops;

/// What a bridge does once it knows between whom.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) local_ids: EndIds,
    pub(super) remote_ids: EndIds,
    remote: BrokerIdentity,
    rule: DemandRule,
    pub(super) demand: DemandTable,
    pub(super) forwarder: Forwarder,
    pub(super) settling: Settling,
    pub(super) liveness: Liveness,
    pub(super) advisory_acks: AdvisoryAcks,
    /// Demand subscriptions that the local broker has not confirmed, by request.
    pub(super) subscribing: ByNumber<i32, DemandNumber>,
    /// Temporary destinations of the remote broker that the local one was told of.
    temporary: HashSet<Destination>,
    /// Temporary destinations to remove here once no subscription to them is left.
    leaving: Vec<DestinationInfo>,
    pub(super) changes: Vec<DemandChange>,
}

impl Work {
    pub(super) fn new(settings: &BridgeSettings, remote: BrokerIdentity) -> Self {
        let local_ids = settings.local_ids(&remote);
        let remote_ids = settings.remote_ids(&remote);
        let policy = settings.demand_policy(&remote);
        let config = &settings.config;
        let own = settings.local.id.clone();
        Self {
            settling: Settling::new(SettlingTerms {
                session: local_ids.session.clone(),
                producer: remote_ids.producer(),
                own: own.clone(),
                filter: policy.filter(),
            }),
            rule: DemandRule {
                own: settings.local.id.clone(),
                consumer_ttl: config.consumer_ttl,
                permits: settings.permits.clone(),
            },
            forwarder: Forwarder::new(ForwardTerms {
                producer: remote_ids.producer(),
                own: settings.local.id.clone(),
                permits: settings.permits.clone(),
                filter: policy.filter(),
                // Only what is confirmed can be counted, and a duplex link needs its count.
                always_sync_send: config.always_sync_send || settings.role != Role::OneWay,
                tells_toward: settings.remote_reads_on,
                takes: settings.remote_takes,
            }),
            liveness: Liveness::new(config.link_timeout, remote_ids.producer()),
            demand: DemandTable::new(policy),
            advisory_acks: AdvisoryAcks::new(
                remote_ids.advisory_consumer(),
                config.advisory_prefetch(),
            ),
            local_ids,
            remote_ids,
            remote,
            subscribing: ByNumber::default(),
            temporary: HashSet::new(),
            leaving: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn consumer_came(
        &mut self,
        info: &ConsumerInfo,
        local: &mut Outgoing,
        events: &mut Vec<Event>,
    ) {
        let Some(address) = &info.destination else { return };
        let mut wanted = Vec::new();
        for destination in composite::members(address) {
            let verdict = self.rule.consumer(info, &destination);
            if !verdict.may_cross() {
                events.push(Event::DemandIgnored { destination, verdict });
                continue;
            }
            if destination.kind().is_temporary() {
                // Its own advisory may come later; a subscription needs it now.
                let path = info.broker_path.as_ref();
                self.make_known(&destination, path, local);
            }
            self.demand.add(info, &destination, &mut self.changes);
            wanted.push(destination);
        }
        if let Some(durable) = DurableKey::of(info) {
            // It may have wanted something else before, or have been reached another way.
            self.demand.unsubscribed(&durable, &wanted, &mut self.changes);
        }
    }

    /// A durable subscription of the remote broker ended.
    pub(super) fn unsubscribed(&mut self, durable: &DurableKey) {
        self.demand.unsubscribed(durable, &[], &mut self.changes);
        // Of several it cannot be told which; the next bridge learns which are left.
        if let [only] = self.demand.misnamed(&durable.name, &self.remote.name).as_slice() {
            self.demand.unsubscribed(only, &[], &mut self.changes);
        }
    }

    /// The local broker's durable subscriptions of bridges, as the opening found them: takes up
    /// those that earlier bridges to the same broker left.
    pub(super) fn restore(&mut self, kept: &[ConsumerInfo], settings: &BridgeSettings) {
        let NetworkConnectorConfig { dynamic_only, durable_destinations, .. } = &*settings.config;
        if *dynamic_only {
            return;
        }
        let own = Some(Text::from(self.local_ids.client_id.as_str()));
        let mut kept: Vec<&ConsumerInfo> =
            kept.iter().filter(|info| self.left_by_predecessor(info, settings)).collect();
        // Its own first: of two for one destination, only one can serve.
        kept.sort_by_key(|info| info.client_id != own);
        for info in kept {
            let Some(destination) = &info.destination else { continue };
            let candidate = durable_destinations.is_empty()
                || durable_destinations.iter().any(|pattern| pattern.matches(destination));
            if candidate && self.rule.permits.verdict(destination).may_cross() {
                self.demand.restore(info, &mut self.changes);
            }
        }
    }

    fn left_by_predecessor(&self, info: &ConsumerInfo, settings: &BridgeSettings) -> bool {
        let client = info.client_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let connector = connector_of(&client, &self.remote.name, &settings.local.name);
        is_of_bridge(info) && connector.is_some_and(|name| settings.succeeds(name))
    }

    /// The remote broker tells of all its durable subscriptions.
    pub(super) fn synchronise(
        &mut self,
        theirs: &[ConsumerInfo],
        settings: &BridgeSettings,
        local: &mut Outgoing,
        events: &mut Vec<Event>,
    ) {
        for info in theirs {
            let client = info.client_id.as_ref().map(ToString::to_string).unwrap_or_default();
            // Demand of its own bridge to here would come back around.
            let ours = is_of_bridge(info)
                && connector_of(&client, &settings.local.name, &self.remote.name).is_some();
            // A bridge's that has lost its path passed one bridge at least.
            let pathless = is_of_bridge(info) && info.broker_path.is_none();
            let too_far = pathless && !within_hops(1, settings.config.consumer_ttl).may_cross();
            if !ours && !too_far {
                self.consumer_came(info, local, events);
            }
        }
        self.demand.settle(&mut self.changes);
    }

    /// A temporary destination of the remote broker came or went.
    pub(super) fn temporary(
        &mut self,
        info: DestinationInfo,
        settings: &BridgeSettings,
        local: &mut Outgoing,
    ) {
        const REMOVED: i8 = 1;
        let Some(destination) = info.destination.clone() else { return };
        if !destination.kind().is_temporary()
            || !self.rule.temporary(&info, &destination).may_cross()
        {
            return;
        }
        let owner = owner_of(&destination);
        let selective = !settings.config.dynamically_included.is_empty();
        if info.operation_type == REMOVED {
            self.demand.remove_temporary(&destination, &mut self.changes);
            if !self.temporary.remove(&destination) {
                return;
            }
            self.leaving.push(DestinationInfo {
                connection_id: Some(self.local_ids.connection.clone()),
                broker_path: Some(self.with_remote(info.broker_path.as_ref())),
                // As ActiveMQ: do not wait for subscriptions.
                timeout: 1,
                ..info
            });
            return;
        }
        self.make_known(&destination, info.broker_path.as_ref(), local);
        if selective {
            // Advisories of its consumer are on a topic that no inclusion names.
            let wish = ConsumerInfo {
                consumer_id: Some(owner),
                broker_path: info.broker_path,
                ..ConsumerInfo::default()
            };
            self.demand.add(&wish, &destination, &mut self.changes);
        }
    }

    fn make_known(
        &mut self,
        destination: &Destination,
        path: Option<&WirePath>,
        local: &mut Outgoing,
    ) {
        if !self.temporary.insert(destination.clone()) {
            return;
        }
        self.leaving.retain(|leaving| leaving.destination.as_ref() != Some(destination));
        local.request(Command::DestinationInfo(DestinationInfo {
            connection_id: Some(self.local_ids.connection.clone()),
            destination: Some(destination.clone()),
            broker_path: Some(self.with_remote(path)),
            ..DestinationInfo::default()
        }));
    }

    fn with_remote(&self, path: Option<&WirePath>) -> WirePath {
        broker_path::extended(broker_path::brokers(path), &self.remote.id)
    }

    /// Removes temporary destinations that nothing here subscribes to any more: in this order, or
    /// the local broker would refuse.
    pub(super) fn remove_left_destinations(&mut self, local: &mut Outgoing) {
        for info in std::mem::take(&mut self.leaving) {
            let served = info.destination.as_ref().is_some_and(|left| self.forwarder.serves(left));
            if served {
                self.leaving.push(info);
            } else {
                local.request(Command::DestinationInfo(info));
            }
        }
    }

    pub(super) fn forget_topics_that_crossed(&mut self) {
        if !self.demand.topics_overlap() {
            self.forwarder.topics_no_longer_overlap();
        }
    }
}

/// Stands for a temporary destination's one consumer, which its name tells.
fn owner_of(destination: &Destination) -> ConsumerId {
    ConsumerId { connection_id: Some(destination.name().clone()), session_id: -1, value: -1 }
}
