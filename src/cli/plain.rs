//! Texts of others on a terminal.

/// Characters of a name that are shown: what clients call themselves can be long.
const WIDEST: usize = 60;

/// A text of others, short enough for a column.
pub(super) fn shown(text: &str) -> String {
    let plain = plain(text);
    if plain.chars().count() <= WIDEST {
        return plain;
    }
    plain.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// A text of others, without what a terminal would take for orders.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
