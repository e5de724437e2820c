//! Where a broker's admin API answers, and to which names.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ferrymq_network::document::text::{Text, TextError};

/// Whether and where a broker's admin API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where.
    pub listen: AdminListen,
    /// Names of this machine that requests may use, beside addresses and `localhost`.
    pub host_names: Vec<String>,
    /// Where other brokers are told that it answers; [`AdminListen::Default`]: where it does.
    pub announce: AdminListen,
    /// Whether it keeps a registry of brokers, too.
    pub discovery_registry: bool,
    /// Where it answers in fact, once whoever serves it knows.
    pub served: Option<SocketAddr>,
}

/// Where a broker's admin API answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListen {
    /// Nowhere.
    Off,
    /// Nobody said. It answers at the default address, or, when another process has that, nowhere:
    /// a second broker on a machine starts all the same.
    Default,
    /// There, or the broker does not start.
    At(AdminAddress),
}

/// An address of an admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAddress {
    /// An IP address without brackets, or a name.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
}

impl AdminAddress {
    /// The port that ActiveMQ's console has, too.
    pub const DEFAULT_PORT: u16 = 8161;
    const EXAMPLE: &'static str = "127.0.0.1:8161";

    /// Whether only this machine reaches it.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl Default for AdminAddress {
    /// `127.0.0.1:8161`: for this machine only.
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: Self::DEFAULT_PORT }
    }
}

impl AdminConfig {
    /// No admin API.
    pub fn off() -> Self {
        Self { listen: AdminListen::Off, ..Self::default() }
    }

    /// What other brokers are told, as `HOST:PORT`; `*` is a host that is any of this machine's.
    pub fn announced(&self) -> Option<String> {
        match &self.announce {
            AdminListen::Off => None,
            AdminListen::At(address) => Some(address.to_string()),
            AdminListen::Default => self.served.map(|served| match served.ip() {
                any if any.is_unspecified() => format!("*:{}", served.port()),
                _ => served.to_string(),
            }),
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: AdminListen::Default,
            host_names: Vec::new(),
            announce: AdminListen::Default,
            discovery_registry: false,
            served: None,
        }
    }
}

/// Why a text is no admin address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AdminAddressError(String);

impl FromStr for AdminAddress {
    type Err = AdminAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|TextError { what, hint, .. }| {
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            AdminAddressError(format!("{what}{hint}"))
        })
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Text for AdminAddress {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:8161\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        if let Some(at) = text.find("://") {
            let rest = text.get(at + "://".len()..).unwrap_or_default();
            return Err(TextError::at(0, "the admin address has no scheme")
                .hint(format!("write {}", rest.trim_end_matches('/'))));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            let hint = format!("write [{text}]:{}", Self::DEFAULT_PORT);
            return Err(TextError::at(0, "the port is missing").hint(hint));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            if text.parse::<u16>().is_ok() {
                return Err(
                    TextError::at(0, "the host is missing").hint(format!("write 127.0.0.1:{text}"))
                );
            }
            HostName::parse(text)?;
            let hint = format!("write {text}:{}", Self::DEFAULT_PORT);
            return Err(TextError::at(text.len(), "the port is missing").hint(hint));
        };
        let HostName(host) = HostName::parse(host)?;
        let port = port.parse().map_err(|_| {
            TextError::at(host.len() + 1, format!("{port:?} is no port"))
                .hint(format!("write {}", Self::EXAMPLE))
        })?;
        Ok(Self { host, port })
    }
}

impl Text for AdminListen {
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:8161\", or \"none\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        match text {
            "none" => Ok(Self::Off),
            "off" | "false" | "" => Err(TextError::at(0, format!("{text:?} is no address"))
                .hint("`none` switches the admin API off")),
            _ => AdminAddress::parse(text).map(Self::At),
        }
    }
}

/// A name of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(pub String);

impl Text for HostName {
    const EXPECTED: &'static str = "a host's name, without a port";

    fn parse(text: &str) -> Result<Self, TextError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() {
            return Err(TextError::at(0, "the host is missing"));
        }
        if let Some((offset, c)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
            return Err(TextError::at(offset, format!("a host's name cannot contain {c:?}")));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_address_is_a_host_and_a_port() {
        for (text, host) in
            [("127.0.0.1:9000", "127.0.0.1"), ("[::1]:9000", "::1"), ("london:9000", "london")]
        {
            let address = AdminAddress::parse(text).unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, 9000));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(AdminListen::parse("none").unwrap(), AdminListen::Off);
    }

    #[test]
    fn a_mistaken_admin_address_comes_with_the_right_one() {
        for (text, hint) in [
            ("http://127.0.0.1:8161/", "write 127.0.0.1:8161"),
            ("8161", "write 127.0.0.1:8161"),
            ("london", "write london:8161"),
            ("::1", "write [::1]:8161"),
            ("london:high", "write 127.0.0.1:8161"),
            ("off", "`none` switches the admin API off"),
        ] {
            let error = AdminListen::parse(text).unwrap_err();
            assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn other_brokers_are_told_where_it_answers_or_what_is_configured() {
        let mut config = AdminConfig::default();
        assert_eq!(config.announced(), None, "it answers nowhere yet");
        for (served, told) in [
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("0.0.0.0:9000", "*:9000"),
            ("[::]:9000", "*:9000"),
        ] {
            config.served = Some(served.parse().unwrap());
            assert_eq!(config.announced().as_deref(), Some(told));
        }
        config.announce = AdminListen::parse("london.example:443").unwrap();
        assert_eq!(config.announced().as_deref(), Some("london.example:443"));
        config.announce = AdminListen::Off;
        assert_eq!(config.announced(), None);
    }

    #[test]
    fn only_loopback_is_for_this_machine_alone() {
        for (text, loopback) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("0.0.0.0:1", false),
            ("london:1", false),
        ] {
            assert_eq!(AdminAddress::parse(text).unwrap().is_loopback(), loopback, "{text}");
        }
    }
}
