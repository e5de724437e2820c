//! Gathers everything that is wrong with a source while it is read.

use toml::de::DeValue;

use super::node::Node;
use super::problem::{Problem, Problems, Severity};
use super::source::{Source, Span};
use super::text::TextError;

/// Where problems go while a source is read.
#[derive(Debug)]
pub struct Reader<'s> {
    source: &'s Source,
    problems: Vec<Problem>,
    /// Whether something is left out that the rest may refer to.
    lacks_essentials: bool,
}

impl<'s> Reader<'s> {
    /// Starts on a source, with nothing noted.
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, problems: Vec::new(), lacks_essentials: false }
    }

    /// Notes an error at `span`.
    pub fn report(&mut self, span: &Span, what: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            severity: Severity::Error,
            place: self.source.place(span),
            what: what.into(),
            hint,
        });
    }

    /// Notes what is wrong inside a string, at the place that it has within the document.
    pub fn report_text(&mut self, node: &Node<'_>, text: &str, error: TextError) {
        let span = node.span();
        let raw = self.source.text().get(span.clone()).unwrap_or_default();
        // A string with escapes does not stand in the document as it is: then point at all of it.
        let span = match raw.find(text) {
            Some(lead) if !text.is_empty() => {
                let at = span.start + lead + error.offset.min(text.len());
                let end = span.start + lead + text.len();
                if error.offset == 0 { at..end } else { at..at }
            }
            _ => span,
        };
        self.report(&span, error.what, error.hint);
    }

    /// Notes that the value is of another type than `expected`.
    pub fn unexpected<T>(&mut self, node: &Node<'_>, expected: &str) -> Option<T> {
        let found = match node.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(&node.span(), format!("expected {expected}, found {found}"), None);
        None
    }

    /// A table is left out because of what is wrong in it, or because nobody knows it.
    pub(super) fn leave_out(&mut self, essential: bool) {
        self.lacks_essentials |= essential;
    }

    /// Whether the relations between what is there would tell nothing new: they may be wrong only
    /// because of what is left out.
    pub(super) fn lacks_essentials(&self) -> bool {
        self.lacks_essentials
    }

    /// The source that is read.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    /// All that was noted, in the order of the text, and none of it any more.
    pub(super) fn result(&mut self) -> Result<(), Problems> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        problems.dedup();
        Err(Problems(problems))
    }
}
