//! Messages and verdicts for the tables.

use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::properties::{Properties, Value};

use crate::selector::parsed::Selector;
use crate::selector::truth::Truth;

pub(super) fn message(properties: Properties) -> Message {
    let fields = MessageFields {
        marshalled_properties: Some(properties.encode()),
        priority: 4,
        ..MessageFields::default()
    };
    Message::from_fields(&fields).expect("a valid message")
}

/// The message that most tables are about.
pub(super) fn parcel() -> Message {
    let entries: Vec<(&str, Value)> = vec![
        ("colour", "red".into()),
        ("note", "it's 100%_\\off".into()),
        ("town", "Zürich".into()),
        ("face", "a😀b".into()),
        ("lines", "one\ntwo".into()),
        ("digits", "5".into()),
        ("yes", true.into()),
        ("no", false.into()),
        ("b", Value::Byte(5)),
        ("s", Value::Short(5)),
        ("i", Value::Int(5)),
        ("l", Value::Long(5)),
        ("f", Value::Float(0.1)),
        ("d", Value::Double(2.5)),
        ("large", Value::Long(i64::MAX)),
        ("nothing", Value::Null),
        ("sign", Value::Char(u16::from(b'x'))),
        ("bytes", bytes::Bytes::from_static(b"red").into()),
        ("list", Value::List(vec![1.into(), Value::Map(Properties::new())])),
        ("größe$_2", 7.into()),
    ];
    message(entries.into_iter().collect())
}

pub(super) fn verdict(selector: &str, message: &Message) -> Truth {
    let parsed: Selector = selector.parse().unwrap_or_else(|error| panic!("{selector}: {error}"));
    parsed.evaluate(message, 0)
}

/// Checks the lines of a table: a selector, then T, F or U.
pub(super) fn check(message: &Message, table: &[(&str, char)]) {
    let shown = |truth| match truth {
        Truth::True => 'T',
        Truth::False => 'F',
        Truth::Unknown => 'U',
    };
    let wrong: Vec<String> = table
        .iter()
        .map(|(selector, expected)| (selector, *expected, shown(verdict(selector, message))))
        .filter(|(_, expected, found)| expected != found)
        .map(|(selector, expected, found)| format!("{selector}: {found}, expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
