//! Addresses that name several destinations at once.

use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::text::Text;

const PREFIXES: [DestinationKind; 4] = [
    DestinationKind::Queue,
    DestinationKind::Topic,
    DestinationKind::TempQueue,
    DestinationKind::TempTopic,
];

/// Whether an address names more than one destination.
pub fn is_composite(address: &Destination) -> bool {
    address.name().as_bytes().contains(&b',')
}

/// The destinations of an address: itself, or the parts of a composite one. A part may change the
/// kind with a prefix (`topic://`); otherwise it has the kind of the whole.
pub fn members(address: &Destination) -> Vec<Destination> {
    if !is_composite(address) {
        return vec![address.clone()];
    }
    let name = address.name().to_string_lossy();
    name.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let prefixed = PREFIXES
                .into_iter()
                .find_map(|kind| part.strip_prefix(kind.prefix()).map(|rest| (kind, rest)));
            let (kind, name) = prefixed.unwrap_or((address.kind(), part));
            Destination::new(kind, Text::from(name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_or_change_the_kind() {
        let whole = Destination::queue("A, topic://B,C,,");
        assert_eq!(
            members(&whole),
            [Destination::queue("A"), Destination::topic("B"), Destination::queue("C")]
        );
        assert_eq!(members(&Destination::topic("T")), [Destination::topic("T")]);
    }
}
