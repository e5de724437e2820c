//! The options after the question mark of an address.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::names::{nearest, suggestion};

/// Named values in the order in which they were written, decoded. A name occurs once.
///
/// Whoever consumes an address takes out the options that it implements and then calls
/// [`finish`](Options::finish), so that a misspelt option is an error and not silence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    entries: Vec<(String, String)>,
}

/// What there is to say about one option of an address, for a reference and for suggestions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name, as ActiveMQ spells it.
    pub name: &'static str,
    /// What it may be: completes "must be …".
    pub expected: &'static str,
    /// Its value when nobody says, as it would be written; `None`: it is not set.
    pub default: Option<&'static str>,
    /// What it does.
    pub about: &'static str,
}

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Nobody knows this option.
    #[error("unknown option \"{name}\"{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The option as it was written.
        name: String,
        /// The valid name that was probably meant.
        nearest: Option<String>,
    },
    /// The option exists, its value does not fit.
    #[error("option \"{name}\" is \"{value}\", but must be {expected}")]
    Invalid {
        /// The option.
        name: String,
        /// The value as it was written.
        value: String,
        /// What would be right.
        expected: String,
    },
}

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names that have not been taken yet.
    pub fn remaining(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// The value of an option, which stays.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets an option; an earlier value of that name is replaced in its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Takes an option out as text.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(at).1)
    }

    /// Takes out `true` or `false`.
    pub fn take_bool(&mut self, name: &str) -> Result<Option<bool>, OptionError> {
        self.take_with(name, "true or false", |value| match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// Takes out a number; the type sets its bounds.
    pub fn take_number<T: FromStr + Bounds>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, OptionError> {
        self.take_with(name, T::EXPECTED, |value| value.parse().ok())
    }

    /// Takes out a duration, which ActiveMQ's options write as bare milliseconds.
    pub fn take_millis(&mut self, name: &str) -> Result<Option<Duration>, OptionError> {
        let millis =
            self.take_with(name, "a number of milliseconds", |value| value.parse().ok())?;
        Ok(millis.map(Duration::from_millis))
    }

    /// Takes an option out through `parse`; `expected` completes "but must be …".
    pub fn take_with<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, OptionError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match parse(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(OptionError::Invalid {
                name: name.to_owned(),
                value,
                expected: expected.to_owned(),
            }),
        }
    }

    /// Takes out all options whose names start with `prefix` (such as `nested.`), without it.
    pub fn take_prefixed(&mut self, prefix: &str) -> Options {
        let mut taken = Options::new();
        self.entries.retain(|(name, value)| match name.strip_prefix(prefix) {
            Some(rest) => {
                taken.insert(rest, value);
                false
            }
            None => true,
        });
        taken
    }

    /// Refuses what has not been taken; `known` are the names to suggest.
    pub fn finish(self, known: &[&str]) -> Result<(), OptionError> {
        match self.entries.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let nearest = nearest(&name, known).map(str::to_owned);
                Err(OptionError::Unknown { name, nearest })
            }
        }
    }
}

/// What a number may be, in words.
pub trait Bounds {
    /// Completes "but must be …".
    const EXPECTED: &'static str;
}

macro_rules! bounds {
    ($($type:ty: $expected:literal),* $(,)?) => {
        $(impl Bounds for $type { const EXPECTED: &'static str = $expected; })*
    };
}

bounds! {
    u8: "a whole number from 0 to 255",
    u16: "a whole number from 0 to 65535",
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number, not negative",
    usize: "a whole number, not negative",
    i32: "a whole number from -2147483648 to 2147483647",
    i64: "a whole number",
    f64: "a number",
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut options = Self::new();
        for (name, value) in entries {
            options.insert(name, value);
        }
        options
    }
}

/// The options as an address has them, without the question mark. Whatever means something in an
/// address is escaped, so that any option survives inside any composite.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.iter().enumerate() {
            if position > 0 {
                f.write_str("&")?;
            }
            write_escaped(name, f)?;
            f.write_str("=")?;
            write_escaped(value, f)?;
        }
        Ok(())
    }
}

pub(crate) fn write_escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in text.bytes() {
        // '+' is escaped because Java reads it as a space.
        if byte.is_ascii_alphanumeric() || b"-._~:/@!$*;[]>|".contains(&byte) {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(entries: &[(&str, &str)]) -> Options {
        entries.iter().copied().collect()
    }

    #[test]
    fn typed_options_are_taken_once() {
        let mut options = options(&[
            ("randomize", "false"),
            ("maxReconnectDelay", "5000"),
            ("factor", "1.5"),
            ("attempts", "-1"),
        ]);
        assert_eq!(options.take_bool("randomize"), Ok(Some(false)));
        assert_eq!(options.take_bool("randomize"), Ok(None));
        assert_eq!(options.take_millis("maxReconnectDelay"), Ok(Some(Duration::from_secs(5))));
        assert_eq!(options.take_number("factor"), Ok(Some(1.5)));
        assert_eq!(options.take_number::<i32>("attempts"), Ok(Some(-1)));
        assert_eq!(options.finish(&[]), Ok(()));
    }

    #[test]
    fn a_bad_value_says_what_would_be_right() {
        let mut options = options(&[("randomize", "yes"), ("port", "65536"), ("delay", "-5")]);
        assert_eq!(
            options.take_bool("randomize").unwrap_err().to_string(),
            "option \"randomize\" is \"yes\", but must be true or false"
        );
        assert_eq!(
            options.take_number::<u16>("port").unwrap_err().to_string(),
            "option \"port\" is \"65536\", but must be a whole number from 0 to 65535"
        );
        assert_eq!(
            options.take_millis("delay").unwrap_err().to_string(),
            "option \"delay\" is \"-5\", but must be a number of milliseconds"
        );
    }

    #[test]
    fn what_nobody_took_is_refused_with_the_nearest_name() {
        let mut options = options(&[("randomise", "false"), ("x", "1")]);
        assert_eq!(options.take("randomize"), None);
        assert_eq!(options.remaining().collect::<Vec<_>>(), ["randomise", "x"]);
        assert_eq!(
            options.finish(&["timeout", "randomize"]).unwrap_err().to_string(),
            "unknown option \"randomise\"; did you mean \"randomize\"?"
        );
    }

    #[test]
    fn prefixed_options_are_split_off() {
        let mut options = options(&[("nested.a", "1"), ("b", "2"), ("nested.c", "3")]);
        assert_eq!(options.take_prefixed("nested."), self::options(&[("a", "1"), ("c", "3")]));
        assert_eq!(options, self::options(&[("b", "2")]));
    }

    #[test]
    fn display_escapes_what_would_end_a_value() {
        assert_eq!(
            options(&[("a&b", "x=y, (z)+50%"), ("c", "tcp://h:1/é")]).to_string(),
            "a%26b=x%3Dy%2C%20%28z%29%2B50%25&c=tcp://h:1/%C3%A9"
        );
    }
}
