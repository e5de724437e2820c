//! Sets of destinations, written with wildcards.

use std::fmt;

use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::text::Text;
use ferrymq_transport::names::nearest;

/// An address that may hold wildcards: `*` stands for one level, a last `>` for all below.
///
/// As in ActiveMQ, `A.>` also matches `A` itself, levels are separated by `.`, and a pattern
/// matches only destinations of its own kind.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationPattern {
    address: Destination,
}

/// Why a text is not a [`DestinationPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is no name after the prefix.
    #[error("a destination needs a name, for example `queue://orders.>`")]
    Empty,
    /// The prefix is none of the four.
    #[error("`{scheme}://` is no kind of destination; {}", did_you_mean(.nearest))]
    UnknownKind {
        /// What stands before `://`.
        scheme: String,
        /// The kind that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The prefix lacks a colon or a slash.
    #[error("`{text}`: write `{meant}`")]
    Prefix {
        /// The text.
        text: String,
        /// What was probably meant.
        meant: String,
    },
    /// `>` stands where it would be an ordinary name.
    #[error("`>` matches all below, so it must be the last level of `{name}`")]
    EarlyDescendant {
        /// The name with the misplaced wildcard.
        name: String,
    },
    /// A wildcard shares its level with other characters.
    #[error("a wildcard stands for whole levels, so `{level}` in `{name}` would never match")]
    PartialWildcard {
        /// The level with more than a wildcard.
        level: String,
        /// The whole name.
        name: String,
    },
    /// The text names several destinations.
    #[error("`{name}` names several destinations; list them one by one")]
    Composite {
        /// The name with a comma.
        name: String,
    },
    /// The text carries options.
    #[error("`{name}`: options of a destination (`?{options}`) are not supported here")]
    Options {
        /// The name before them.
        name: String,
        /// What follows the question mark.
        options: String,
    },
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(kind) => format!("did you mean `{kind}://`?"),
        None => "use `queue://` or `topic://`".to_owned(),
    }
}

const KINDS: [(&str, DestinationKind); 4] = [
    ("queue", DestinationKind::Queue),
    ("topic", DestinationKind::Topic),
    ("temp-queue", DestinationKind::TempQueue),
    ("temp-topic", DestinationKind::TempTopic),
];

impl DestinationPattern {
    /// Reads `queue://NAME`, `topic://NAME` or just `NAME` (a queue), where a configuration says
    /// so; what could only be a mistake is refused.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (kind, name) = match text.split_once("://") {
            None => match mistyped_prefix(text) {
                Some(meant) => return Err(PatternError::Prefix { text: text.to_owned(), meant }),
                None => (DestinationKind::Queue, text),
            },
            Some((scheme, name)) => {
                let found = KINDS.iter().find(|(known, _)| *known == scheme);
                match found {
                    Some((_, kind)) => (*kind, name),
                    None => return Err(unknown_kind(scheme)),
                }
            }
        };
        if name.is_empty() {
            return Err(PatternError::Empty);
        }
        if let Some((name, options)) = name.split_once('?') {
            return Err(PatternError::Options {
                name: name.to_owned(),
                options: options.to_owned(),
            });
        }
        if name.contains(',') {
            return Err(PatternError::Composite { name: name.to_owned() });
        }
        let mut levels = name.split('.').peekable();
        while let Some(level) = levels.next() {
            if level == ">" {
                if levels.peek().is_some_and(|next| *next != ">") {
                    return Err(PatternError::EarlyDescendant { name: name.to_owned() });
                }
            } else if level != "*" && level.contains(['*', '>']) {
                return Err(PatternError::PartialWildcard {
                    level: level.to_owned(),
                    name: name.to_owned(),
                });
            }
        }
        Ok(Self { address: Destination::new(kind, name) })
    }

    /// The set of destinations that a consumer of this address wants: whatever a peer sends is a
    /// pattern, a misplaced wildcard being an ordinary name.
    pub fn of(address: &Destination) -> Self {
        Self { address: address.clone() }
    }

    /// The kind of the destinations that it matches.
    pub fn kind(&self) -> DestinationKind {
        self.address.kind()
    }

    /// The name, wildcards included.
    pub fn name(&self) -> &Text {
        self.address.name()
    }

    /// The address as a consumer of the whole pattern gives it.
    pub fn address(&self) -> &Destination {
        &self.address
    }

    /// Whether it holds a wildcard; without one it matches the one destination of that name.
    pub fn is_wildcard(&self) -> bool {
        let last = levels(self.name()).last();
        last == Some(b">") || levels(self.name()).any(|level| level == b"*")
    }

    /// Whether a destination belongs to the set. A wildcard in the destination's own name (a
    /// consumer's wish) counts as a name that only an equal or wider wildcard matches.
    pub fn matches(&self, destination: &Destination) -> bool {
        if self.kind() != destination.kind() {
            return false;
        }
        let mut patterns = levels(self.name());
        let mut names = levels(destination.name());
        loop {
            if only_descendants(patterns.clone()) {
                return true;
            }
            match (patterns.next(), names.next()) {
                (None, None) => return true,
                (Some(pattern), Some(name)) if pattern == name => {}
                (Some(b"*"), Some(name)) if name != b">" => {}
                _ => return false,
            }
        }
    }
}

