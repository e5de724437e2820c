//! The options of a multicast address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::{OptionSpec, Options};

use crate::error::AgentError;

/// Whose options they are.
pub(crate) const TITLE: &str = "multicast";

/// The group that `multicast://default` stands for.
const DEFAULT_GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 2, 3);
/// So many announcements may be missed before a broker counts as silent (ActiveMQ's number).
const MISSED: u32 = 10;
/// Announcing faster than this serves nobody.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
/// A group's name is part of each packet.
const LONGEST_NAME: usize = 255;

/// Where and how brokers are announced to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticastConfig {
    /// Where packets go.
    pub address: SocketAddr,
    /// `group`: brokers of other groups are not heard.
    pub group: String,
    /// `keepAliveInterval`: how often a broker says that it is there.
    pub keep_alive: Duration,
    /// `expiry`: after so much silence it counts as gone.
    pub expiry: Duration,
    /// `timeToLive`: how many networks away it is heard.
    pub time_to_live: u32,
    /// Whether brokers of the same machine hear each other: the opposite of `loopBackMode`, which is
    /// Java's.
    pub heard_here: bool,
    /// Which way packets go and come.
    pub interface: InterfaceChoice,
    /// `secretFile`: where the secret is kept that the brokers share; none: anybody is believed.
    pub secret_file: Option<PathBuf>,
    /// `discovered.X`: the options of each address that is found.
    pub discovered: Options,
}

/// The interface of this machine that packets leave and arrive by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceChoice {
    /// `interface`: the one with this address.
    pub address: Option<Ipv4Addr>,
    /// `networkInterface`: the one of this name.
    pub name: Option<String>,
    /// `joinNetworkInterface`: the one of this name, for what arrives.
    pub join_name: Option<String>,
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
const INTERVAL: &str = "a number of milliseconds from 10 to 3600000";
const GROUP: &str = "a name of at most 255 letters, digits, `-`, `_` or `.`";
const TTL: &str = "a whole number from 0 to 255";
const ADDRESS: &str = "an IPv4 address of this machine";
const INTERFACE: &str = "the name of an interface, such as eth0";
const PATH: &str = "the path of a file";

/// The options of an address that brokers announce themselves to, `discovery_uri`.
pub const ANNOUNCE_OPTIONS: &[OptionSpec] = &[
    spec("group", GROUP, Some("default"), "Brokers of other groups are neither told nor heard."),
    spec("keepAliveInterval", INTERVAL, Some("500"), "How often a broker says that it is there."),
    spec(
        "timeToLive",
        TTL,
        Some("1"),
        "How many networks away it is heard. One that listens on a loopback address is heard on its \
         own machine alone.",
    ),
    spec(
        "loopBackMode",
        "true or false",
        Some("false"),
        "With `true`, brokers of the same machine do not hear each other.",
    ),
    spec(
        "interface",
        ADDRESS,
        None,
        "The interface with this address; without it, the one that the way to the group leads by, or \
         else the loopback interface. Of an IPv6 group only `networkInterface` says it.",
    ),
    spec("networkInterface", INTERFACE, None, "The same by its name."),
    spec(
        "secretFile",
        PATH,
        None,
        "A file with a secret. Announcements carry a keyed hash of it, and those that do not prove \
         that they know it are not heard; without it, anybody on the wire is believed. Brokers that \
         are to find ActiveMQ's cannot have one; ActiveMQ's find those that have.",
    ),
];

/// The options of an address that brokers are found by, beside those.
pub const LISTEN_OPTIONS: &[OptionSpec] = &[
    spec(
        "expiry",
        MILLIS,
        None,
        "After so much silence a broker counts as gone: it is not dialled any more, and a link that \
         lives all the same may go on. Without it, ten times `keepAliveInterval`.",
    ),
    spec(
        "joinNetworkInterface",
        INTERFACE,
        None,
        "The interface that announcements arrive by, where it is another one.",
    ),
];

