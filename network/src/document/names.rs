//! Names of brokers, connectors and links.

use std::fmt;

use super::text::{Text, TextError};

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
