//! The names of a `dns:(…)` address, and its options.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::{OptionSpec, Options};
use ferrymq_transport::uri::{Composite, Uri};

use crate::error::AgentError;

/// Whose options they are.
pub(crate) const TITLE: &str = "dns";

/// More names than this are a mistake.
const MOST_NAMES: usize = 64;
const DOMAIN_PORT: u16 = 53;

/// Which names are asked for, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsConfig {
    /// The names.
    pub names: Vec<DnsName>,
    /// `server`: whom to ask; none: those that the system asks.
    pub server: Option<SocketAddr>,
    /// `minRefresh`: no answer is asked for again sooner.
    pub min_refresh: Duration,
    /// `maxRefresh`: nor later.
    pub max_refresh: Duration,
    /// `retryDelay`: when to ask again after a failure.
    pub retry_delay: Duration,
    /// `timeout`: how long to wait for an answer.
    pub timeout: Duration,
    /// `discovered.X`: the options of each address that is found.
    pub discovered: Options,
}

/// One name to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsName {
    /// A service: its SRV records say host and port.
    Service(String),
    /// A host: each of its addresses is a broker at this port.
    Host {
        /// Its name.
        name: String,
        /// The port.
        port: u16,
    },
}

const fn spec(
    name: &'static str,
    expected: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> OptionSpec {
    OptionSpec { name, expected, default, about }
}

const MILLIS: &str = "a number of milliseconds";
const SERVER: &str = "the IP address of a name server, with a port or without";

/// The options of `dns:(…)`.
pub const OPTIONS: &[OptionSpec] = &[
    spec("server", SERVER, None, "Whom to ask; without it, those whom the system asks."),
    spec(
        "minRefresh",
        MILLIS,
        Some("1000"),
        "An answer is asked for anew when its time to live is over, but no sooner than this.",
    ),
    spec("maxRefresh", MILLIS, Some("300000"), "Nor later than this."),
    spec(
        "retryDelay",
        MILLIS,
        Some("5000"),
        "When to ask again after a failure, for which the last answer is kept.",
    ),
    spec("timeout", MILLIS, Some("5000"), "How long to wait for an answer."),
];

impl DnsConfig {
    /// Reads the names and takes the options; what remains of them is for whoever dials.
    pub(crate) fn new(composite: &Composite, options: &mut Options) -> Result<Self, AgentError> {
        let bad = AgentError::option(TITLE);
        let names: Vec<DnsName> =
            composite.members.iter().map(name_of).collect::<Result<_, AgentError>>()?;
        if names.len() > MOST_NAMES {
            let what = format!("dns:(…) takes {MOST_NAMES} names at most");
            return Err(AgentError::Address(what));
        }
        let mut millis = |name: &str, default: u64| {
            let positive = |text: &str| text.parse().ok().filter(|millis| *millis > 0);
            let taken = options.take_with(name, "a number of milliseconds, not 0", positive);
            taken.map(|millis| Duration::from_millis(millis.unwrap_or(default))).map_err(&bad)
        };
        let min_refresh = millis("minRefresh", 1000)?;
        let max_refresh = millis("maxRefresh", 300_000)?;
        let retry_delay = millis("retryDelay", 5000)?;
        let timeout = millis("timeout", 5000)?;
        if max_refresh < min_refresh {
            let what = "dns: maxRefresh is shorter than minRefresh".to_owned();
            return Err(AgentError::Address(what));
        }
        let server = options.take_with("server", SERVER, server).map_err(&bad)?;
        let discovered = options.take_prefixed("discovered.");
        Ok(Self { names, server, min_refresh, max_refresh, retry_delay, timeout, discovered })
    }
}

fn name_of(member: &Uri) -> Result<DnsName, AgentError> {
    let Uri::Endpoint(Endpoint { host, port, .. }) = member else {
        return Err(AgentError::Nested {
            outer: "dns".to_owned(),
            scheme: member.scheme().to_owned(),
        });
    };
    match (host.starts_with('_'), *port) {
        (true, 0) => Ok(DnsName::Service(host.clone())),
        (true, _) => Err(AgentError::Address(format!(
            "the SRV records of {host} say the port: leave it out"
        ))),
        (false, 0) => Err(AgentError::Address(format!(
            "which port of {host}? write {host}:61616, or the name of a service, such as \
             _openwire._tcp.{host}"
        ))),
        (false, port) => Ok(DnsName::Host { name: host.clone(), port }),
    }
}

fn server(text: &str) -> Option<SocketAddr> {
    let with_port = text.parse().ok();
    with_port.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, DOMAIN_PORT)))
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => f.write_str(name),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(uri: &str) -> Result<(DnsConfig, Options), AgentError> {
        let Uri::Composite(composite) = uri.parse().unwrap() else { panic!("{uri}") };
        let mut options = composite.options.clone();
        DnsConfig::new(&composite, &mut options).map(|config| (config, options))
    }

    #[test]
    fn a_service_has_no_port_and_a_host_needs_one() {
        let (config, rest) = config(
            "dns:(_openwire._tcp.example.org,b:1)?server=10.0.0.2&minRefresh=5&maxReconnectDelay=9\
             &discovered.keepAlive=false",
        )
        .unwrap();
        let names: Vec<String> = config.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["_openwire._tcp.example.org", "b:1"]);
        assert_eq!(config.server, Some("10.0.0.2:53".parse().unwrap()));
        assert_eq!(config.min_refresh, Duration::from_millis(5));
        assert_eq!(config.discovered.to_string(), "keepAlive=false");
        assert_eq!(rest.to_string(), "maxReconnectDelay=9");
        let reason = |uri: &str| self::config(uri).unwrap_err().to_string();
        assert!(reason("dns:(b)").contains("write b:61616"));
        assert!(reason("dns:(_x._tcp.b:1)").contains("leave it out"));
        assert!(reason("dns:(b:1)?minRefresh=9&maxRefresh=8").contains("shorter"));
        assert!(reason("dns:(b:1)?timeout=0").contains("not 0"));
        assert!(reason("dns:(b:1)?server=ns.example.org").contains("IP address"));
    }

    #[test]
    fn the_defaults_of_the_reference_are_those_that_count() {
        let written = OPTIONS
            .iter()
            .filter_map(|option| Some(format!("{}={}", option.name, option.default?)))
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(config(&format!("dns:(a:1)?{written}")).unwrap(), config("dns:(a:1)").unwrap());
    }
}
