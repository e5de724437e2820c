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
    /// The demand is that of a bridge beyond the link, which takes no message that has passed others.
    NotPassedOn {
        /// The limit of that bridge (its `message_ttl`).
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
    /// It would go back to where it was, but a consumer of this broker wants it.
    LocalConsumer,
    /// It would go back to where it was, but another bridge leads to a consumer of it: to a broker
    /// that it has not visited, or nearer.
    BetterWay {
        /// The broker at the end of that bridge.
        broker: BrokerId,
    },
    /// The way is new: soon it shows whether there is a nearer one from where the message came.
    /// Meanwhile it is for others here.
    NewWay {
        /// When it shows, in milliseconds since 1970.
        until: i64,
    },
    /// What went to the same consumers by way of another broker has not arrived there yet, and is not
    /// to be overtaken.
    FormerWay {
        /// That broker.
        broker: BrokerId,
    },
    /// It may go back to where it was, but not yet.
    TooEarly {
        /// When it may, in milliseconds since 1970.
        until: i64,
    },
    /// It may go back to where it was, but as many have gone back as may for now.
    RateLimited {
        /// When its turn comes, in milliseconds since 1970.
        until: i64,
    },
    /// It goes back and forth, and is held for a while.
    HeldDown {
        /// How often it has come back from there.
        rounds: usize,
        /// When it may go back again, in milliseconds since 1970.
        until: i64,
    },
}

impl Verdict {
    /// Whether it may cross.
    pub fn may_cross(&self) -> bool {
        matches!(self, Self::Forward)
    }

    /// When to ask again, in milliseconds since 1970, if time alone changes the answer.
    pub fn until(&self) -> Option<i64> {
        match self {
            Self::NewWay { until }
            | Self::TooEarly { until }
            | Self::RateLimited { until }
            | Self::HeldDown { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Whether to ask again when a consumer or a demand has gone.
    pub fn depends_on_others(&self) -> bool {
        matches!(self, Self::LocalConsumer | Self::BetterWay { .. } | Self::FormerWay { .. })
    }

    /// The reason as one word, for programs and for metrics; there are as many as there are reasons.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Forward => "may_cross",
            Self::AlreadyVisited { .. } => "already_visited",
            Self::HopLimit { .. } => "hop_limit",
            Self::NotPassedOn { .. } => "not_passed_on",
            Self::Excluded { .. } => "excluded",
            Self::NotIncluded => "not_included",
            Self::TemporaryNotBridged => "temporary_not_bridged",
            Self::BridgeControl => "bridge_control",
            Self::Browser => "browser",
            Self::LocalConsumer => "local_consumer",
            Self::BetterWay { .. } => "better_way",
            Self::NewWay { .. } => "new_way",
            Self::FormerWay { .. } => "former_way",
            Self::TooEarly { .. } => "too_early",
            Self::RateLimited { .. } => "rate_limited",
            Self::HeldDown { .. } => "held_down",
        }
    }

    /// What would let it cross; none where it may, and where nothing would.
    pub fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Self::Forward | Self::BridgeControl => return None,
            Self::AlreadyVisited { .. } => {
                "a consumer here, or one that is reached by way of another broker; it goes back to a \
                 queue where it was if `replay_when_no_consumers` of its destination policy is on"
                    .to_owned()
            }
            Self::LocalConsumer => {
                "the consumers of this broker: that they take more, or leave".to_owned()
            }
            Self::BetterWay { broker } => {
                format!("the bridge to broker {broker}: that it moves on")
            }
            Self::FormerWay { broker } => {
                format!("the bridge to broker {broker}: that what it carries arrives")
            }
            Self::NewWay { .. } => "a moment: a quarter of a second at most".to_owned(),
            Self::TooEarly { .. } | Self::RateLimited { .. } | Self::HeldDown { .. } => {
                "time, or a consumer here".to_owned()
            }
            Self::HopLimit { limit, .. } => format!(
                "a hop limit above {limit} on the connector (network_ttl, or message_ttl and \
                 consumer_ttl; -1 is any number)"
            ),
            Self::NotPassedOn { limit } => format!(
                "a hop limit above {limit} (networkTTL, or messageTTL) on the far broker's own connector"
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
            Self::NotPassedOn { limit } => {
                write!(f, "the far broker passes it on only within {limit} bridges")
            }
            Self::Excluded { by } => write!(f, "destination excluded by {by}"),
            Self::NotIncluded => f.write_str("destination matches none of the inclusions"),
            Self::TemporaryNotBridged => {
                f.write_str("temporary destination, which this bridge does not carry")
            }
            Self::BridgeControl => f.write_str("advisory that bridges act on themselves"),
            Self::Browser => f.write_str("a browser creates no demand"),
            Self::LocalConsumer => f.write_str("a consumer of this broker is there for it"),
            Self::BetterWay { broker } => {
                write!(f, "the bridge to broker {broker} leads to a consumer and goes first")
            }
            Self::NewWay { until } => write!(
                f,
                "the way there is new: until {until} it may still show that there is a nearer one"
            ),
            Self::FormerWay { broker } => write!(
                f,
                "what went to the same consumers by way of broker {broker} is not to be overtaken"
            ),
            Self::TooEarly { until } => write!(f, "too early to go back until {until}"),
            Self::RateLimited { until } => write!(f, "rate of going back used up until {until}"),
            Self::HeldDown { rounds, until } => {
                write!(f, "held until {until}: it has come back {rounds} times")
            }
        }
    }
}
