//! What a key's value can be: flags, numbers, texts with a form, lists.

use std::num::NonZeroU32;

use toml::de::DeValue;

use super::located::Located;
use super::node::Node;
use super::reader::Reader;
use super::text::Text;

/// A type that a value of a document can be read as.
pub trait Value: Sized {
    /// What is expected, for a message: `true or false`, `a list of names`.
    const EXPECTED: &'static str;

    /// Reads the value; says what is wrong to `reader` and gives nothing when it does not fit.
    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self>;
}

impl<T: Text> Value for T {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            DeValue::String(text) => match T::parse(text) {
                Ok(value) => Some(value),
                Err(error) => {
                    reader.report_text(&node, text, error);
                    None
                }
            },
            DeValue::Integer(number) => match T::from_number(number.as_str()) {
                Some(error) => {
                    reader.report(&node.span(), error.what, error.hint);
                    None
                }
                None => reader.unexpected(&node, T::EXPECTED),
            },
            _ => reader.unexpected(&node, T::EXPECTED),
        }
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            DeValue::Boolean(value) => Some(*value),
            _ => reader.unexpected(&node, Self::EXPECTED),
        }
    }
}

fn integer<T: FromWide>(node: Node<'_>, reader: &mut Reader<'_>, expected: &str) -> Option<T> {
    let DeValue::Integer(number) = node.value else {
        return reader.unexpected(&node, expected);
    };
    let parsed = i128::from_str_radix(number.as_str(), number.radix()).ok();
    match parsed.and_then(T::from_wide) {
        Some(value) => Some(value),
        None => {
            reader.report(
                &node.span(),
                format!("expected {expected}, found {}", number.as_str()),
                None,
            );
            None
        }
    }
}

trait FromWide: Sized {
    fn from_wide(wide: i128) -> Option<Self>;
}

macro_rules! integers {
    ($($type:ty as $narrow:ty => $expected:literal,)*) => { $(
        impl FromWide for $type {
            fn from_wide(wide: i128) -> Option<Self> {
                <$narrow>::try_from(wide).ok()?.try_into().ok()
            }
        }

        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                integer(node, reader, Self::EXPECTED)
            }
        }
    )* };
}

integers! {
    NonZeroU32 as u32 => "a whole number from 1 to 4294967295",
    u16 as u16 => "a whole number from 0 to 65535",
    u32 as u32 => "a whole number from 0 to 4294967295",
    u64 as u64 => "a whole number from 0",
    i32 as i32 => "a whole number from -2147483648 to 2147483647",
    i8 as i8 => "a whole number from -128 to 127",
}

impl Value for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let value = match node.value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        match value {
            Some(value) => Some(value),
            None => reader.unexpected(&node, Self::EXPECTED),
        }
    }
}

impl<T: Value> Value for Located<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(|value| Located { value, span: node.span() })
    }
}

impl<T: Value> Value for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let DeValue::Array(array) = node.value else {
            if let DeValue::String(text) = node.value {
                reader.report(
                    &node.span(),
                    "expected a list, found a text",
                    Some(format!("write [{text:?}]")),
                );
                return None;
            }
            return reader.unexpected(&node, Self::EXPECTED);
        };
        let read: Vec<Option<T>> = array
            .iter()
            .map(|item| {
                let span = item.span();
                let value = item.get_ref();
                T::read(Node { value, start: span.start, end: span.end, path: node.path }, reader)
            })
            .collect();
        read.into_iter().collect()
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMore<T>(pub Vec<T>);

impl<T: Value> Value for OneOrMore<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(node: Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let values = match node.value {
            DeValue::Array(_) => Vec::<T>::read(node, reader)?,
            _ => vec![T::read(node, reader)?],
        };
        if values.is_empty() {
            reader.report(&node.span(), "the list is empty", None);
            return None;
        }
        Some(Self(values))
    }
}