/// Whether nothing but `>` is left of a pattern: it matches whatever is left of the name.
fn only_descendants<'a>(mut rest: impl Iterator<Item = &'a [u8]>) -> bool {
    rest.next() == Some(b">") && rest.all(|level| level == b">")
}

fn levels(name: &Text) -> impl Iterator<Item = &[u8]> + Clone {
    name.as_bytes().split(|byte| *byte == b'.')
}

/// What was probably meant by `queue//NAME` or `queue:/NAME`, which would be a queue of that name.
pub fn mistyped_prefix(text: &str) -> Option<String> {
    KINDS.iter().find_map(|(kind, _)| {
        let rest = text.strip_prefix(kind)?;
        let name = rest.strip_prefix("//").or_else(|| rest.strip_prefix(":/"))?;
        (!name.starts_with('/')).then(|| format!("{kind}://{name}"))
    })
}

fn unknown_kind(scheme: &str) -> PatternError {
    let known = KINDS.map(|(kind, _)| kind);
    let nearest =
        nearest(scheme, &known).and_then(|near| known.into_iter().find(|kind| *kind == near));
    PatternError::UnknownKind { scheme: scheme.to_owned(), nearest }
}

impl std::str::FromStr for DestinationPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for DestinationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address, f)
    }
}

impl fmt::Debug for DestinationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.address, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let destination = DestinationPattern::parse(name).unwrap().address;
        DestinationPattern::parse(pattern).unwrap().matches(&destination)
    }

    #[test]
    fn wildcards_match_whole_levels() {
        let yes = [
            ("A.B", "A.B"),
            ("A.*", "A.B"),
            ("*.B", "A.B"),
            ("*", "A"),
            ("*.*", "A.B"),
            (">", "A"),
            (">", "A.B.C"),
            ("A.>", "A"),
            ("A.>", "A.B"),
            ("A.>", "A.B.C"),
            ("A.*.>", "A.B"),
            ("A.*.>", "A.B.C.D"),
            ("A.>.>", "A.B"),
            ("topic://ActiveMQ.Advisory.Consumer.>", "topic://ActiveMQ.Advisory.Consumer.Queue.Q"),
        ];
        for (pattern, name) in yes {
            assert!(matches(pattern, name), "{pattern} should match {name}");
        }
        let no = [
            ("A.B", "A"),
            ("A.B", "A.B.C"),
            ("A", "a"),
            ("A.*", "A"),
            ("A.*", "A.B.C"),
            ("A.>", "AB"),
            ("A.>", "B.A"),
            ("A.*.>", "A"),
            ("queue://A", "topic://A"),
            ("temp-queue://A", "queue://A"),
        ];
        for (pattern, name) in no {
            assert!(!matches(pattern, name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_wider_wish_is_not_inside_a_narrower_pattern() {
        for (pattern, wish, expected) in [
            ("A.>", "A.>", true),
            ("A.>", "A.*", true),
            ("A.*", "A.*", true),
            (">", "A.>", true),
            ("A.X", "A.>", false),
            ("A.X", "A.*", false),
            ("A.*", "A.>", false),
            ("A.>", ">", false),
        ] {
            assert_eq!(matches(pattern, wish), expected, "{pattern} and {wish}");
        }
    }

    #[test]
    fn knows_wildcards() {
        for (text, wildcard) in
            [("A", false), ("A.*", true), ("*.B", true), ("A.>", true), (">", true)]
        {
            assert_eq!(DestinationPattern::parse(text).unwrap().is_wildcard(), wildcard, "{text}");
        }
        assert!(!DestinationPattern::of(&Destination::queue("A.>.B")).is_wildcard());
    }

    #[test]
    fn mistakes_are_refused_by_name() {
        let reason = |text: &str| DestinationPattern::parse(text).unwrap_err().to_string();
        assert!(reason("queue://").contains("needs a name"));
        assert!(reason("queu://A").contains("did you mean `queue://`"));
        assert!(reason("A.>.B").contains("must be the last level"));
        assert!(reason("A.B*").contains("whole levels"));
        assert!(reason("A,B").contains("one by one"));
        assert!(reason("topic://A?forceDurable=true").contains("forceDurable=true"));
    }

    #[test]
    fn shows_what_was_written() {
        assert_eq!(DestinationPattern::parse("orders.>").unwrap().to_string(), "queue://orders.>");
        assert_eq!(DestinationPattern::parse("topic://a.*").unwrap().to_string(), "topic://a.*");
    }
}
