//! `static:(…)`: a fixed list of remote brokers, each with its own bridge.

use std::time::Duration;

use ferrymq_transport::backoff::{Backoff, BackoffConfig, BackoffError};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::names::nearest;
use ferrymq_transport::options::{OptionError, OptionSpec, Options};
use ferrymq_transport::uri::Uri;

/// A checked `static:(…)` address: whom to dial, and when again after a failure.
#[derive(Debug, Clone)]
pub struct StaticList {
    endpoints: Vec<Endpoint>,
    redial: Redial,
}

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

/// Why an address cannot be a connector's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StaticListError {
    /// A scheme of another discovery agent.
    #[error("`{scheme}:` is not supported yet; list the brokers with static:(tcp://host:port,…)")]
    NotSupportedYet {
        /// The scheme.
        scheme: String,
    },
    /// A scheme of clients, which redials under the bridge.
    #[error(
        "`{scheme}:` cannot carry a bridge, which must know when its link is renewed; \
         list the brokers with static:(tcp://host:port,…), each gets its own bridge"
    )]
    ForClients {
        /// The scheme.
        scheme: String,
    },
    /// A scheme that nobody knows.
    #[error("`{scheme}` is no way to reach a broker{}", suggestion(.nearest))]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// The one that may have been meant.
        nearest: Option<&'static str>,
    },
    /// A list within the list.
    #[error("`{scheme}:(…)` cannot stand inside static:(…); list the brokers one by one")]
    Nested {
        /// The inner scheme.
        scheme: String,
    },
    /// A list of nobody.
    #[error("static:() lists no broker; write static:(tcp://host:port,…)")]
    Empty,
    /// The same broker twice.
    #[error("{endpoint} is listed twice; a bridge needs it once")]
    Twice {
        /// The address without its options.
        endpoint: String,
    },
    /// An option of the list that is unknown or has a bad value.
    #[error("static list: {0}")]
    Option(#[from] OptionError),
    /// Delays that contradict each other.
    #[error("static list: {0}")]
    Delays(#[from] BackoffError),
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

const NOT_YET: [&str; 7] =
    ["multicast", "dns", "masterslave", "zeroconf", "http", "simple", "ldap"];
const FOR_CLIENTS: [&str; 3] = ["failover", "fanout", "discovery"];
const MEMBERS: [&str; 1] = ["tcp"];
const SCHEMES: [&str; 2] = ["static", "tcp"];

/// The options of a list.
pub const LIST_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "initialReconnectDelay",
        expected: "a number of milliseconds",
        default: Some("1000"),
        about: "How long to wait before a broker is dialled again.",
    },
    OptionSpec {
        name: "maxReconnectDelay",
        expected: "a number of milliseconds",
        default: Some("30000"),
        about: "The longest such wait. A random part of up to a fifth is taken off each.",
    },
    OptionSpec {
        name: "useExponentialBackOff",
        expected: "true or false",
        default: Some("true"),
        about: "Whether waits grow with each attempt that fails.",
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

impl StaticList {
    /// Checks a connector's address. `tcp://host:port` stands for a list of one.
    pub fn new(uri: &Uri) -> Result<Self, StaticListError> {
        let list = match uri {
            Uri::Endpoint(endpoint) => {
                let redial = Redial::from_options(Options::new())?;
                Self { endpoints: vec![member(endpoint)?], redial }
            }
            Uri::Composite(composite) if composite.scheme == "static" => {
                let mut composite = composite.clone();
                composite.hand_down_nested_options();
                let endpoints = composite.members.iter().map(|inner| match inner {
                    Uri::Endpoint(endpoint) => member(endpoint),
                    Uri::Composite(inner) => {
                        Err(StaticListError::Nested { scheme: inner.scheme.clone() })
                    }
                });
                let endpoints = endpoints.collect::<Result<_, _>>()?;
                Self { endpoints, redial: Redial::from_options(composite.options)? }
            }
            Uri::Composite(composite) => return Err(refused(&composite.scheme)),
        };
        list.without_repetition()
    }

    /// Nobody to dial: the link is a peer's.
    pub(crate) fn of_nobody() -> Self {
        let redial = Redial {
            backoff: Backoff::default(),
            longest: BackoffConfig::default().max,
            min_connect_time: Duration::ZERO,
            max_attempts: 0,
        };
        Self { endpoints: Vec::new(), redial }
    }

    /// The remote brokers, as listed.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// When each is dialled again.
    pub fn redial(&self) -> &Redial {
        &self.redial
    }

    fn without_repetition(self) -> Result<Self, StaticListError> {
        if self.endpoints.is_empty() {
            return Err(StaticListError::Empty);
        }
        let mut seen = std::collections::BTreeSet::new();
        for endpoint in &self.endpoints {
            let endpoint = endpoint.bare().to_string();
            if !seen.insert(endpoint.clone()) {
                return Err(StaticListError::Twice { endpoint });
            }
        }
        Ok(self)
    }
}

impl Redial {
    fn from_options(mut options: Options) -> Result<Self, StaticListError> {
        let defaults = BackoffConfig::default();
        let initial = options.take_millis("initialReconnectDelay")?;
        let max = options.take_millis("maxReconnectDelay")?;
        let config = BackoffConfig {
            initial: initial.unwrap_or(defaults.initial),
            max: max.unwrap_or(defaults.max.max(initial.unwrap_or_default())),
            exponential: options.take_bool("useExponentialBackOff")?.unwrap_or(true),
            multiplier: options.take_number("backOffMultiplier")?.unwrap_or(2.0),
            ..defaults
        };
        let redial = Self {
            backoff: Backoff::new(config)?,
            longest: config.max,
            min_connect_time: options
                .take_millis("minConnectTime")?
                .unwrap_or(Duration::from_secs(5)),
            max_attempts: options.take_number("maxReconnectAttempts")?.unwrap_or(0),
        };
        options.finish(&LIST_OPTIONS.iter().map(|option| option.name).collect::<Vec<_>>())?;
        Ok(redial)
    }

    /// The growing delays, from the start.
    pub fn backoff(&self) -> Backoff {
        self.backoff.clone()
    }
}

fn member(endpoint: &Endpoint) -> Result<Endpoint, StaticListError> {
    if MEMBERS.contains(&endpoint.scheme.as_str()) {
        Ok(endpoint.clone())
    } else {
        Err(refused(&endpoint.scheme))
    }
}

fn refused(scheme: &str) -> StaticListError {
    let scheme = scheme.to_owned();
    if NOT_YET.contains(&scheme.as_str()) {
        StaticListError::NotSupportedYet { scheme }
    } else if FOR_CLIENTS.contains(&scheme.as_str()) {
        StaticListError::ForClients { scheme }
    } else {
        let nearest = nearest(&scheme, &SCHEMES)
            .and_then(|near| SCHEMES.into_iter().find(|known| *known == near));
        StaticListError::UnknownScheme { scheme, nearest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(uri: &str) -> Result<StaticList, StaticListError> {
        StaticList::new(&uri.parse().unwrap())
    }

    fn reason(uri: &str) -> String {
        list(uri).unwrap_err().to_string()
    }

    #[test]
    fn every_member_is_a_remote_broker() {
        let two = list("static:(tcp://a:1,tcp://b:2?wireFormat.maxInactivityDuration=0)").unwrap();
        let shown: Vec<_> = two.endpoints().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["tcp://a:1", "tcp://b:2?wireFormat.maxInactivityDuration=0"]);
        assert_eq!(list("tcp://a:1").unwrap().endpoints().len(), 1);
    }

    #[test]
    fn delays_come_from_the_list() {
        let list = list(
            "static:(tcp://a:1)?initialReconnectDelay=200&maxReconnectDelay=400\
             &minConnectTime=50&maxReconnectAttempts=3",
        )
        .unwrap();
        let redial = list.redial();
        assert_eq!(redial.longest, Duration::from_millis(400));
        assert_eq!(redial.min_connect_time, Duration::from_millis(50));
        assert_eq!(redial.max_attempts, 3);
        let first = redial.backoff().next(&mut fastrand::Rng::with_seed(1));
        assert!(first <= Duration::from_millis(200) && first >= Duration::from_millis(100));
    }

    #[test]
    fn the_defaults_of_the_reference_are_those_that_count() {
        let written = LIST_OPTIONS.iter().filter_map(|option| {
            option.default.map(|default| format!("{}={default}", option.name))
        });
        let written = written.collect::<Vec<_>>().join("&");
        let redial = |uri: &str| format!("{:?}", list(uri).unwrap().redial());
        assert_eq!(redial(&format!("static:(tcp://a:1)?{written}")), redial("tcp://a:1"));
    }

    #[test]
    fn a_first_delay_beyond_the_default_cap_raises_it() {
        let list = list("static:(tcp://a:1)?initialReconnectDelay=60000").unwrap();
        assert_eq!(list.redial().longest, Duration::from_secs(60));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert!(reason("multicast://default:6155").contains("`multicast:` is not supported yet"));
        assert!(reason("masterslave:(tcp://a:1,tcp://b:2)").contains("not supported yet"));
        assert!(reason("failover:(tcp://a:1)").contains("cannot carry a bridge"));
        assert!(reason("statik:(tcp://a:1)").contains("did you mean `static`?"));
        assert!(reason("static:(static:(tcp://a:1))").contains("cannot stand inside"));
        assert!(reason("static:(tcp://a:1,tcp://a:1?x=y)").contains("listed twice"));
        assert!(
            reason("static:(tcp://a:1)?initialReconectDelay=5").contains("initialReconnectDelay")
        );
        assert!(reason("static:(tcp://a:1)?maxReconnectDelay=soon").contains("milliseconds"));
        assert!(
            reason("static:(tcp://a:1)?initialReconnectDelay=9&maxReconnectDelay=5")
                .contains("shorter than the first")
        );
    }
}
