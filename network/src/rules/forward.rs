//! Whether this message may cross this bridge.

use ferrymq_openwire::commands::NetworkBridgeFilter;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;

use super::permit::Permits;
use super::verdict::Verdict;

/// The rule of loops and hops: whether a message may go on over the bridge that a demand
/// subscription's filter (its `additionalPredicate`) describes.
///
/// A message's path holds the brokers that forwarded it, not the one that holds it now, so a limit
/// of 1 lets only the broker forward it that got it from its producer, and 0 none.
pub fn forward(filter: &NetworkBridgeFilter, message: &Message) -> Verdict {
    if let Some(next) = &filter.network_broker_id
        && message.broker_path_contains(next)
    {
        return Verdict::AlreadyVisited { broker: next.clone() };
    }
    within_hops(message.broker_path_len(), message_ttl(filter))
}

/// The whole rule for one message of one bridge: its destination's permit, then [`forward`].
pub fn crosses(
    permits: &Permits,
    filter: &NetworkBridgeFilter,
    destination: &Destination,
    message: &Message,
) -> Verdict {
    permits.verdict(destination).and_then(|| forward(filter, message))
}

/// Whether something that passed so many bridges may pass one more; a negative limit is none.
pub fn within_hops(hops: usize, limit: i32) -> Verdict {
    match usize::try_from(limit) {
        Ok(allowed) if hops >= allowed => Verdict::HopLimit { hops, limit },
        _ => Verdict::Forward,
    }
}

/// Before version 10 one number stands for both limits; such a filter has the others at 0.
fn message_ttl(filter: &NetworkBridgeFilter) -> i32 {
    if filter.network_ttl != 0 { filter.network_ttl } else { filter.message_ttl }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination_pattern::DestinationPattern;
    use crate::testing::message_via;
    use ferrymq_openwire::ids::BrokerId;

    fn filter(message_ttl: i32) -> NetworkBridgeFilter {
        NetworkBridgeFilter {
            network_broker_id: Some(BrokerId::new("b")),
            message_ttl,
            ..NetworkBridgeFilter::default()
        }
    }

    #[test]
    fn a_message_never_returns_to_a_broker_on_its_path() {
        assert!(forward(&filter(-1), &message_via(&[])).may_cross());
        assert!(forward(&filter(-1), &message_via(&["a", "c"])).may_cross());
        assert_eq!(
            forward(&filter(-1), &message_via(&["a", "b", "c"])),
            Verdict::AlreadyVisited { broker: BrokerId::new("b") }
        );
    }

    #[test]
    fn hops_are_counted_before_the_next_one() {
        assert_eq!(forward(&filter(0), &message_via(&[])), Verdict::HopLimit { hops: 0, limit: 0 });
        assert!(forward(&filter(1), &message_via(&[])).may_cross());
        assert_eq!(
            forward(&filter(1), &message_via(&["a"])),
            Verdict::HopLimit { hops: 1, limit: 1 }
        );
        assert!(forward(&filter(2), &message_via(&["a"])).may_cross());
    }

    #[test]
    fn an_old_peers_single_limit_counts() {
        let old = NetworkBridgeFilter { network_ttl: 1, ..filter(0) };
        assert!(forward(&old, &message_via(&[])).may_cross());
        assert!(!forward(&old, &message_via(&["a"])).may_cross());
    }

    #[test]
    fn the_permit_comes_first() {
        let excluded = DestinationPattern::parse("queue://A.>").unwrap();
        let permits = Permits { excluded: vec![excluded.clone()], ..Permits::default() };
        let message = message_via(&["b"]);
        assert_eq!(
            crosses(&permits, &filter(-1), &Destination::queue("A.B"), &message),
            Verdict::Excluded { by: excluded }
        );
        assert_eq!(
            crosses(&permits, &filter(-1), &Destination::queue("B"), &message),
            Verdict::AlreadyVisited { broker: BrokerId::new("b") }
        );
    }
}
