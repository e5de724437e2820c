//! Whether a destination may cross a bridge.

use ferrymq_openwire::destination::Destination;

use super::verdict::Verdict;
use crate::destination_pattern::DestinationPattern;

/// What the configuration of a connector says about destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permits {
    /// Demand for these is followed; empty: for all.
    pub dynamically_included: Vec<DestinationPattern>,
    /// These are forwarded without waiting for demand.
    pub statically_included: Vec<DestinationPattern>,
    /// These never cross, whatever else matches them.
    pub excluded: Vec<DestinationPattern>,
    /// Whether temporary destinations cross, which no pattern decides.
    pub temporary: bool,
}

impl Default for Permits {
    /// Everything may cross.
    fn default() -> Self {
        Self {
            dynamically_included: Vec::new(),
            statically_included: Vec::new(),
            excluded: Vec::new(),
            temporary: true,
        }
    }
}

impl Permits {
    /// The rule, in ActiveMQ's order: temporary, control traffic, excluded, static, dynamic.
    ///
    /// A broker asks it when it attaches a bridge's consumer to a destination, so that a wildcard
    /// demand never gets a message that it may not forward.
    pub fn verdict(&self, destination: &Destination) -> Verdict {
        if destination.kind().is_temporary() {
            let carried = self.temporary;
            return if carried { Verdict::Forward } else { Verdict::TemporaryNotBridged };
        }
        if is_bridge_control(destination) {
            return Verdict::BridgeControl;
        }
        if let Some(by) = first_match(&self.excluded, destination) {
            return Verdict::Excluded { by: by.clone() };
        }
        let included = self.dynamically_included.is_empty()
            || first_match(&self.statically_included, destination).is_some()
            || first_match(&self.dynamically_included, destination).is_some();
        if included { Verdict::Forward } else { Verdict::NotIncluded }
    }
}

fn first_match<'a>(
    patterns: &'a [DestinationPattern],
    destination: &Destination,
) -> Option<&'a DestinationPattern> {
    patterns.iter().find(|pattern| pattern.matches(destination))
}

/// The advisory topics that bridges act on; they never cross.
pub(crate) fn is_bridge_control(destination: &Destination) -> bool {
    const PREFIX: &[u8] = b"ActiveMQ.Advisory.";
    const CONTROL: [&[u8]; 4] =
        [b"Consumer.", b"VirtualDestination.Consumer.", b"TempQueue", b"TempTopic"];
    destination.name().as_bytes().strip_prefix(PREFIX).is_some_and(|rest| {
        !destination.kind().is_queue() && CONTROL.iter().any(|control| rest.starts_with(control))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrymq_openwire::destination::DestinationKind;

    fn patterns(texts: &[&str]) -> Vec<DestinationPattern> {
        texts.iter().map(|text| DestinationPattern::parse(text).unwrap()).collect()
    }

    fn queue(name: &str) -> Destination {
        Destination::queue(name)
    }

    #[test]
    fn everything_crosses_by_default() {
        let permits = Permits::default();
        assert!(permits.verdict(&queue("A")).may_cross());
        assert!(permits.verdict(&Destination::topic("A")).may_cross());
        assert!(permits.verdict(&Destination::new(DestinationKind::TempQueue, "x:1")).may_cross());
    }

    #[test]
    fn exclusion_wins_over_every_inclusion() {
        let permits = Permits {
            dynamically_included: patterns(&["queue://A.>"]),
            statically_included: patterns(&["queue://A.B"]),
            excluded: patterns(&["queue://A.B"]),
            ..Permits::default()
        };
        assert!(matches!(permits.verdict(&queue("A.B")), Verdict::Excluded { .. }));
        assert!(permits.verdict(&queue("A.C")).may_cross());
        assert_eq!(permits.verdict(&queue("B")), Verdict::NotIncluded);
    }

    #[test]
    fn static_inclusion_needs_no_dynamic_one() {
        let permits = Permits {
            dynamically_included: patterns(&["queue://A"]),
            statically_included: patterns(&["queue://S"]),
            ..Permits::default()
        };
        assert!(permits.verdict(&queue("S")).may_cross());
        let only_static =
            Permits { statically_included: patterns(&["queue://S"]), ..Permits::default() };
        assert!(only_static.verdict(&queue("other")).may_cross(), "no dynamic inclusion: all");
    }

    #[test]
    fn kinds_are_told_apart() {
        let permits =
            Permits { dynamically_included: patterns(&["topic://A"]), ..Permits::default() };
        assert!(permits.verdict(&Destination::topic("A")).may_cross());
        assert_eq!(permits.verdict(&queue("A")), Verdict::NotIncluded);
    }

    #[test]
    fn temporary_destinations_follow_their_own_switch() {
        let temporary = Destination::new(DestinationKind::TempQueue, "ID:x:1");
        let narrow = Permits { dynamically_included: patterns(&["A"]), ..Permits::default() };
        assert!(narrow.verdict(&temporary).may_cross());
        let without = Permits { temporary: false, ..Permits::default() };
        assert_eq!(without.verdict(&temporary), Verdict::TemporaryNotBridged);
    }

    #[test]
    fn what_bridges_act_on_is_not_forwarded() {
        let permits = Permits::default();
        for name in ["Consumer.Queue.A", "TempQueue", "VirtualDestination.Consumer.Topic.T"] {
            let topic = Destination::topic(format!("ActiveMQ.Advisory.{name}"));
            assert_eq!(permits.verdict(&topic), Verdict::BridgeControl, "{name}");
        }
        assert!(permits.verdict(&Destination::topic("ActiveMQ.Advisory.Connection")).may_cross());
    }
}
