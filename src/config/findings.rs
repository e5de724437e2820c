//! What a configuration can be run with, but its author hardly wants.

use std::net::IpAddr;

use ferrymq_discovery::own::Own;
use ferrymq_network::document::problem::{Problem, Severity};
use ferrymq_network::document::source::Place;

use super::broker::BrokerConfig;

/// Network connectors that lead back to the broker itself; `places` are those of their addresses.
pub(super) fn to_itself(config: &BrokerConfig, places: &[Place]) -> Vec<Problem> {
    let own = Own::new(config.listen.iter().map(|listen| listen.endpoint.clone()).collect());
    let mut findings = Vec::new();
    for (connector, place) in config.network_connectors.iter().zip(places) {
        // Nobody is asked which other addresses this machine has.
        let is_own = |address: IpAddr| address.is_loopback();
        for endpoint in connector.remotes.endpoints() {
            if own.includes(endpoint, is_own) {
                let what =
                    format!("`{}` leads back to this broker: {}", connector.name, endpoint.bare());
                let hint = Some("it listens there itself; leave the address out".to_owned());
                let severity = Severity::Warning;
                findings.push(Problem { severity, place: place.clone(), what, hint });
            }
        }
    }
    findings
}
