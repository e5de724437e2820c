//! A value in a document, before it is known what it is.

use toml::de::DeValue;

use super::source::Span;

/// A value in a document, on its way to a type.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// What stands there.
    pub value: &'a DeValue<'a>,
    /// Where the value starts.
    pub start: usize,
    /// Where the value ends.
    pub end: usize,
    /// The key that it belongs to, with the keys above it: `destination_policy.replay`.
    pub path: &'a str,
}

impl Node<'_> {
    /// Where the value stands.
    pub fn span(&self) -> Span {
        self.start..self.end
    }
}
