//! What producers send to and consumers receive from, as it is written.

use ferrymq_openwire::destination::{Destination, DestinationKind};

use crate::destination_pattern::DestinationPattern;
use crate::document::text::{Text, TextError};

/// One destination, that a message can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(pub Destination);

/// The destinations that a consumer wants.
#[derive(Debug, Clone)]
pub struct Interest(pub DestinationPattern);

const EXPECTED: &str = "a destination such as \"queue://orders\" or \"topic://prices\"";

impl Text for Address {
    const EXPECTED: &'static str = EXPECTED;

    fn parse(text: &str) -> Result<Self, TextError> {
        let (kind, name_at) = match text.find("://") {
            None => (DestinationKind::Queue, 0),
            Some(at) => {
                let kind = match text.get(..at) {
                    Some("queue") => DestinationKind::Queue,
                    Some("topic") => DestinationKind::Topic,
                    _ => return Err(TextError::at(0, format!("expected {EXPECTED}"))),
                };
                (kind, at + "://".len())
            }
        };
        let name = text.get(name_at..).unwrap_or_default();
        if name.is_empty() {
            return Err(TextError::at(name_at, "the destination's name is missing"));
        }
        if let Some(at) = name.find(',') {
            return Err(TextError::at(name_at + at, "a producer sends to one destination"));
        }
        let mut level_at = name_at;
        for level in name.split('.') {
            if matches!(level, "*" | ">") {
                return Err(TextError::at(level_at, format!("`{level}` is for consumers"))
                    .hint("a producer sends to one destination"));
            }
            level_at += level.len() + 1;
        }
        Ok(Self(Destination::new(kind, name)))
    }
}

impl Text for Interest {
    const EXPECTED: &'static str = EXPECTED;

    fn parse(text: &str) -> Result<Self, TextError> {
        <DestinationPattern as Text>::parse(text).map(Self)
    }
}
