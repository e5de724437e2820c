//! Texts and messages made to break things.

use bytes::Bytes;
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::properties::{Properties, Value};

use super::make::{message, parcel, verdict};
use crate::selector::parsed::Selector;
use crate::selector::truth::Truth;

const WORDS: &[&str] = &[
    "a",
    "i",
    "colour",
    "JMSPriority",
    "JMSXUserID",
    "NULL",
    "TRUE",
    "FALSE",
    "AND",
    "OR",
    "NOT",
    "BETWEEN",
    "LIKE",
    "ESCAPE",
    "IN",
    "IS",
    "XPATH",
    "(",
    ")",
    ",",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "'x'",
    "'%'",
    "'",
    "''",
    "5",
    "5.",
    ".5",
    "1e9",
    "0x1F",
    "017",
    "9223372036854775808",
    "--",
    "\n",
    "/*",
    "*/",
    "ü",
    "😀",
    "\0",
    "#",
    "1.5F",
    "7L",
];

#[test]
fn any_sequence_of_words_is_parsed_or_refused() {
    let parcel = parcel();
    let mut parsed = 0;
    for seed in 0..60_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let words = (0..random.usize(1..12)).filter_map(|_| random.choice(WORDS).copied());
        let text = words.collect::<Vec<_>>().join(if seed % 2 == 0 { " " } else { "" });
        match text.parse::<Selector>() {
            Ok(selector) => {
                parsed += 1;
                selector.evaluate(&parcel, 0);
            }
            Err(error) => {
                let length = text.chars().count();
                assert!((1..=length + 1).contains(&error.position), "{text:?}: {error}");
            }
        }
    }
    assert!(parsed > 500, "too few of the texts are valid to prove anything: {parsed}");
}

#[test]
fn random_bytes_are_refused_or_harmless() {
    let parcel = parcel();
    for seed in 0..20_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let bytes: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(..)).collect();
        if let Ok(selector) = String::from_utf8_lossy(&bytes).parse::<Selector>() {
            selector.evaluate(&parcel, 0);
        }
    }
}

#[test]
fn malformed_properties_select_nothing_that_depends_on_them() {
    let good = Properties::from_iter([("a", Value::Int(1)), ("b", "text".into())]).encode();
    for cut in 0..good.len() {
        let fields = MessageFields {
            marshalled_properties: Some(good.slice(..cut)),
            priority: 4,
            ..MessageFields::default()
        };
        let message = Message::from_fields(&fields).expect("a valid message");
        // An empty array is no properties at all.
        let expected = if cut == 0 { Truth::True } else { Truth::Unknown };
        assert_eq!(verdict("x IS NULL OR a = 1", &message), expected, "{cut} bytes");
        assert_eq!(verdict("JMSPriority = 4 OR a = 1", &message), Truth::True, "{cut} bytes");
    }
    let bad_text = Bytes::from_static(b"\0\0\0\x01\0\x01a\x09\0\x02\xFF\xC3");
    let fields =
        MessageFields { marshalled_properties: Some(bad_text), ..MessageFields::default() };
    let message = Message::from_fields(&fields).expect("a valid message");
    assert_eq!(verdict("a LIKE '_%' AND a <> b", &message), Truth::Unknown);
    assert_eq!(verdict("a LIKE '__'", &message), Truth::True);
}

#[test]
fn the_last_of_two_equal_names_counts() {
    let twice = Bytes::from_static(b"\0\0\0\x02\0\x01a\x02\x01\0\x01a\x02\x02");
    let fields = MessageFields { marshalled_properties: Some(twice), ..MessageFields::default() };
    let message = Message::from_fields(&fields).expect("a valid message");
    assert_eq!(verdict("a = 2", &message), Truth::True);
}

/// A pattern that goes back again and again, over a text that always nearly matches: without a
/// limit this takes hours.
#[test]
fn patterns_that_take_too_long_are_given_up() {
    let text = "a".repeat(1 << 20);
    let message = message(Properties::from_iter([("a", Value::from(text))]));
    let pattern = format!("%{}b%", "a".repeat(30_000));
    assert_eq!(verdict(&format!("a LIKE '{pattern}'"), &message), Truth::Unknown);
    assert_eq!(verdict(&format!("a LIKE '{pattern}' OR TRUE"), &message), Truth::Unknown);
    // What is merely long is not.
    assert_eq!(verdict("a LIKE '%b%'", &message), Truth::False);
    assert_eq!(verdict("a LIKE '%a'", &message), Truth::True);
}
