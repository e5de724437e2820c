//! Addresses that others tell: what may be dialled of them.

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use ferrymq_transport::uri::UriError;

/// More bytes are taken for rubbish.
const LONGEST: usize = 1024;

/// Schemes of ActiveMQ's listeners that speak OpenWire over plain TCP.
const PLAIN: [&str; 4] = ["tcp", "nio", "auto", "auto+nio"];

/// Why an address that somebody told cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FoundError {
    #[error("the address is longer than {LONGEST} bytes")]
    TooLong,
    #[error(transparent)]
    Malformed(#[from] UriError),
    #[error("\"{scheme}:\" is nothing to dial yet")]
    Scheme { scheme: String },
    #[error("an address without a port")]
    NoPort,
}

/// The address, with `options` in place of its own: how a link is run is for its owner to say, and
/// not for whoever announces an address.
pub(crate) fn dialled(text: &str, options: &Options) -> Result<Endpoint, FoundError> {
    if text.len() > LONGEST {
        return Err(FoundError::TooLong);
    }
    let endpoint: Endpoint = text.parse()?;
    if !PLAIN.contains(&endpoint.scheme.as_str()) {
        return Err(FoundError::Scheme { scheme: endpoint.scheme });
    }
    if endpoint.port == 0 {
        return Err(FoundError::NoPort);
    }
    Ok(Endpoint { options: options.clone(), ..Endpoint::tcp(endpoint.host, endpoint.port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_the_finders_and_not_the_announcers() {
        let mine: Options = [("keepAlive", "false")].into_iter().collect();
        let found = |text: &str| dialled(text, &mine).map(|endpoint| endpoint.to_string());
        let expected = Ok("tcp://a:1?keepAlive=false".to_owned());
        assert_eq!(found("nio://a:1/x?wireFormat.maxFrameSize=9"), expected);
        assert!(matches!(found("ssl://a:1"), Err(FoundError::Scheme { .. })));
        assert!(matches!(found("failover:(tcp://a:1)"), Err(FoundError::Malformed(_))));
        assert_eq!(found("tcp://a:0"), Err(FoundError::NoPort));
        assert_eq!(found(&format!("tcp://{}:1", "a".repeat(2000))), Err(FoundError::TooLong));
    }
}
