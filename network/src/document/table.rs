//! A TOML table whose keys are taken one by one; whatever is left over is an error.

use ferrymq_transport::names::nearest;
use toml::de::{DeTable, DeValue};

use super::located::Located;
use super::node::Node;
use super::reader::Reader;
use super::source::Span;
use super::spelling::snake_case;
use super::value::Value;

/// A declared table: made by the [`section!`](crate::section!) macro.
pub trait Fields: Sized {
    /// What the table may contain, in the order of the declaration.
    fn fields() -> Vec<Field> {
        let mut fields = Vec::new();
        Self::list(&mut fields);
        fields
    }

    /// Appends what the table may contain.
    fn list(fields: &mut Vec<Field>);

    /// Takes the declared keys out of `table`.
    fn take(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Self>;
}

/// One key that a table may contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// Other names of it, beside its camelCase spelling.
    pub aliases: &'static [&'static str],
    /// Whether it has to be there.
    pub presence: Presence,
    /// What its value is.
    pub expected: &'static str,
    /// What it is when nobody says, as it would be written.
    pub default: Option<&'static str>,
    /// What it is for.
    pub doc: String,
}

/// Whether a key has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has to be there.
    Required,
    /// It has a default.
    Optional,
    /// It is a table that may be there any number of times.
    Repeated,
    /// It is known, but refused, for this reason.
    Refused(&'static str),
}

/// A table that is being read.
#[derive(Debug)]
pub struct Table<'a> {
    entries: Vec<Entry<'a>>,
    /// What to call the table in a message: `in [[link]]`; empty for the whole document.
    title: String,
    path: String,
    span: Span,
    known: Vec<&'static str>,
    refusals: Vec<Refusal>,
}

/// The reason why a key cannot be used, where it is one of those.
pub type Refusal = fn(&str) -> Option<&'static str>;

#[derive(Debug)]
struct Entry<'a> {
    key: &'a str,
    /// The key's snake_case spelling, where it is written in camelCase.
    snake: Option<String>,
    span: Span,
    value: &'a DeValue<'a>,
    value_span: Span,
    taken: bool,
}

impl<'a> Table<'a> {
    /// The table of the whole document.
    pub(super) fn root(table: &'a DeTable<'a>) -> Self {
        Self::new(table, String::new(), String::new(), 0..0)
    }

