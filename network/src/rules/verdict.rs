//! The answer of a rule, with its reason.

use std::fmt;

use ferrymq_openwire::ids::BrokerId;

use crate::destination_pattern::DestinationPattern;

/// Whether something (a message, a destination, a demand) may cross a bridge, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It may cross.
    Forward,
    /// The broker at the other end is on its path already.
    AlreadyVisited {
        /// That broker.
        broker: BrokerId,
    },
    /// It has passed as many bridges as it may.
    HopLimit {
        /// Bridges passed so far.
        hops: usize,
        /// The limit (`message_ttl` or `consumer_ttl`).
        limit: i32,
    },
    /// Its destination is excluded, which wins over any inclusion.
    Excluded {
        /// The pattern that matched.
        by: DestinationPattern,
    },
    /// Inclusions are configured, and none matches its destination.
    NotIncluded,
    /// Its destination is temporary, and the bridge does not carry those.
    TemporaryNotBridged,
    /// Its destination is an advisory topic that bridges themselves act on; forwarded, it would be
    /// acted on twice.
    BridgeControl,
    /// The demand is a browser's, which only looks.
    Browser,
}

impl Verdict {
    /// Whether it may cross.
    pub fn may_cross(&self) -> bool {
        matches!(self, Self::Forward)
    }

    /// The reason as one word, for programs and for metrics; there are as many as there are reasons.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Forward => "may_cross",
            Self::AlreadyVisited { .. } => "already_visited",
            Self::HopLimit { .. } => "hop_limit",
            Self::Excluded { .. } => "excluded",
            Self::NotIncluded => "not_included",
            Self::TemporaryNotBridged => "temporary_not_bridged",
            Self::BridgeControl => "bridge_control",
            Self::Browser => "browser",
        }
    }

    /// What would let it cross; none where it may, and where nothing would.
    pub fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Self::Forward | Self::BridgeControl => return None,
            Self::AlreadyVisited { .. } => {
                "a consumer at a broker that it has not passed yet, or here".to_owned()
            }
            Self::HopLimit { limit, .. } => format!(
                "a hop limit above {limit} on the connector (network_ttl, or message_ttl and \
                 consumer_ttl; -1 is any number)"
            ),
            Self::Excluded { by } => format!("taking {by} out of the connector's `excluded`"),
            Self::NotIncluded => {
                "a pattern for it in the connector's `dynamically_included`".to_owned()
            }
            Self::TemporaryNotBridged => {
                "bridge_temp_destinations = true on the connector".to_owned()
            }
            Self::Browser => "a consumer that takes messages".to_owned(),
        };
        Some(remedy)
    }

    /// This answer if it is a refusal, otherwise the next rule's.
    pub fn and_then(self, next: impl FnOnce() -> Verdict) -> Verdict {
        match self {
            Self::Forward => next(),
            refusal => refusal,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward => f.write_str("may cross"),
            Self::AlreadyVisited { broker } => {
                write!(f, "broker {broker} has been visited already")
            }
            Self::HopLimit { hops, limit } => {
                write!(f, "hop limit: {hops} bridges passed of {limit} allowed")
            }
            Self::Excluded { by } => write!(f, "destination excluded by {by}"),
            Self::NotIncluded => f.write_str("destination matches none of the inclusions"),
            Self::TemporaryNotBridged => {
                f.write_str("temporary destination, which this bridge does not carry")
            }
            Self::BridgeControl => f.write_str("advisory that bridges act on themselves"),
            Self::Browser => f.write_str("a browser creates no demand"),
        }
    }
}
