//! Names: of brokers, connectors and links, and the two spellings of keys.

use std::fmt;

use super::value::{Text, TextError};

/// A name of a broker, a connector or a link.
///
/// It is made of the characters that ActiveMQ keeps in a broker's name, because it becomes part
/// of client ids and connection ids on both kinds of broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    const LONGEST: usize = 255;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for Name {
    const EXPECTED: &'static str = "a name";

    fn parse(text: &str) -> Result<Self, TextError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        if text.is_empty() {
            return Err(TextError::at(0, "a name cannot be empty"));
        }
        if let Some((offset, c)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
            return Err(TextError::at(offset, format!("a name cannot contain {c:?}"))
                .hint("letters, digits, `.`, `_`, `-` and `:` are allowed"));
        }
        if text.len() > Self::LONGEST {
            return Err(TextError::at(
                Self::LONGEST,
                format!("a name has at most {} characters", Self::LONGEST),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The snake_case spelling of a key in ActiveMQ's camelCase; `None` for a key that is not
/// camelCase.
///
/// A run of capitals is one word: `networkTTL` is `network_ttl`, `brokerURLs` is `broker_urls`.
pub fn snake_case(key: &str) -> Option<String> {
    let starts_low = key.starts_with(|c: char| c.is_ascii_lowercase());
    let has_capital = key.contains(|c: char| c.is_ascii_uppercase());
    if !starts_low || !has_capital || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let mut snake = String::with_capacity(key.len() + 4);
    let mut after_capital = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && !after_capital {
            snake.push('_');
        }
        after_capital = c.is_ascii_uppercase();
        snake.push(c.to_ascii_lowercase());
    }
    Some(snake)
}
