//! The addresses of the broker that asks, which no agent brings back to it.

use std::net::{IpAddr, UdpSocket};

use ferrymq_transport::endpoint::Endpoint;

/// Where the broker that asks listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    endpoints: Vec<Endpoint>,
}

impl Own {
    /// The addresses that the broker listens on.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints }
    }

    /// Whether an address leads back to the broker; `is_local` says whether an address is one of
    /// this machine.
    pub fn includes(&self, endpoint: &Endpoint, is_local: impl Fn(IpAddr) -> bool) -> bool {
        self.endpoints.iter().any(|own| {
            own.port == endpoint.port
                && (own.host.eq_ignore_ascii_case(&endpoint.host)
                    || leads_to(&own.host, &endpoint.host, &is_local))
        })
    }

    /// Whether the broker listens at this port, wherever.
    pub fn has_port(&self, port: u16) -> bool {
        self.endpoints.iter().any(|own| own.port == port)
    }
}

/// Whether who dials `host` on this machine reaches a listener on `own`.
fn leads_to(own: &str, host: &str, is_local: impl Fn(IpAddr) -> bool) -> bool {
    let (own, host) = (address(own), address(host));
    match (own, host) {
        (Some(own), Some(host)) if own.is_unspecified() => is_local(host),
        (Some(own), Some(host)) => own == host,
        _ => false,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    host.parse().ok()
}

/// Whether an address is one of this machine: the system lets nobody take another's.
pub fn is_local(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_multicast()
        && (address.is_loopback() || UdpSocket::bind((address, 0)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(texts: &[&str]) -> Own {
        Own::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn an_address_of_this_machine_with_an_own_port_leads_back() {
        let here = |address: IpAddr| address == IpAddr::from([10, 0, 0, 7]);
        let everywhere = own(&["tcp://0.0.0.0:61616"]);
        let of = |own: &Own, text: &str| own.includes(&text.parse().unwrap(), here);
        assert!(of(&everywhere, "tcp://10.0.0.7:61616"));
        assert!(!of(&everywhere, "tcp://10.0.0.8:61616"), "another machine");
        assert!(!of(&everywhere, "tcp://10.0.0.7:61617"), "another broker of this machine");
        let one = own(&["tcp://127.0.0.1:1", "tcp://Quay:2"]);
        assert!(of(&one, "tcp://localhost:1"));
        assert!(!of(&one, "tcp://10.0.0.7:1"), "it does not listen there");
        assert!(of(&one, "tcp://quay:2"));
        assert!(one.has_port(2) && !one.has_port(3));
    }

    #[test]
    fn loopback_is_local_and_a_documentation_address_is_not() {
        assert!(is_local(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_local(IpAddr::from([192, 0, 2, 1])));
        assert!(!is_local(IpAddr::from([0, 0, 0, 0])));
    }
}
