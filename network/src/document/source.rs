//! Where a setting's text comes from, and where in it something stands.

use std::fmt;
use std::ops::Range;

/// A stretch of a source's text, in bytes.
pub type Span = Range<usize>;

/// A text that settings are read from.
#[derive(Debug, Clone)]
pub struct Source {
    origin: Origin,
    text: String,
}

/// What a text is the content of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, by the name that the user gave.
    File(String),
    /// The value of a command-line flag, by the flag's name (`--listen`).
    Flag(String),
}

/// A stretch of a source, as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file or flag.
    pub origin: Origin,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text.
    pub text: String,
    /// How many characters the stretch takes on this line, at least 1.
    pub width: usize,
}

impl Source {
    /// The content of a file.
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { origin: Origin::File(name.into()), text: text.into() }
    }

    /// The value of a command-line flag.
    pub fn flag(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { origin: Origin::Flag(name.into()), text: value.into() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file or flag.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where `span` stands; a span that is cut short or outside is moved to the nearest place.
    pub fn place(&self, span: &Span) -> Place {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end).max(start);
        let (before, rest) = self.text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = rest.find('\n').map_or(self.text.len(), |at| start + at);
        let slice = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        Place {
            origin: self.origin.clone(),
            line: before.matches('\n').count() + 1,
            column: slice(line_start..start).chars().count() + 1,
            text: slice(line_start..line_end).trim_end_matches('\r').to_owned(),
            width: slice(start..end.min(line_end)).chars().count().max(1),
        }
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(name) => write!(f, "{name}:{}:{}", self.line, self.column),
            Origin::Flag(name) => write!(f, "{name}, column {}", self.column),
        }
    }
}
