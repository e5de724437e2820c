//! Reads a source into a declared table, and gathers everything that is wrong with it.

use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems, Severity};
use super::source::{Source, Span};
use super::table::{Fields, Table};
use super::value::{Node, Text, TextError};

/// Where problems go while a source is read.
#[derive(Debug)]
pub struct Reader<'s> {
    source: &'s Source,
    problems: Vec<Problem>,
}

/// Reads a TOML document as the table `T`; the relations between its settings are checked by
/// `check`, which runs when every single setting is fine.
pub fn read<T: Fields, C>(
    source: &Source,
    check: impl FnOnce(T, &mut Reader<'_>) -> Option<C>,
) -> Result<C, Problems> {
    let mut reader = Reader { source, problems: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(source.text());
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        reader.report(&span, first_line(error.message()), None);
    }
    reader.result()?;
    let mut table = Table::root(document.get_ref());
    let fields = T::take(&mut table, &mut reader);
    table.refuse_the_rest(&mut reader);
    reader.result()?;
    let checked = fields.and_then(|fields| check(fields, &mut reader));
    reader.result()?;
    checked.ok_or_else(|| Problems(Vec::new()))
}

/// Reads a flag's value as the type `T`.
pub fn read_flag<T: Text>(source: &Source) -> Result<T, Problems> {
    T::parse(source.text()).map_err(|error| {
        Problems::one(source, &(error.offset..error.offset), error.what, error.hint)
    })
}

/// The tables and keys at the top of a document, each with whether it is a list of tables; empty
/// when the document is not TOML.
pub fn top_level(source: &Source) -> Vec<(String, bool)> {
    let (document, _) = DeTable::parse_recoverable(source.text());
    let entries = document.get_ref().iter();
    entries
        .map(|(key, value)| {
            (key.get_ref().to_string(), matches!(value.get_ref(), DeValue::Array(_)))
        })
        .collect()
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

impl<'s> Reader<'s> {
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

    /// The source that is read.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    fn result(&mut self) -> Result<(), Problems> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        Err(Problems(problems))
    }
}
