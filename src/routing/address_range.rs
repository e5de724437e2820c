//! Finding the addresses that a pattern matches without looking at all of them.

use std::collections::BTreeMap;

use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::text::Text;

/// The entries whose address `pattern` matches, in order. Only those are looked at that share what
/// stands before the pattern's first wildcard.
pub(super) fn matching<'a, V>(
    map: &'a BTreeMap<Destination, V>,
    pattern: &'a DestinationPattern,
) -> impl Iterator<Item = (&'a Destination, &'a V)> {
    let prefix = literal_prefix(pattern.name());
    let start = Destination::new(pattern.kind(), prefix.clone());
    map.range(start..)
        .take_while(move |(address, _)| {
            address.kind() == pattern.kind()
                && address.name().as_bytes().starts_with(prefix.as_bytes())
        })
        .filter(|(address, _)| pattern.matches(address))
}

/// The levels before the first wildcard, without the dot that follows them: `A.>` matches `A`, too.
fn literal_prefix(name: &Text) -> Text {
    let bytes = name.as_bytes();
    let mut end = 0;
    for level in bytes.split(|byte| *byte == b'.') {
        if level == b"*" || level == b">" {
            break;
        }
        end += level.len() + 1;
    }
    let literal = bytes.get(..end.saturating_sub(1)).unwrap_or(bytes);
    Text::from_wire(literal).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pattern finds what looking at all addresses finds.
    #[test]
    fn a_range_leaves_out_nothing_that_matches() {
        let names = ["A", "A.B", "A.B.C", "AB", "A-", "B", "B.A", "", ".", "A.", "A..B", ">", "*"];
        let mut map = BTreeMap::new();
        for name in names {
            map.insert(Destination::topic(name), ());
            map.insert(Destination::queue(name), ());
        }
        for text in ["A", "A.>", "A.*", ">", "*", "*.A", "A.B.>", "A.*.C", "B.>.A", "", "A.B", "X"]
        {
            for address in [Destination::topic(text), Destination::queue(text)] {
                let pattern = DestinationPattern::of(&address);
                let found: Vec<_> = matching(&map, &pattern).map(|(address, ())| address).collect();
                let all: Vec<_> = map.keys().filter(|key| pattern.matches(key)).collect();
                assert_eq!(found, all, "{address}");
            }
        }
    }
}
