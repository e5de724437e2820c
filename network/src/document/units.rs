//! Durations and sizes, written as a number with a unit.

use std::time::Duration;

use ferrymq_transport::names::nearest;

use super::text::{Text, TextError};

/// A number of bytes, written with its unit (`"64MiB"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const DURATIONS: [(&str, f64); 8] = [
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("ns", 1e-9),
];

/// More is taken for a mistake: it would overflow what timers can hold.
const LONGEST: f64 = 1_000.0 * 365.0 * 86_400.0;

const SIZES: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl Text for Duration {
    const EXPECTED: &'static str = "a duration such as \"30s\" or \"500ms\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        let (number, unit, unit_at) = split(text, Self::EXPECTED)?;
        if unit.is_empty() {
            return Err(TextError::at(0, "a duration needs a unit")
                .hint(format!("did you mean \"{text}s\" or \"{text}ms\"?")));
        }
        let Some((_, seconds)) = DURATIONS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_unit(unit, unit_at, &["us", "ms", "s", "m", "h", "d"]));
        };
        let total = number * seconds;
        if total > LONGEST {
            return Err(TextError::at(0, "a duration of more than 1000 years"));
        }
        Ok(Duration::from_secs_f64(total))
    }

    fn from_number(number: &str) -> Option<TextError> {
        Some(
            TextError::at(0, "a duration needs a unit")
                .hint(format!("did you mean \"{number}s\" or \"{number}ms\"?")),
        )
    }
}

impl Text for ByteSize {
    const EXPECTED: &'static str = "a size such as \"64MiB\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        let (number, unit, unit_at) = split(text, Self::EXPECTED)?;
        if unit.is_empty() {
            return Err(no_size_unit(text));
        }
        let Some((_, bytes)) = SIZES.iter().find(|(name, _)| *name == unit) else {
            // In ActiveMQ's files these mean powers of 1024, elsewhere powers of 1000.
            let upper = unit.to_ascii_uppercase();
            if let ("KB" | "MB" | "GB" | "TB", Some(letter)) =
                (upper.as_str(), upper.chars().next())
            {
                return Err(TextError::at(unit_at, format!("the unit `{unit}` is ambiguous"))
                    .hint(format!(
                        "write `{letter}iB` (powers of 1024, as ActiveMQ means it) or `{letter}B` (powers of 1000)"
                    )));
            }
            return Err(unknown_unit(
                unit,
                unit_at,
                &["B", "KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB"],
            ));
        };
        let total = number * *bytes as f64;
        if total >= u64::MAX as f64 {
            return Err(TextError::at(0, "the size is too large"));
        }
        Ok(Self(total.round() as u64))
    }

    fn from_number(number: &str) -> Option<TextError> {
        Some(no_size_unit(number))
    }
}

fn no_size_unit(number: &str) -> TextError {
    TextError::at(0, "a size needs a unit")
        .hint(format!("did you mean \"{number}B\" or \"{number}MiB\"?"))
}

fn unknown_unit(unit: &str, at: usize, known: &[&str]) -> TextError {
    let error = TextError::at(at, format!("unknown unit `{unit}`"));
    match nearest(unit, known) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error.hint(format!("units are {}", known.join(", "))),
    }
}

/// Splits `12.5 ms` into its number, its unit, and where the unit starts.
fn split<'a>(text: &'a str, expected: &str) -> Result<(f64, &'a str, usize), TextError> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let (number, rest) = text.split_at(digits.unwrap_or(text.len()));
    let Ok(value) = number.replace('_', "").parse::<f64>() else {
        return Err(TextError::at(0, format!("expected {expected}, found {text:?}")));
    };
    let unit = rest.trim_start();
    let unit_at = text.len() - unit.len();
    Ok((value, unit.trim_end(), unit_at))
}
