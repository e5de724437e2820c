//! The options of a `file:` address.

use std::path::PathBuf;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::{OptionSpec, Options};

use crate::error::AgentError;

/// Whose options they are.
pub(crate) const TITLE: &str = "file";

/// Which file, and how often it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// `pollInterval`: how often it is read.
    pub poll_interval: Duration,
    /// `discovered.X`: options that each address has which does not say otherwise.
    pub discovered: Options,
}

const INTERVAL: &str = "a number of milliseconds from 10";

/// The options of `file:`.
pub const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "pollInterval",
    expected: INTERVAL,
    default: Some("500"),
    about: "How often the file is read. A change counts when two readings in a row agree on it, so \
            that a file that is being written is not taken for a shorter one.",
}];

impl FileConfig {
    /// Reads the address and takes the options; what remains of them is for whoever dials.
    pub(crate) fn new(endpoint: &Endpoint, options: &mut Options) -> Result<Self, AgentError> {
        let interval = options
            .take_with("pollInterval", INTERVAL, |text| {
                text.parse().ok().filter(|millis| *millis >= 10)
            })
            .map_err(AgentError::option(TITLE))?;
        Ok(Self {
            path: PathBuf::from(&endpoint.path),
            poll_interval: Duration::from_millis(interval.unwrap_or(500)),
            discovered: options.take_prefixed("discovered."),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_for_whoever_dials() {
        let config = |uri: &str| {
            let endpoint: Endpoint = uri.parse().unwrap();
            let mut options = endpoint.options.clone();
            FileConfig::new(&endpoint, &mut options).map(|config| (config, options))
        };
        let (one, rest) = config("file:/etc/peers?pollInterval=20&maxReconnectDelay=9").unwrap();
        assert_eq!((one.path, one.poll_interval), ("/etc/peers".into(), Duration::from_millis(20)));
        assert_eq!(rest.to_string(), "maxReconnectDelay=9");
        assert!(config("file:x?pollInterval=1").is_err());
        let default = config(&format!("file:x?pollInterval={}", OPTIONS[0].default.unwrap()));
        assert_eq!(default.unwrap(), config("file:x").unwrap());
    }
}
