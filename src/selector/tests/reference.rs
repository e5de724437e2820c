//! Random conditions against an evaluator that is as simple as can be: it walks over the tree that
//! the text was written from, and knows no parser.

use fastrand::Rng;
use ferrymq_openwire::properties::{Properties, Value};

use super::make::{message, verdict};
use crate::selector::truth::Truth;

#[derive(Debug, Clone, PartialEq)]
enum V {
    Null,
    Bool(bool),
    Whole(i64),
    Real(f64),
    Text(String),
}

enum Node {
    Value(V),
    Property(&'static str),
    Negated(Box<Node>),
    Math(&'static str, Box<Node>, Box<Node>),
    Compare(&'static str, Box<Node>, Box<Node>),
    Between(bool, Box<Node>, Box<Node>, Box<Node>),
    In(bool, &'static str, Vec<&'static str>),
    Like(bool, &'static str, &'static str),
    IsNull(bool, Box<Node>),
    Not(Box<Node>),
    Junction(&'static str, Vec<Node>),
}

const NAMES: &[&str] = &["p", "q", "r", "s", "absent"];
const TEXTS: &[&str] = &["", "a", "ab", "aab", "b%", "_"];
const PATTERNS: &[&str] = &["", "%", "_", "a%", "%b", "a_", "%a%", "_%_", "%a%b", "b!%", "!_%"];
const WHOLE: &[i64] = &[0, 1, -1, 2, 3, 7, i64::MAX, i64::MIN];
const REAL: &[f64] = &[0.0, 0.5, 1.0, 2.5, 1e3, -7.25];

#[test]
fn random_conditions_agree_with_the_reference() {
    let mut seen = [0; 3];
    for seed in 0..20_000 {
        let mut random = Rng::with_seed(seed);
        let properties: Vec<(&str, V)> =
            NAMES.iter().take(4).map(|name| (*name, value(&mut random))).collect();
        let encoded: Properties = properties
            .iter()
            .map(|(name, value)| (*name, on_the_wire(value, &mut random)))
            .collect();
        let node = condition(&mut random, 4);
        let text = written(&node, 0, &mut random);
        let expected = match evaluate(&node, &properties) {
            V::Bool(true) => Truth::True,
            V::Null => Truth::Unknown,
            _ => Truth::False,
        };
        let found = verdict(&text, &message(encoded));
        assert_eq!(found, expected, "seed {seed}: {text} with {properties:?}");
        seen[found as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 1_000), "one-sided: {seen:?}");
}

fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

fn value(random: &mut Rng) -> V {
    match random.u8(..5) {
        0 => V::Null,
        1 => V::Bool(random.bool()),
        2 => V::Whole(pick(random, WHOLE)),
        3 => V::Real(pick(random, REAL)),
        _ => V::Text(pick(random, TEXTS).to_owned()),
    }
}

/// In the smallest of Java's types, or in the largest.
fn on_the_wire(value: &V, random: &mut Rng) -> Value {
    match value {
        V::Null => Value::Null,
        V::Bool(value) => Value::Bool(*value),
        V::Whole(value) => match i8::try_from(*value) {
            Ok(byte) if random.bool() => Value::Byte(byte),
            _ => Value::Long(*value),
        },
        V::Real(value) if random.bool() => Value::Float(*value as f32),
        V::Real(value) => Value::Double(*value),
        V::Text(text) => text.as_str().into(),
    }
}

fn condition(random: &mut Rng, depth: u8) -> Node {
    let name = |random: &mut Rng| pick(random, NAMES);
    if depth == 0 {
        return Node::Property(name(random));
    }
    let not = random.bool();
    match random.u8(..10) {
        0 => Node::Value(V::Bool(not)),
        1 => Node::Not(condition(random, depth - 1).into()),
        2 | 3 => {
            let word = if not { "AND" } else { "OR" };
            let parts = (0..random.u8(2..4)).map(|_| condition(random, depth - 1)).collect();
            Node::Junction(word, parts)
        }
        4 => {
            let symbol = if not { "=" } else { "<>" };
            Node::Compare(symbol, anything(random, depth - 1), anything(random, depth - 1))
        }
        5 => {
            let symbol = pick(random, &["<", "<=", ">", ">="]);
            Node::Compare(symbol, number(random, depth - 1), number(random, depth - 1))
        }
        6 => {
            let [value, low, high] = [(); 3].map(|()| number(random, depth - 1));
            Node::Between(not, value, low, high)
        }
        7 => Node::In(not, name(random), (0..3).map(|_| pick(random, TEXTS)).collect()),
        8 => Node::Like(not, name(random), pick(random, PATTERNS)),
        _ => Node::IsNull(not, anything(random, depth - 1)),
    }
}

fn number(random: &mut Rng, depth: u8) -> Box<Node> {
    Box::new(match random.u8(..6) {
        0 => Node::Value(V::Whole(pick(random, WHOLE))),
        1 => Node::Value(V::Real(pick(random, REAL))),
        2 if depth > 0 => Node::Negated(number(random, depth - 1)),
        3 | 4 if depth > 0 => {
            let symbol = pick(random, &["+", "-", "*", "/", "%"]);
            Node::Math(symbol, number(random, depth - 1), number(random, depth - 1))
        }
        _ => Node::Property(pick(random, NAMES)),
    })
}

fn anything(random: &mut Rng, depth: u8) -> Box<Node> {
    match random.u8(..4) {
        0 => Node::Value(V::Text(pick(random, TEXTS).to_owned())).into(),
        1 => condition(random, depth).into(),
        _ => number(random, depth),
    }
}

fn evaluate(node: &Node, properties: &[(&str, V)]) -> V {
    let of = |node: &Node| evaluate(node, properties);
    let get = |name: &str| {
        let found = properties.iter().find(|(other, _)| *other == name);
        found.map_or(V::Null, |(_, value)| value.clone())
    };
    match node {
        Node::Value(value) => value.clone(),
        Node::Property(name) => get(name),
        Node::Negated(inner) => match of(inner) {
            V::Whole(value) => V::Whole(value.wrapping_neg()),
            V::Real(value) => V::Real(-value),
            _ => V::Null,
        },
        Node::Math(symbol, left, right) => math(symbol, &of(left), &of(right)),
        Node::Compare(symbol, left, right) => compare(symbol, &of(left), &of(right)),
        Node::Between(not, value, low, high) => {
            let (one, other, word) = if *not { ("<", ">", "OR") } else { (">=", "<=", "AND") };
            let value = of(value);
            junction(word, &[compare(one, &value, &of(low)), compare(other, &value, &of(high))])
        }
        Node::In(not, name, texts) => match get(name) {
            V::Text(text) => V::Bool(texts.contains(&text.as_str()) != *not),
            _ => V::Null,
        },
        Node::Like(not, name, pattern) => match get(name) {
            V::Null => V::Null,
            V::Text(text) => V::Bool(like(text.as_bytes(), pattern.as_bytes()) != *not),
            _ => V::Bool(*not),
        },
        Node::IsNull(not, inner) => V::Bool((of(inner) == V::Null) != *not),
        Node::Not(inner) => match as_condition(of(inner)) {
            V::Bool(value) => V::Bool(!value),
            unknown => unknown,
        },
        Node::Junction(word, parts) => {
            let parts: Vec<V> = parts.iter().map(|part| as_condition(of(part))).collect();
            junction(word, &parts)
        }
    }
}

fn as_condition(value: V) -> V {
    match value {
        V::Null | V::Bool(_) => value,
        _ => V::Bool(false),
    }
}

fn junction(word: &str, parts: &[V]) -> V {
    let decisive = V::Bool(word == "OR");
    if parts.contains(&decisive) {
        decisive
    } else if parts.contains(&V::Null) {
        V::Null
    } else {
        V::Bool(word == "AND")
    }
}

fn math(symbol: &str, left: &V, right: &V) -> V {
    let real = |value: &V| match value {
        V::Whole(value) => Some(*value as f64),
        V::Real(value) => Some(*value),
        _ => None,
    };
    if let (V::Whole(left), V::Whole(right)) = (left, right) {
        let (left, right) = (i128::from(*left), i128::from(*right));
        match symbol {
            "+" => return V::Whole((left + right) as i64),
            "-" => return V::Whole((left - right) as i64),
            "*" => return V::Whole((left * right) as i64),
            _ => {}
        }
    }
    match (real(left), real(right)) {
        (Some(left), Some(right)) => match symbol {
            "+" => V::Real(left + right),
            "-" => V::Real(left - right),
            "*" => V::Real(left * right),
            _ if right == 0.0 => V::Null,
            "/" => V::Real(left / right),
            _ => V::Real(left % right),
        },
        _ => V::Null,
    }
}

fn compare(symbol: &str, left: &V, right: &V) -> V {
    let order = match (left, right) {
        (V::Null, _) | (_, V::Null) => return V::Null,
        (V::Bool(left), V::Bool(right)) => left.partial_cmp(right),
        (V::Text(left), V::Text(right)) => left.partial_cmp(right),
        (V::Whole(left), V::Whole(right)) => left.partial_cmp(right),
        (V::Whole(left), V::Real(right)) => (*left as f64).partial_cmp(right),
        (V::Real(left), V::Whole(right)) => left.partial_cmp(&(*right as f64)),
        (V::Real(left), V::Real(right)) => left.partial_cmp(right),
        _ => return V::Bool(false),
    };
    let Some(order) = order else { return V::Bool(symbol == "<>") };
    V::Bool(match symbol {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// With `!` for the escape.
fn like(text: &[u8], pattern: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'!', escaped, rest @ ..] => text.first() == Some(escaped) && like(&text[1..], rest),
        [b'%', rest @ ..] => (0..=text.len()).any(|skipped| like(&text[skipped..], rest)),
        [b'_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        [byte, rest @ ..] => text.first() == Some(byte) && like(&text[1..], rest),
    }
}

/// The text of a node, in parentheses only where its place, which binds as tightly as `place`,
/// needs them, or for no reason.
fn written(node: &Node, place: u8, random: &mut Rng) -> String {
    let not = |not: bool| if not { "NOT " } else { "" };
    let quoted = |text: &str| format!("'{text}'");
    let (binds, text) = match node {
        Node::Value(value) => match value {
            V::Null => (9, "NULL".to_owned()),
            V::Bool(value) => (9, value.to_string()),
            V::Whole(value) => (if *value < 0 { 8 } else { 9 }, value.to_string()),
            V::Real(value) => (if *value < 0.0 { 8 } else { 9 }, format!("{value:?}")),
            V::Text(text) => (9, quoted(text)),
        },
        Node::Property(name) => (9, (*name).to_owned()),
        Node::Negated(inner) => (8, format!("- {}", written(inner, 8, random))),
        Node::Math(symbol, left, right) => {
            let binds = if matches!(*symbol, "+" | "-") { 6 } else { 7 };
            let left = written(left, binds, random);
            (binds, format!("{left} {symbol} {}", written(right, binds + 1, random)))
        }
        Node::Compare(symbol, left, right) => {
            let binds = if matches!(*symbol, "=" | "<>") { 4 } else { 5 };
            let left = written(left, binds, random);
            (binds, format!("{left}{symbol}{}", written(right, binds + 1, random)))
        }
        Node::Between(negated, value, low, high) => {
            let [value, low, high] =
                [(value, 5), (low, 6), (high, 6)].map(|(part, at)| written(part, at, random));
            (5, format!("{value} {}BETWEEN {low} AND {high}", not(*negated)))
        }
        Node::In(negated, name, texts) => {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            (5, format!("{name} {}IN ({})", not(*negated), texts.join(", ")))
        }
        Node::Like(negated, name, pattern) => {
            (5, format!("{name} {}LIKE '{pattern}' ESCAPE '!'", not(*negated)))
        }
        Node::IsNull(negated, inner) => {
            (4, format!("{} IS {}NULL", written(inner, 4, random), not(*negated)))
        }
        Node::Not(inner) => (3, format!("NOT {}", written(inner, 3, random))),
        Node::Junction(word, parts) => {
            let binds = if *word == "OR" { 1 } else { 2 };
            let parts: Vec<String> =
                parts.iter().map(|part| written(part, binds + 1, random)).collect();
            (binds, parts.join(&format!(" {word} ")))
        }
    };
    if binds < place || random.u8(..8) == 0 { format!("({text})") } else { text }
}
