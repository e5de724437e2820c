//! Whether this message may cross this bridge.

use ferrymq_openwire::commands::NetworkBridgeFilter;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::permit::Permits;
use super::verdict::Verdict;

/// The rule of loops and hops: whether a message may go on over the bridge that a demand
/// subscription's filter (its `additionalPredicate`) describes.
///
/// A message's path holds the brokers that forwarded it, not the one that holds it now (`own`), so a
/// limit of 1 lets only the broker forward it that got it from its producer, and 0 none. What came
/// back has undone the bridges that it passed in between.
///
/// For a message of a queue, a broker that it has visited is not the last word:
/// [`replay`](super::replay::replay) is asked then.
pub fn forward(filter: &NetworkBridgeFilter, own: &BrokerId, message: &Message) -> Verdict {
    if let Some(next) = &filter.network_broker_id
        && message.broker_path_contains(next)
    {
        return Verdict::AlreadyVisited { broker: next.clone() };
    }
    match message_limit(filter) {
        ..0 => Verdict::Forward,
        limit => within_hops(hops(own, message), limit),
    }
}

/// How many bridges a message has passed to here, without detours that led back to here.
fn hops(own: &BrokerId, message: &Message) -> usize {
    let name = own.value.as_ref().map(Text::as_bytes);
    let first_visit = message.broker_path_names().position(|broker| broker == name);
    first_visit.unwrap_or_else(|| message.broker_path_len())
}

/// The whole rule for one message of one bridge: its destination's permit, then [`forward`].
pub fn crosses(
    permits: &Permits,
    filter: &NetworkBridgeFilter,
    own: &BrokerId,
    destination: &Destination,
    message: &Message,
) -> Verdict {
    permits.verdict(destination).and_then(|| forward(filter, own, message))
}

/// Whether something that passed so many bridges may pass one more; a negative limit is none.
pub fn within_hops(hops: usize, limit: i32) -> Verdict {
    match usize::try_from(limit) {
        Ok(allowed) if hops >= allowed => Verdict::HopLimit { hops, limit },
        _ => Verdict::Forward,
    }
}

/// How many bridges a message may pass, the one that the filter describes included; negative: any
/// number. Before version 10 one number stands for both limits; such a filter has the others at 0.
pub(crate) fn message_limit(filter: &NetworkBridgeFilter) -> i32 {
    if filter.network_ttl != 0 { filter.network_ttl } else { filter.message_ttl }
}

/// Whether a filter lets messages pass only so many bridges.
pub fn limits_hops(filter: &NetworkBridgeFilter) -> bool {
    message_limit(filter) >= 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination_pattern::DestinationPattern;
    use crate::testing::message_via;

    fn own() -> BrokerId {
        BrokerId::new("own")
    }

    fn filter(message_ttl: i32) -> NetworkBridgeFilter {
        NetworkBridgeFilter {
            network_broker_id: Some(BrokerId::new("b")),
            message_ttl,
            ..NetworkBridgeFilter::default()
        }
    }

    #[test]
    fn a_message_never_returns_to_a_broker_on_its_path() {
        assert!(forward(&filter(-1), &own(), &message_via(&[])).may_cross());
        assert!(forward(&filter(-1), &own(), &message_via(&["a", "c"])).may_cross());
        assert_eq!(
            forward(&filter(-1), &own(), &message_via(&["a", "b", "c"])),
            Verdict::AlreadyVisited { broker: BrokerId::new("b") }
        );
    }

    #[test]
    fn hops_are_counted_before_the_next_one() {
        assert_eq!(
            forward(&filter(0), &own(), &message_via(&[])),
            Verdict::HopLimit { hops: 0, limit: 0 }
        );
        assert!(forward(&filter(1), &own(), &message_via(&[])).may_cross());
        assert_eq!(
            forward(&filter(1), &own(), &message_via(&["a"])),
            Verdict::HopLimit { hops: 1, limit: 1 }
        );
        assert!(forward(&filter(2), &own(), &message_via(&["a"])).may_cross());
    }

    #[test]
    fn what_came_back_has_its_hops_back() {
        assert!(forward(&filter(1), &own(), &message_via(&["own", "a"])).may_cross());
        assert!(
            forward(&filter(2), &own(), &message_via(&["c", "own", "a", "own", "a"])).may_cross()
        );
        assert_eq!(
            forward(&filter(1), &own(), &message_via(&["c", "own", "a"])),
            Verdict::HopLimit { hops: 1, limit: 1 }
        );
    }

    #[test]
    fn an_old_peers_single_limit_counts() {
        let old = NetworkBridgeFilter { network_ttl: 1, ..filter(0) };
        assert!(forward(&old, &own(), &message_via(&[])).may_cross());
        assert!(!forward(&old, &own(), &message_via(&["a"])).may_cross());
    }

    #[test]
    fn the_permit_comes_first() {
        let excluded = DestinationPattern::parse("queue://A.>").unwrap();
        let permits = Permits { excluded: vec![excluded.clone()], ..Permits::default() };
        let message = message_via(&["b"]);
        assert_eq!(
            crosses(&permits, &filter(-1), &own(), &Destination::queue("A.B"), &message),
            Verdict::Excluded { by: excluded }
        );
        assert_eq!(
            crosses(&permits, &filter(-1), &own(), &Destination::queue("B"), &message),
            Verdict::AlreadyVisited { broker: BrokerId::new("b") }
        );
    }
}
