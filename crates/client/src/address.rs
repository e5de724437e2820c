//! Which broker a URL names, or which ones.

use ferrymq_discovery::agent::FINDING;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::uri::Uri;

use crate::error::AddressError;
use crate::failover::FailoverList;

/// What a URL names.
#[derive(Debug)]
pub(crate) enum Address {
    /// One broker; the connection ends with its link.
    One(Endpoint),
    /// Brokers, one of which the connection is always to have.
    AnyOf(Box<FailoverList>),
}

impl Address {
    /// Reads a URL.
    pub(crate) fn read(url: &str) -> Result<Self, AddressError> {
        let uri = url
            .parse::<Uri>()
            .map_err(|source| AddressError::Malformed { url: url.to_owned(), source })?;
        let url = url.to_owned();
        let composite = match uri {
            Uri::Endpoint(endpoint) if FINDING.contains(&endpoint.scheme.as_str()) => {
                return Err(AddressError::Agent { url, scheme: endpoint.scheme });
            }
            Uri::Endpoint(endpoint) => return Ok(Self::One(endpoint)),
            Uri::Composite(composite) => composite,
        };
        match composite.scheme.as_str() {
            "failover" | "discovery" => FailoverList::new(&composite)
                .map(|list| Self::AnyOf(Box::new(list)))
                .map_err(|source| AddressError::List { url, source }),
            "fanout" => Err(AddressError::Fanout { url }),
            "dns" | "http" | "static" | "simple" | "masterslave" => {
                Err(AddressError::Agent { url, scheme: composite.scheme })
            }
            _ => Err(AddressError::NotAnAddress { url, scheme: composite.scheme }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_address_is_one_broker_and_a_list_any_of_its_brokers() {
        assert!(matches!(Address::read("tcp://quay:61616"), Ok(Address::One(_))));
        for url in ["failover:(tcp://quay:61616)", "discovery:(static:(tcp://quay:61616))"] {
            let Ok(Address::AnyOf(list)) = Address::read(url) else { panic!("{url}") };
            assert_eq!(list.endpoints.len(), 1, "{url}");
        }
    }

    #[test]
    fn other_lists_are_refused_by_name() {
        for (url, said) in [
            ("static:(tcp://a:1)", "write discovery:(static:(tcp://a:1))"),
            ("dns:(a:1)", "write discovery:(dns:(a:1))"),
            ("multicast://default", "write discovery:(multicast://default)"),
            ("file:brokers.txt", "write discovery:(file:brokers.txt)"),
            ("odd:(tcp://a:1)", "`odd:` is not an address"),
            ("fanout:(static:(tcp://a:1))", "`fanout:` is not supported"),
            ("failover:(tcp://a:1)?randomise=false", "did you mean"),
        ] {
            let error = Address::read(url).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
