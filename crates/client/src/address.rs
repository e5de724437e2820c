//! Which broker a URL names.

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::names::nearest;
use ferrymq_transport::uri::{Composite, Uri};

use crate::error::AddressError;

/// Options that ActiveMQ's failover transport has. All but `randomize`, which says nothing about a
/// list of one, are about reconnecting, which this client does not do yet.
const FAILOVER_OPTIONS: &[&str] = &[
    "backOffMultiplier",
    "backup",
    "backupPoolSize",
    "initialReconnectDelay",
    "maxCacheSize",
    "maxPullCacheSize",
    "maxReconnectAttempts",
    "maxReconnectDelay",
    "priorityBackup",
    "priorityURIs",
    "randomize",
    "rebalanceUpdateURIs",
    "reconnectSupported",
    "startupMaxReconnectAttempts",
    "timeout",
    "trackMessages",
    "trackTransactionProducers",
    "updateURIsSupported",
    "updateURIsURL",
    "useExponentialBackOff",
    "useReconnectAttempts",
    "warnAfterReconnectAttempts",
];

/// The one endpoint that a URL names: an address, or a failover list of exactly one address.
pub(crate) fn endpoint(url: &str) -> Result<Endpoint, AddressError> {
    let uri = url
        .parse::<Uri>()
        .map_err(|source| AddressError::Malformed { url: url.to_owned(), source })?;
    match uri {
        Uri::Endpoint(endpoint) => Ok(endpoint),
        Uri::Composite(composite) if composite.scheme == "failover" => only_member(url, composite),
        Uri::Composite(composite) => {
            Err(AddressError::NotAnAddress { url: url.to_owned(), scheme: composite.scheme })
        }
    }
}

fn only_member(url: &str, composite: Composite) -> Result<Endpoint, AddressError> {
    let mut options = composite.options.iter().map(|(option, _)| option);
    if let Some(option) = options.find(|option| *option != "randomize") {
        let (url, option) = (url.to_owned(), option.to_owned());
        return Err(if FAILOVER_OPTIONS.contains(&option.as_str()) {
            AddressError::OptionNotSupported { url, option }
        } else {
            let nearest = nearest(&option, FAILOVER_OPTIONS).map(str::to_owned);
            AddressError::UnknownOption { url, option, nearest }
        });
    }
    let members = composite.members.len();
    match (members, composite.members.into_iter().next()) {
        (1, Some(Uri::Endpoint(endpoint))) => Ok(endpoint),
        (1, Some(Uri::Composite(inner))) => {
            Err(AddressError::NotAnAddress { url: url.to_owned(), scheme: inner.scheme })
        }
        _ => Err(AddressError::SeveralMembers { url: url.to_owned(), members }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_failover_list_of_one_name_the_same_broker() {
        let plain = endpoint("tcp://quay:61616").unwrap();
        for url in ["failover:(tcp://quay:61616)", "failover:(tcp://quay:61616)?randomize=false"] {
            let listed = endpoint(url).unwrap();
            assert_eq!((listed.host, listed.port), (plain.host.clone(), plain.port), "{url}");
        }
    }

    #[test]
    fn several_brokers_are_refused_with_the_reason() {
        let error = endpoint("failover:(tcp://a:1,tcp://b:2)").unwrap_err();
        assert!(matches!(error, AddressError::SeveralMembers { members: 2, .. }), "{error}");
        assert!(error.to_string().contains("does not fail over"), "{error}");
    }

    #[test]
    fn other_lists_are_no_addresses() {
        let error = endpoint("static:(tcp://a:1)").unwrap_err();
        assert!(matches!(error, AddressError::NotAnAddress { .. }), "{error}");
    }

    #[test]
    fn options_about_reconnecting_are_refused_by_name() {
        let error = endpoint("failover:(tcp://a:1)?maxReconnectAttempts=3").unwrap_err();
        assert!(error.to_string().contains("`maxReconnectAttempts` is not supported yet"));
    }

    #[test]
    fn a_misspelt_failover_option_is_named_with_its_neighbour() {
        let error = endpoint("failover:(tcp://a:1)?randomise=false").unwrap_err();
        assert!(error.to_string().contains("did you mean `randomize`"), "{error}");
    }
}
