//! Reads a source as a declared table, or a flag's value as a type.

use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::reader::Reader;
use super::source::Source;
use super::table::{Fields, Table};
use super::text::Text;

/// Reads a TOML document as the table `T`; the relations between its settings are checked by
/// `check`, as far as single settings that are wrong leave something to check.
pub fn read<T: Fields, C>(
    source: &Source,
    check: impl FnOnce(T, &mut Reader<'_>) -> Option<C>,
) -> Result<C, Problems> {
    let mut reader = Reader::new(source);
    let (document, errors) = DeTable::parse_recoverable(source.text());
    // Of two keys the first one counts, and the rest can be read.
    let errors_are_doubles = errors.iter().all(|error| error.message() == "duplicate key");
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        reader.report(&span, first_line(error.message()), None);
    }
    if !errors_are_doubles {
        reader.result()?;
    }
    let mut table = Table::root(document.get_ref());
    let fields = T::take(&mut table, &mut reader);
    table.refuse_the_rest(&mut reader);
    let whole = fields.filter(|_| !reader.lacks_essentials());
    let checked = whole.and_then(|fields| check(fields, &mut reader));
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
