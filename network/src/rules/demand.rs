//! Whether what a remote broker announces becomes demand here.

use std::sync::Arc;

use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;

use super::forward::{message_limit, within_hops};
use super::permit::Permits;
use super::verdict::Verdict;
use crate::broker_path::{self, WirePath};

/// What an announcement is measured against.
#[derive(Debug, Clone)]
pub struct DemandRule {
    /// The broker that owns the bridge.
    pub own: BrokerId,
    /// How many bridges a demand may pass; negative: any number.
    pub consumer_ttl: i32,
    /// Which destinations may cross.
    pub permits: Arc<Permits>,
}

impl DemandRule {
    /// Whether a remote consumer's wish for one destination is followed.
    ///
    /// A consumer of the remote broker itself has no path and is exempt from the limit, as in
    /// ActiveMQ. What a bridge there wants is not followed if it would not take a message that comes
    /// from here (with ActiveMQ's default of one hop it does not): it would be stranded there.
    pub fn consumer(&self, info: &ConsumerInfo, destination: &Destination) -> Verdict {
        if info.browser {
            return Verdict::Browser;
        }
        self.path(info.broker_path.as_ref())
            .and_then(|| passed_on(info))
            .and_then(|| self.permits.verdict(destination))
    }

    /// Whether a temporary destination of the remote broker is made known here.
    pub fn temporary(&self, info: &DestinationInfo, destination: &Destination) -> Verdict {
        self.path(info.broker_path.as_ref()).and_then(|| self.permits.verdict(destination))
    }

    fn path(&self, path: Option<&WirePath>) -> Verdict {
        if broker_path::brokers(path).any(|passed| *passed == self.own) {
            return Verdict::AlreadyVisited { broker: self.own.clone() };
        }
        match broker_path::brokers(path).count() {
            0 => Verdict::Forward,
            hops => within_hops(hops, self.consumer_ttl),
        }
    }
}

/// Whether a bridge beyond takes anything that has passed the one to there.
fn passed_on(info: &ConsumerInfo) -> Verdict {
    match info.additional_predicate.as_ref().map(message_limit) {
        Some(limit @ 0..=1) => Verdict::NotPassedOn { limit },
        _ => Verdict::Forward,
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_openwire::commands::NetworkBridgeFilter;

    use super::*;

    fn rule(consumer_ttl: i32) -> DemandRule {
        DemandRule {
            own: BrokerId::new("own"),
            consumer_ttl,
            permits: Arc::new(Permits::default()),
        }
    }

    fn via(path: &[&str]) -> ConsumerInfo {
        ConsumerInfo {
            broker_path: Some(path.iter().map(|broker| Some(BrokerId::new(*broker))).collect()),
            ..ConsumerInfo::default()
        }
    }

    #[test]
    fn a_browser_is_no_demand() {
        let browser = ConsumerInfo { browser: true, ..ConsumerInfo::default() };
        assert_eq!(rule(-1).consumer(&browser, &Destination::queue("A")), Verdict::Browser);
    }

    #[test]
    fn demand_does_not_return_to_where_it_came_from() {
        let queue = Destination::queue("A");
        assert!(rule(-1).consumer(&via(&["x", "y"]), &queue).may_cross());
        assert_eq!(
            rule(-1).consumer(&via(&["x", "own"]), &queue),
            Verdict::AlreadyVisited { broker: BrokerId::new("own") }
        );
    }

    #[test]
    fn demand_ends_at_its_hop_limit_but_direct_consumers_are_exempt() {
        let queue = Destination::queue("A");
        assert!(rule(0).consumer(&ConsumerInfo::default(), &queue).may_cross());
        assert!(rule(2).consumer(&via(&["x"]), &queue).may_cross());
        assert_eq!(rule(1).consumer(&via(&["x"]), &queue), Verdict::HopLimit { hops: 1, limit: 1 });
    }

    #[test]
    fn demand_of_a_bridge_that_takes_nothing_from_here_is_not_followed() {
        let queue = Destination::queue("A");
        let of_bridge = |message_ttl| ConsumerInfo {
            additional_predicate: Some(NetworkBridgeFilter {
                message_ttl,
                ..NetworkBridgeFilter::default()
            }),
            ..via(&["x"])
        };
        for limit in [0, 1] {
            let verdict = rule(-1).consumer(&of_bridge(limit), &queue);
            assert_eq!(verdict, Verdict::NotPassedOn { limit });
        }
        for limit in [-1, 2] {
            assert!(rule(-1).consumer(&of_bridge(limit), &queue).may_cross());
        }
    }
}
