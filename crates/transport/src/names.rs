//! "Did you mean": the valid name that is nearest to one that nobody knows.

/// The name among `known` that the writer of `unknown` probably meant.
///
/// A name that only lacks its prefix (`maxFrameSize` for `wireFormat.maxFrameSize`), or has one
/// too many, is nearest.
/// Otherwise a third of the letters may be wrong. Letter case is not an error here.
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let wanted = unknown.to_lowercase();
    if wanted.is_empty() {
        return None;
    }
    let is_rest = |rest: &str, name: &str| {
        name.strip_suffix(rest).is_some_and(|prefix| prefix.ends_with('.'))
    };
    let other_prefix = known.iter().find(|name| {
        let name = name.to_lowercase();
        is_rest(&wanted, &name) || is_rest(&name, &wanted)
    });
    if let Some(name) = other_prefix {
        return Some(name);
    }
    let allowed = (wanted.chars().count() / 3).max(1);
    known
        .iter()
        .map(|name| (edits(&wanted, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A clause for the end of an error message: `; did you mean "x"?`, or nothing.
pub(crate) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // Three rows of the usual table are enough: this one, the last, and for swaps the one before.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_char = None;
    for (row, from_char) in from.chars().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        let mut left = row + 1;
        current.push(left);
        let mut previous_to = None;
        for (column, to_char) in to.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column) + usize::from(*to_char != from_char);
            let mut best = replaced.min(left + 1).min(at(&last, column + 1) + 1);
            if previous_to == Some(from_char) && previous_char == Some(*to_char) && column > 0 {
                best = best.min(at(&before, column - 1).saturating_add(1));
            }
            current.push(best);
            left = best;
            previous_to = Some(*to_char);
        }
        previous_char = Some(from_char);
        before = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] =
        ["maxReconnectDelay", "initialReconnectDelay", "randomize", "wireFormat.maxFrameSize"];

    #[test]
    fn finds_what_was_meant() {
        for (unknown, meant) in [
            ("maxReconectDelay", "maxReconnectDelay"),
            ("MAXRECONNECTDELAY", "maxReconnectDelay"),
            ("ranodmize", "randomize"),
            ("randomise", "randomize"),
            ("maxFrameSize", "wireFormat.maxFrameSize"),
            ("wireformat.maxframesize", "wireFormat.maxFrameSize"),
            ("initialReconnect", "initialReconnectDelay"),
            ("nested.randomize", "randomize"),
        ] {
            assert_eq!(nearest(unknown, &KNOWN), Some(meant), "{unknown}");
        }
    }

    #[test]
    fn suggests_nothing_when_nothing_is_near() {
        for unknown in ["", "x", "timeout", "completelyDifferent"] {
            assert_eq!(nearest(unknown, &KNOWN), None, "{unknown}");
        }
        assert_eq!(nearest("anything", &[]), None);
    }

    #[test]
    fn counts_edits() {
        for (from, to, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abd", 1),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edits(from, to), distance, "{from} -> {to}");
        }
    }
}
