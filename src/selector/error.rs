//! What is wrong with a selector.

/// A selector that cannot be understood: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the selector is wrong at character {position}: {reason}")]
pub struct SelectorError {
    /// The first character that is wrong, counted from 1; one past the last where something is
    /// missing at the end.
    pub position: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl SelectorError {
    /// An error at a byte of `text`.
    pub(super) fn at(text: &str, byte: usize, reason: impl Into<String>) -> Self {
        let before = text.char_indices().take_while(|(at, _)| *at < byte).count();
        Self { position: before + 1, reason: reason.into() }
    }
}
