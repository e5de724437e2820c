//! What the policies say about a destination.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::destination::{Destination, DestinationKind};

use super::advisory::is_advisory;
use super::broker::Broker;
use super::persistence::QueueStore;
use super::shortage::NoSpace;
use super::terms::Terms;
use crate::config::DestinationPolicy;
use crate::destination::{Audit, AuditSettings, MemoryAccount, RedeliveryPolicy};

/// How long a message that another broker may have is held for that one, in milliseconds.
const IN_DOUBT_HOLD: i64 = 30_000;
/// Bytes of messages that a queue holds in memory of a longer backlog, unless a policy gives it a
/// memory limit.
const WINDOW: u64 = 6 * 1024 * 1024;
/// How much of a memory limit a backlog may take, in percent (ActiveMQ's
/// `cursorMemoryHighWaterMark`).
const WATER_MARK: u64 = 70;

impl Broker {
    /// The terms of a destination to be. Of the policies that match it, the most specific one that
    /// has a setting decides it.
    pub(super) fn terms_for(&self, address: &Destination) -> Terms {
        let policies = &self.settings.policies;
        let matching: Vec<&DestinationPolicy> =
            policies.iter().filter(|policy| policy.pattern.matches(address)).collect();
        let limit = matching.iter().find_map(|policy| policy.memory_limit);
        let audit = Audit::new(
            audit(&matching, address),
            self.identity.id.clone(),
            Arc::clone(&self.audits),
        );
        let store = self.queue_store(address);
        Terms {
            spool: self.spool.clone().filter(|_| store.is_some()),
            store,
            account: MemoryAccount::below(&self.memory, limit),
            audit,
            replay: replay(&matching),
            redelivery: redelivery(&matching),
            in_doubt_hold: matching
                .iter()
                .find_map(|policy| policy.in_doubt_hold)
                .map_or(IN_DOUBT_HOLD, |hold| i64::try_from(hold.as_millis()).unwrap_or(i64::MAX)),
            offset: self.clock.wall_offset().clone(),
            persistence: self.persistence.clone().filter(|_| keeps_topic(address)),
            window: self.window(limit),
            store_limit: matching.iter().find_map(|policy| policy.store_limit),
            no_space: self.no_space(&matching),
        }
    }
}

impl Broker {
    /// How much of a queue's backlog stays in memory: a part of what the queue may hold if a policy
    /// says that, else of the broker's, but not more than reading ahead is good for.
    pub(super) fn window(&self, limit: Option<u64>) -> u64 {
        let part = |limit: u64| limit / 100 * WATER_MARK + limit % 100 * WATER_MARK / 100;
        limit.map_or_else(|| part(self.memory.limit()).min(WINDOW), part)
    }

    /// What becomes of messages for which there is no room: each of the two settings as the most
    /// specific policy that has it says, or else the broker's.
    fn no_space(&self, policies: &[&DestinationPolicy]) -> NoSpace {
        let settings = &self.settings;
        let fail = policies.iter().find_map(|policy| policy.send_fail_if_no_space);
        let after = policies.iter().find_map(|policy| policy.send_fail_if_no_space_after_timeout);
        NoSpace::of(
            fail.unwrap_or(settings.send_fail_if_no_space),
            after.unwrap_or(settings.send_fail_if_no_space_after_timeout),
        )
    }

    /// Where the persistent messages of a queue are kept, if they are. Temporary ones, and what
    /// lies in them, end with their connection.
    fn queue_store(&self, address: &Destination) -> Option<QueueStore> {
        let kept = address.kind() == DestinationKind::Queue;
        let persistence = self.persistence.as_ref().filter(|_| kept)?;
        Some(persistence.queue_store(address))
    }
}

/// Whether durable subscriptions may stand in a topic.
fn keeps_topic(address: &Destination) -> bool {
    address.kind() == DestinationKind::Topic && !is_advisory(address)
}

fn redelivery(policies: &[&DestinationPolicy]) -> RedeliveryPolicy {
    let default = RedeliveryPolicy::default();
    let settings = || policies.iter().map(|policy| policy.redelivery);
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let most = settings().find_map(|one| one.maximum_redeliveries);
    let initial = settings().find_map(|one| one.initial_redelivery_delay);
    let later = settings().find_map(|one| one.redelivery_delay);
    let grows = settings().find_map(|one| one.use_exponential_back_off);
    let factor = settings().find_map(|one| one.back_off_multiplier);
    let longest = settings().find_map(|one| one.maximum_redelivery_delay);
    RedeliveryPolicy {
        maximum_redeliveries: most.unwrap_or(default.maximum_redeliveries),
        initial_redelivery_delay: initial.map_or(default.initial_redelivery_delay, millis),
        redelivery_delay: later.map_or(default.redelivery_delay, millis),
        use_exponential_back_off: grows.unwrap_or(default.use_exponential_back_off),
        back_off_multiplier: factor.unwrap_or(default.back_off_multiplier),
        maximum_redelivery_delay: longest.map_or(default.maximum_redelivery_delay, millis),
    }
}

