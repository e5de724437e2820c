//! Which `Host` a request may name.
//!
//! A web page can make a browser send requests to an address of this machine, and by pointing its
//! own name at that address (DNS rebinding) even read the answers. Such a request names the page's
//! host. So a host that is a name must be one that we know.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Why a request is refused for its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum HostRefusal {
    /// None, several, or one that cannot be read.
    #[error("the request needs one Host header with a host and a port")]
    Malformed,
    /// A name that this broker does not go by.
    #[error(
        "this broker does not answer to that Host: use its address, localhost, or a name that is \
         listed as host_names in the [admin] section of its configuration"
    )]
    Unknown,
}

/// The names that a broker's admin API goes by, beside addresses and `localhost`.
#[derive(Debug, Clone)]
pub(super) struct HostNames(Vec<String>);

impl HostNames {
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Whether a request may be answered. A target with a host of its own must be known as well: it
    /// is what a proxy goes by.
    pub(super) fn check(&self, target: &Uri, headers: &HeaderMap) -> Result<(), HostRefusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(HostRefusal::Malformed);
        };
        let host = host.to_str().map_err(|_| HostRefusal::Malformed)?;
        self.check_authority(host)?;
        target.authority().map_or(Ok(()), |authority| self.check_authority(authority.as_str()))
    }

    fn check_authority(&self, text: &str) -> Result<(), HostRefusal> {
        let authority: Authority = text.parse().map_err(|_| HostRefusal::Malformed)?;
        if text.contains('@') || authority.host().is_empty() {
            return Err(HostRefusal::Malformed);
        }
        let host = authority.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if address.unwrap_or(host).parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let known = |known: &String| known.eq_ignore_ascii_case(name);
        if name.eq_ignore_ascii_case("localhost") || self.0.iter().any(known) {
            return Ok(());
        }
        Err(HostRefusal::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(target: &str, hosts: &[&str]) -> Result<(), HostRefusal> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        let names = HostNames::new(["london.example.org".to_owned()]);
        names.check(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn addresses_localhost_and_configured_names_are_answered() {
        for host in [
            "127.0.0.1:8161",
            "127.0.0.1",
            "10.0.0.7:1",
            "[::1]:8161",
            "localhost:8161",
            "LOCALHOST",
            "localhost.",
            "London.example.org:8161",
        ] {
            assert_eq!(check("/healthz", &[host]), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8161",
            "notlondon.example.org",
            "0x7f000001",
        ] {
            assert_eq!(check("/healthz", &[host]), Err(HostRefusal::Unknown), "{host}");
        }
        let absolute = "http://evil.example/healthz";
        assert_eq!(check(absolute, &["localhost"]), Err(HostRefusal::Unknown));
    }

    #[test]
    fn no_host_two_hosts_and_no_hosts_at_all_are_refused() {
        let hosts: [&[&str]; 5] =
            [&[], &["localhost", "localhost"], &[""], &["a@localhost"], &["local host"]];
        for hosts in hosts {
            assert_eq!(check("/healthz", hosts), Err(HostRefusal::Malformed), "{hosts:?}");
        }
    }
}
