//! What is wrong with a source, and how it is shown.

use std::fmt;

use super::source::{Origin, Place, Source, Span};

/// Whether a finding stops what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be run as written.
    Error,
    /// It can be run, but probably does not do what its author wants.
    Warning,
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the command.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do about it, or the nearest valid name.
    pub hint: Option<String>,
}

/// All that is wrong with a source, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// One error at `span` of `source`.
    pub fn one(
        source: &Source,
        span: &Span,
        what: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        let place = source.place(span);
        Self(vec![Problem { severity: Severity::Error, place, what: what.into(), hint }])
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Problem {
    /// ```text
    /// broker.toml:5:1: error: unknown key `uir` in [[transport_connector]]
    ///   |
    /// 5 | uir = "tcp://127.0.0.1:61616"
    ///   | ^^^ did you mean `uri`?
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column, text, width, .. } = &self.place;
        let number = match self.place.origin {
            Origin::File(_) => line.to_string(),
            Origin::Flag(_) => String::new(),
        };
        let gutter = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands below what it points at.
        let lead: String = text
            .chars()
            .take(column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{}: {}: {}", self.place, self.severity, self.what)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {text}")?;
        write!(f, "{gutter} | {lead}{}", "^".repeat(*width))?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
