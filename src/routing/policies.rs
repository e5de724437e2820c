//! What the policies say about a destination.

use std::sync::Arc;

use ferrymq_openwire::destination::Destination;

use super::broker::Broker;
use super::terms::Terms;
use crate::config::DestinationPolicy;
use crate::destination::{Audit, AuditSettings, MemoryAccount};

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
        Terms { account: MemoryAccount::below(&self.memory, limit), audit }
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