fn replay(policies: &[&DestinationPolicy]) -> ReplayPolicy {
    fn first<T>(
        policies: &[&DestinationPolicy],
        setting: fn(&DestinationPolicy) -> Option<T>,
        default: T,
    ) -> T {
        policies.iter().find_map(|policy| setting(policy)).unwrap_or(default)
    }
    let default = ReplayPolicy::default();
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    ReplayPolicy {
        replay_when_no_consumers: first(
            policies,
            |policy| policy.replay.replay_when_no_consumers,
            default.replay_when_no_consumers,
        ),
        replay_delay: policies
            .iter()
            .find_map(|policy| policy.replay.replay_delay)
            .map_or(default.replay_delay, millis),
        rate_limit: first(policies, |policy| policy.replay.rate_limit, default.rate_limit),
        rate_duration: policies
            .iter()
            .find_map(|policy| policy.replay.rate_duration)
            .map_or(default.rate_duration, millis)
            .max(1),
        selector_aware: first(
            policies,
            |policy| policy.replay.selector_aware,
            default.selector_aware,
        ),
    }
}

fn audit(policies: &[&DestinationPolicy], address: &Destination) -> AuditSettings {
    let default = AuditSettings::default();
    let first = |setting: fn(&DestinationPolicy) -> Option<usize>| {
        policies.iter().find_map(|policy| setting(policy))
    };
    let depth = if address.kind().is_queue() {
        first(|policy| policy.audit.max_queue_audit_depth)
    } else {
        first(|policy| policy.audit.max_audit_depth)
    };
    AuditSettings {
        enabled: policies
            .iter()
            .find_map(|policy| policy.audit.enable_audit)
            .unwrap_or(default.enabled),
        depth: depth.unwrap_or(default.depth),
        producers: first(|policy| policy.audit.max_producers_to_audit).unwrap_or(default.producers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tables;

    #[test]
    fn without_a_policy_the_defaults_are_those_of_the_reference() {
        let default = |table: &str, key: &str| {
            let tables = tables();
            let fields = tables.iter().find(|one| one.name == table).map(|one| &one.fields);
            let field = fields.and_then(|fields| fields.iter().find(|field| field.key == key));
            field.and_then(|field| field.default).unwrap_or_default().trim_matches('"').to_owned()
        };
        assert_eq!(
            default("destination_policy", "in_doubt_hold"),
            format!("{}s", IN_DOUBT_HOLD / 1000)
        );
        for (address, key) in [
            (Destination::queue("q"), "max_queue_audit_depth"),
            (Destination::topic("t"), "max_audit_depth"),
        ] {
            let settings = audit(&[], &address);
            assert_eq!(default("destination_policy", "enable_audit"), settings.enabled.to_string());
            assert_eq!(default("destination_policy", key), settings.depth.to_string());
            let producers = settings.producers.to_string();
            assert_eq!(default("destination_policy", "max_producers_to_audit"), producers);
        }
        let policy = replay(&[]);
        let on = policy.replay_when_no_consumers.to_string();
        assert_eq!(default("replay", "replay_when_no_consumers"), on);
        assert_eq!(default("replay", "replay_delay"), format!("{}s", policy.replay_delay / 1000));
        assert_eq!(default("replay", "rate_limit"), policy.rate_limit.to_string());
        assert_eq!(default("replay", "rate_duration"), format!("{}s", policy.rate_duration / 1000));
        assert_eq!(default("replay", "selector_aware"), policy.selector_aware.to_string());
        let policy = redelivery(&[]);
        let seconds = |millis: i64| format!("{}s", millis / 1000);
        for (key, value) in [
            ("maximum_redeliveries", policy.maximum_redeliveries.to_string()),
            ("initial_redelivery_delay", seconds(policy.initial_redelivery_delay)),
            ("redelivery_delay", seconds(policy.redelivery_delay)),
            ("use_exponential_back_off", policy.use_exponential_back_off.to_string()),
            ("back_off_multiplier", format!("{:.1}", policy.back_off_multiplier)),
        ] {
            assert_eq!(default("redelivery", key), value, "{key}");
        }
    }
}
