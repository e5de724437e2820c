//! When a remote broker is dialled again.

use std::time::Duration;

use ferrymq_discovery::agent::Agent;
use ferrymq_transport::backoff::{Backoff, BackoffConfig};
use ferrymq_transport::options::{OptionSpec, Options};

use super::error::RemotesError;

/// When a remote broker is dialled again.
#[derive(Debug, Clone)]
pub struct Redial {
    backoff: Backoff,
    /// The longest delay; also that of a bridge which led back to its own broker.
    pub longest: Duration,
    /// A bridge that ended sooner counts as a failed attempt, so that delays keep growing.
    pub min_connect_time: Duration,
    /// Failed attempts in a row after which dialling ends; 0: never, which is the default.
    pub max_attempts: u32,
}

const INITIAL: &str = "initialReconnectDelay";
const EXPONENTIAL: &str = "useExponentialBackOff";

/// The options about dialling again, of every agent.
pub const REDIAL_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: INITIAL,
        expected: "a number of milliseconds",
        default: Some("1000"),
        about: "How long to wait before a broker is dialled again; of `multicast:`, 5000 unless told \
                otherwise, as in ActiveMQ.",
    },
    OptionSpec {
        name: "maxReconnectDelay",
        expected: "a number of milliseconds",
        default: Some("30000"),
        about: "The longest such wait. A random part of up to a fifth is taken off each.",
    },
    OptionSpec {
        name: EXPONENTIAL,
        expected: "true or false",
        default: Some("true"),
        about: "Whether waits grow with each attempt that fails; of `multicast:`, false unless told \
                otherwise, as in ActiveMQ.",
    },
    OptionSpec {
        name: "backOffMultiplier",
        expected: "a number",
        default: Some("2"),
        about: "How many times as long each wait is as the last one; at least 1.",
    },
    OptionSpec {
        name: "maxReconnectAttempts",
        expected: "a whole number from 0 to 4294967295",
        default: Some("0"),
        about: "Failed attempts in a row after which dialling ends; 0 is never.",
    },
    OptionSpec {
        name: "minConnectTime",
        expected: "a number of milliseconds",
        default: Some("5000"),
        about: "A bridge that ended sooner counts as a failed attempt, so that waits keep growing.",
    },
];

impl Redial {
    /// Reads what an agent's address says beside what is the agent's own.
    pub(super) fn from_options(mut options: Options, agent: &Agent) -> Result<Self, RemotesError> {
        let bad = |problem| RemotesError::Option { agent: agent.title(), problem };
        let defaults = match agent {
            Agent::Multicast(_) => BackoffConfig {
                initial: Duration::from_secs(5),
                exponential: false,
                ..BackoffConfig::default()
            },
            _ => BackoffConfig::default(),
        };
        let initial = options.take_millis(INITIAL).map_err(bad)?;
        let max = options.take_millis("maxReconnectDelay").map_err(bad)?;
        let config = BackoffConfig {
            initial: initial
                .unwrap_or(max.map_or(defaults.initial, |max| max.min(defaults.initial))),
            max: max.unwrap_or(defaults.max.max(initial.unwrap_or_default())),
            exponential: options
                .take_bool(EXPONENTIAL)
                .map_err(bad)?
                .unwrap_or(defaults.exponential),
            multiplier: options.take_number("backOffMultiplier").map_err(bad)?.unwrap_or(2.0),
            ..defaults
        };
        let min_connect_time = options.take_millis("minConnectTime").map_err(bad)?;
        let max_attempts = options.take_number("maxReconnectAttempts").map_err(bad)?;
        let known: Vec<&str> =
            REDIAL_OPTIONS.iter().chain(agent.options()).map(|option| option.name).collect();
        options.finish(&known).map_err(bad)?;
        let backoff = Backoff::new(config)
            .map_err(|source| RemotesError::Delays { agent: agent.title(), source })?;
        Ok(Self {
            backoff,
            longest: config.max,
            min_connect_time: min_connect_time.unwrap_or(Duration::from_secs(5)),
            max_attempts: max_attempts.unwrap_or(0),
        })
    }

    /// Of a link that a peer dials: never.
    pub(super) fn by_nobody() -> Self {
        Self {
            backoff: Backoff::default(),
            longest: BackoffConfig::default().max,
            min_connect_time: Duration::ZERO,
            max_attempts: 0,
        }
    }

    /// The growing delays, from the start.
    pub fn backoff(&self) -> Backoff {
        self.backoff.clone()
    }
}
