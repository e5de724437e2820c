//! Prometheus' text exposition format, version 0.0.4, which every collector reads.
//!
//! Written by hand: our numbers are snapshots that are taken when somebody asks, not live registers
//! in a library's registry, and what is left of the format is two escaping rules.

use std::fmt::{self, Display, Write};

/// The media type of the format.
pub(in crate::admin) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text of metric families.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They rise and fall.
    Gauge,
    /// They only rise, until the process ends.
    Counter,
}

/// A family that is being written; its samples stand together.
pub(super) struct Family<'e> {
    name: &'static str,
    exposition: &'e mut Exposition,
}

impl Exposition {
    /// Begins a family. Its name is written once in a text.
    pub(super) fn family(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
    ) -> Family<'_> {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        self.append(format_args!("# HELP {name} "));
        self.append(Escaped { text: help, quote: false });
        self.append(format_args!("\n# TYPE {name} {kind}\n"));
        Family { name, exposition: self }
    }

    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn append(&mut self, what: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{what}");
    }
}

impl Family<'_> {
    /// Writes a sample. No two of a family have the same labels.
    pub(super) fn sample(
        &mut self,
        labels: &[(&'static str, &str)],
        value: impl Display,
    ) -> &mut Self {
        self.exposition.append(self.name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let text = Escaped { text, quote: true };
            self.exposition.append(format_args!("{before}{label}=\"{text}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.exposition.append(format_args!("{end} {value}\n"));
        self
    }
}

/// A text that must not end its line, nor its quotes.
struct Escaped<'t> {
    text: &'t str,
    quote: bool,
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.text.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' if self.quote => f.write_str("\\\"")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_a_help_a_type_and_its_samples() {
        let mut text = Exposition::default();
        text.family("ships_total", Kind::Counter, "Ships that came.")
            .sample(&[("from", "paris"), ("kind", "ferry")], 7_u64)
            .sample(&[("from", "rome"), ("kind", "ferry")], 0_u64);
        text.family("tide_metres", Kind::Gauge, "How high it stands.").sample(&[], 1.5);
        assert_eq!(
            text.into_text(),
            "# HELP ships_total Ships that came.\n\
             # TYPE ships_total counter\n\
             ships_total{from=\"paris\",kind=\"ferry\"} 7\n\
             ships_total{from=\"rome\",kind=\"ferry\"} 0\n\
             # HELP tide_metres How high it stands.\n\
             # TYPE tide_metres gauge\n\
             tide_metres 1.5\n"
        );
    }

    #[test]
    fn texts_cannot_end_their_line_or_their_quotes() {
        let mut text = Exposition::default();
        text.family("x", Kind::Gauge, "a\nb\\c\"d")
            .sample(&[("name", "a\nb\\c\"d} 1\nevil 2"), ("other", "größer\r\t")], 1);
        assert_eq!(
            text.into_text(),
            "# HELP x a\\nb\\\\c\"d\n\
             # TYPE x gauge\n\
             x{name=\"a\\nb\\\\c\\\"d} 1\\nevil 2\",other=\"größer\r\t\"} 1\n"
        );
    }
}