impl MulticastConfig {
    /// To find brokers; what remains of `options` is for whoever dials.
    pub(crate) fn new(endpoint: &Endpoint, options: &mut Options) -> Result<Self, AgentError> {
        let mut config = Self::of(endpoint, options)?;
        let bad = AgentError::option(TITLE);
        config.interface.join_name =
            options.take_with("joinNetworkInterface", INTERFACE, interface_name).map_err(&bad)?;
        config.expiry = options
            .take_with("expiry", MILLIS, |text| text.parse().ok().filter(|millis| *millis > 0))
            .map_err(&bad)?
            .map_or(config.keep_alive * MISSED, Duration::from_millis);
        config.discovered = options.take_prefixed("discovered.");
        Ok(config)
    }

    /// To announce one.
    pub(crate) fn to_announce(endpoint: &Endpoint) -> Result<Self, AgentError> {
        let mut options = endpoint.options.clone();
        let config = Self::of(endpoint, &mut options)?;
        let known: Vec<&str> = ANNOUNCE_OPTIONS.iter().map(|option| option.name).collect();
        options.finish(&known).map_err(AgentError::option(TITLE))?;
        Ok(config)
    }

    fn of(endpoint: &Endpoint, options: &mut Options) -> Result<Self, AgentError> {
        let bad = AgentError::option(TITLE);
        let keep_alive = options
            .take_with("keepAliveInterval", INTERVAL, |text| {
                let interval = Duration::from_millis(text.parse().ok()?);
                (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval).then_some(interval)
            })
            .map_err(&bad)?
            .unwrap_or(Duration::from_millis(500));
        let group = options.take_with("group", GROUP, group_name).map_err(&bad)?;
        let time_to_live = options.take_number::<u8>("timeToLive").map_err(&bad)?;
        let not_heard = options.take_bool("loopBackMode").map_err(&bad)?;
        let address =
            options.take_with("interface", ADDRESS, |text| text.parse().ok()).map_err(&bad)?;
        let name =
            options.take_with("networkInterface", INTERFACE, interface_name).map_err(&bad)?;
        let group_address = group_address(endpoint)?;
        if let IpAddr::V6(group) = group_address.ip() {
            check_ipv6(group, address, name.as_deref())?;
        }
        let secret_file = options
            .take_with("secretFile", PATH, |text| (!text.is_empty()).then(|| PathBuf::from(text)))
            .map_err(&bad)?;
        Ok(Self {
            address: group_address,
            group: group.unwrap_or_else(|| "default".to_owned()),
            keep_alive,
            expiry: keep_alive * MISSED,
            time_to_live: time_to_live.map_or(1, u32::from),
            heard_here: !not_heard.unwrap_or(false),
            interface: InterfaceChoice { address, name, join_name: None },
            secret_file,
            discovered: Options::new(),
        })
    }
}

fn group_address(endpoint: &Endpoint) -> Result<SocketAddr, AgentError> {
    let ip = match endpoint.host.as_str() {
        "default" => IpAddr::V4(DEFAULT_GROUP),
        host => host.parse().ok().filter(IpAddr::is_multicast).ok_or_else(|| {
            AgentError::Address(format!(
                "\"{host}\" is no multicast address, which start with 224 to 239 or, of IPv6, with \
                 ff; write multicast://default"
            ))
        })?,
    };
    if endpoint.port == 0 {
        return Err(AgentError::Address("a multicast group needs a port that is known".to_owned()));
    }
    Ok(SocketAddr::new(ip, endpoint.port))
}

/// What an IPv6 group needs, and has no use for.
fn check_ipv6(
    group: Ipv6Addr,
    address: Option<Ipv4Addr>,
    name: Option<&str>,
) -> Result<(), AgentError> {
    let problem = match (address, name) {
        (Some(address), _) => format!(
            "multicast: {address} is no interface of an IPv6 group; write networkInterface=NAME"
        ),
        (None, None) if reaches_one_link(group) => {
            format!("multicast: {group} is a group of each link; write networkInterface=NAME")
        }
        _ => return Ok(()),
    };
    Err(AgentError::Address(problem))
}

