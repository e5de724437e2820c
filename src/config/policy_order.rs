//! Which of several patterns is the more specific one.

use std::cmp::Reverse;

use ferrymq_network::destination_pattern::DestinationPattern;

/// A key that sorts more specific patterns first: name by name from the left, a name before `*`
/// before `>`, then the longer pattern, as ActiveMQ's destination map prefers them.
pub(super) fn specificity(pattern: &DestinationPattern) -> (Vec<u8>, Reverse<usize>) {
    let levels = pattern.name().as_bytes().split(|byte| *byte == b'.');
    let ranks: Vec<u8> = levels
        .map(|level| match level {
            b">" => 2,
            b"*" => 1,
            _ => 0,
        })
        .collect();
    let length = ranks.len();
    (ranks, Reverse(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_wildcards() {
        let texts = ["queue://>", "queue://a.>", "queue://a.*", "queue://a.b", "queue://*.b"];
        let mut patterns: Vec<DestinationPattern> =
            texts.iter().map(|text| DestinationPattern::parse(text).unwrap()).collect();
        patterns.sort_by_key(specificity);
        let sorted: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(
            sorted,
            ["queue://a.b", "queue://a.*", "queue://a.>", "queue://*.b", "queue://>"]
        );
    }
}