    /// The table that `node` is; `listed` when it is one of a list of tables.
    pub fn open(node: Node<'a>, listed: bool, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            DeValue::Table(table) => {
                let path = node.path.to_owned();
                let title =
                    if listed { format!(" in [[{path}]]") } else { format!(" in [{path}]") };
                Some(Self::new(table, title, path, node.span()))
            }
            _ => reader.unexpected(&node, "a table"),
        }
    }

    fn new(table: &'a DeTable<'a>, title: String, path: String, span: Span) -> Self {
        let mut entries: Vec<Entry<'a>> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref(),
                snake: snake_case(key.get_ref()),
                span: key.span(),
                value: value.get_ref(),
                value_span: value.span(),
                taken: false,
            })
            .collect();
        entries.sort_by_key(|entry| entry.span.start);
        Self { entries, title, path, span, known: Vec::new(), refusals: Vec::new() }
    }

    /// Where the table stands: its header.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Takes a key that has to be there.
    pub fn required<T: Value>(
        &mut self,
        key: &'static str,
        aliases: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Option<Located<T>> {
        match self.find(key, aliases, reader) {
            Some(found) => self.value(found, key, reader),
            None => {
                let what = format!("`{key}` is missing{}", self.title);
                reader.report(&self.span, what, Some(format!("it is {}", T::EXPECTED)));
                None
            }
        }
    }

    /// Takes a key that may be there: nothing when it is and does not fit.
    pub fn optional<T: Value>(
        &mut self,
        key: &'static str,
        aliases: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Option<Option<Located<T>>> {
        match self.find(key, aliases, reader) {
            Some(found) => match self.value(found, key, reader) {
                // Other tables of the document can still be checked.
                None if self.path.is_empty() => {
                    reader.leave_out(is_essential(key));
                    Some(None)
                }
                value => value.map(Some),
            },
            None => Some(None),
        }
    }

    /// Takes a table that may be there any number of times.
    pub fn repeated<T: Fields>(
        &mut self,
        key: &'static str,
        aliases: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Option<Vec<Located<T>>> {
        let Some(found) = self.find(key, aliases, reader) else { return Some(Vec::new()) };
        let path = self.path_of(key);
        let (value, span) = self.entry(found)?;
        let DeValue::Array(array) = value else {
            let hint = match value {
                DeValue::Table(_) => format!("write [[{path}]]"),
                _ => format!("write a table that starts with [[{path}]]"),
            };
            reader.report(&span, format!("`{path}` is a list of tables"), Some(hint));
            return None;
        };
        let read: Vec<Option<Located<T>>> = array
            .iter()
            .map(|item| {
                let span = item.span();
                let node =
                    Node { value: item.get_ref(), start: span.start, end: span.end, path: &path };
                section(node, true, reader)
            })
            .collect();
        if read.iter().any(Option::is_none) {
            reader.leave_out(is_essential(key));
        }
        Some(read.into_iter().flatten().collect())
    }

    /// Refuses a key that is known but cannot be used, with the reason.
    pub fn refused(&mut self, key: &'static str, reason: &str, reader: &mut Reader<'_>) {
        if let Some(found) = self.find(key, &[], reader)
            && let Some(entry) = self.entries.get(found)
        {
            let what = format!("`{}` cannot be used: {reason}", entry.key);
            reader.report(&entry.span, what, None);
        }
    }

    /// Has `refusal` asked about every key that is not taken.
    pub fn refuse_by(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// Refuses every key that has not been taken.
    pub fn refuse_the_rest(self, reader: &mut Reader<'_>) {
        for entry in self.entries.iter().filter(|entry| !entry.taken) {
            let spelled = entry.snake.as_deref().unwrap_or(entry.key);
            if let Some(reason) = self.refusals.iter().find_map(|refusal| refusal(spelled)) {
                let what = format!("`{}` cannot be used: {reason}", entry.key);
                reader.report(&entry.span, what, None);
                continue;
            }
            let kind = match entry.value {
                DeValue::Table(_) => "table",
                DeValue::Array(array) if array.iter().all(|item| item.get_ref().is_table()) => {
                    "table"
                }
                _ => "key",
            };
            if kind == "table" && self.path.is_empty() {
                // It may be an essential one, misspelt.
                reader.leave_out(true);
            }
            let what = format!("unknown {kind} `{}`{}", entry.key, self.title);
            let hint = nearest(spelled, &self.known)
                .map(|name| format!("did you mean `{name}`?"))
                .or_else(|| Some(format!("known here: {}", self.known.join(", "))));
            reader.report(&entry.span, what, hint);
        }
    }

    fn value<T: Value>(
        &self,
        found: usize,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Located<T>> {
        let (value, span) = self.entry(found)?;
        let path = self.path_of(key);
        let node = Node { value, start: span.start, end: span.end, path: &path };
        T::read(node, reader).map(|value| Located { value, span })
    }

    fn entry(&self, found: usize) -> Option<(&'a DeValue<'a>, Span)> {
        self.entries.get(found).map(|entry| (entry.value, entry.value_span.clone()))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Finds a key under any of its names, and marks it as taken.
    fn find(
        &mut self,
        key: &'static str,
        aliases: &'static [&'static str],
        reader: &mut Reader<'_>,
    ) -> Option<usize> {
        self.known.push(key);
        let is_it = |entry: &Entry<'_>| {
            let name = entry.snake.as_deref().unwrap_or(entry.key);
            name == key || aliases.contains(&name)
        };
        let mut found: Option<(usize, &str)> = None;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if !is_it(entry) {
                continue;
            }
            entry.taken = true;
            match found {
                None => found = Some((index, entry.key)),
                Some((_, first)) => {
                    let what = format!("`{}` is another spelling of `{first}` above", entry.key);
                    reader.report(&entry.span, what, Some("use one spelling".to_owned()));
                }
            }
        }
        found.map(|(index, _)| index)
    }
}

/// Whether other tables of a document refer to this one.
fn is_essential(key: &str) -> bool {
    matches!(key, "broker" | "broker_group" | "topology")
}

/// Reads a declared table from `node`; used by the [`section!`](crate::section!) macro.
pub fn section<T: Fields>(
    node: Node<'_>,
    listed: bool,
    reader: &mut Reader<'_>,
) -> Option<Located<T>> {
    if let DeValue::Array(_) = node.value {
        let what = format!("`{}` is one table, not a list", node.path);
        reader.report(&node.span(), what, Some(format!("write [{}]", node.path)));
        return None;
    }
    let span = node.span();
    let mut table = Table::open(node, listed, reader)?;
    let fields = T::take(&mut table, reader);
    table.refuse_the_rest(reader);
    fields.map(|value| Located { value, span })
}