/// Whether a group's packets stay on one link, so that the group is another one on each (RFC 4291).
pub(super) fn reaches_one_link(group: Ipv6Addr) -> bool {
    group.segments().first().is_some_and(|first| first & 0xf <= 2)
}

fn group_name(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(plain);
    fits.then(|| text.to_owned())
}

fn interface_name(text: &str) -> Option<String> {
    let fits =
        !text.is_empty() && text.len() < 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(uri: &str) -> Result<(MulticastConfig, Options), AgentError> {
        let endpoint: Endpoint = uri.parse().unwrap();
        let mut options = endpoint.options.clone();
        MulticastConfig::new(&endpoint, &mut options).map(|config| (config, options))
    }

    #[test]
    fn the_defaults_are_activemqs() {
        let (config, rest) = config("multicast://default").unwrap();
        assert_eq!(config.address.to_string(), "239.255.2.3:6155");
        assert_eq!(config.group, "default");
        assert_eq!(config.keep_alive, Duration::from_millis(500));
        assert_eq!(config.expiry, Duration::from_secs(5));
        assert_eq!((config.time_to_live, config.heard_here), (1, true));
        assert_eq!(config.interface, InterfaceChoice::default());
        assert!(rest.is_empty());
    }

    #[test]
    fn every_option_counts_and_the_rest_is_left_for_whoever_dials() {
        let (config, rest) = config(
            "multicast://239.1.2.3:7000?group=a.b&keepAliveInterval=100&expiry=250&timeToLive=3\
             &loopBackMode=true&interface=127.0.0.1&networkInterface=eth0\
             &joinNetworkInterface=eth1&secretFile=/etc/secret&discovered.keepAlive=false\
             &initialReconnectDelay=7",
        )
        .unwrap();
        assert_eq!(config.address.to_string(), "239.1.2.3:7000");
        assert_eq!(config.group, "a.b");
        assert_eq!(config.expiry, Duration::from_millis(250));
        assert_eq!((config.time_to_live, config.heard_here), (3, false));
        assert_eq!(config.interface.address, Some(Ipv4Addr::LOCALHOST));
        assert_eq!(config.interface.name.as_deref(), Some("eth0"));
        assert_eq!(config.interface.join_name.as_deref(), Some("eth1"));
        assert_eq!(config.secret_file, Some(PathBuf::from("/etc/secret")));
        assert_eq!(config.discovered.to_string(), "keepAlive=false");
        assert_eq!(rest.to_string(), "initialReconnectDelay=7");
    }

    #[test]
    fn the_defaults_of_the_reference_are_those_that_count() {
        let specs = ANNOUNCE_OPTIONS.iter().chain(LISTEN_OPTIONS);
        let written = specs
            .filter_map(|option| Some(format!("{}={}", option.name, option.default?)))
            .collect::<Vec<_>>()
            .join("&");
        let spelled_out = config(&format!("multicast://default?{written}")).unwrap();
        assert_eq!(spelled_out, config("multicast://default").unwrap());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let reason = |uri: &str| config(uri).unwrap_err().to_string();
        assert!(reason("multicast://example.org").contains("no multicast address"));
        assert!(reason("multicast://10.0.0.1:6155").contains("no multicast address"));
        assert!(reason("multicast://[fd00::1]:6155").contains("no multicast address"));
        assert!(reason("multicast://[ff02::7]").contains("write networkInterface=NAME"));
        let both = "multicast://[ff05::7]?interface=127.0.0.1";
        assert!(reason(both).contains("write networkInterface=NAME"));
        let (ipv6, _) = config("multicast://[ff05::7]").unwrap();
        assert_eq!(ipv6.address.to_string(), "[ff05::7]:6155");
        assert!(reason("multicast://default:0").contains("needs a port"));
        assert!(reason("multicast://default?keepAliveInterval=1").contains("from 10 to"));
        assert!(reason("multicast://default?group=a%25b").contains("must be a name"));
        let announcing = |uri: &str| {
            MulticastConfig::to_announce(&uri.parse().unwrap()).unwrap_err().to_string()
        };
        assert!(announcing("multicast://default?expiry=5").contains("unknown option \"expiry\""));
    }
}
