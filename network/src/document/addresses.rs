//! Addresses of brokers and of messages, as texts of a document.

use std::fmt::Display;

use ferrymq_discovery::announce::Announce;
use ferrymq_discovery::error::AgentError;
use ferrymq_openwire::destination::DestinationKind;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::OptionError;
use ferrymq_transport::uri::{Uri, UriError};

use crate::config::{ConnectorConfigError, NetworkConnectorConfig};
use crate::destination_pattern::{DestinationPattern, PatternError};
use ferrymq_transport::settings::{ConnectionSettings, SettingsError};

use super::text::{Text, TextError};

impl Text for Endpoint {
    const EXPECTED: &'static str = "an address such as \"tcp://127.0.0.1:61616\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        text.parse().map_err(of_uri)
    }
}

impl Text for Uri {
    const EXPECTED: &'static str =
        "an address such as \"static:(tcp://paris:61616,tcp://rome:61616)\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        text.parse().map_err(of_uri)
    }
}

impl Text for DestinationPattern {
    const EXPECTED: &'static str = "a destination such as \"queue://orders.>\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        text.parse().map_err(|error: PatternError| TextError::at(0, error.to_string()))
    }
}

/// A destination that a connector includes, with what ActiveMQ lets be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncludedDestination {
    /// Which destinations.
    pub pattern: DestinationPattern,
    /// Demand for them is durable whoever asks for it (topics only).
    pub force_durable: bool,
}

impl Text for IncludedDestination {
    const EXPECTED: &'static str =
        "a destination such as \"queue://orders.>\" or \"topic://prices?forceDurable=true\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        let options = [("?forceDurable=true", true), ("?forceDurable=false", false)];
        let said =
            options.iter().find_map(|(option, forced)| Some((text.strip_suffix(option)?, *forced)));
        let (name, force_durable) = said.unwrap_or((text, false));
        let pattern = <DestinationPattern as Text>::parse(name)?;
        if force_durable && pattern.kind() != DestinationKind::Topic {
            let reason = "forceDurable is for topics: what waits in a queue waits anyway";
            return Err(TextError::at(name.len(), reason));
        }
        Ok(Self { pattern, force_durable })
    }
}

fn of_uri(error: UriError) -> TextError {
    TextError::at(error.offset, error.reason.to_string())
}

/// An address to listen on, whose options a listener understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress(pub Endpoint);

impl Text for ListenAddress {
    const EXPECTED: &'static str = Endpoint::EXPECTED;

    fn parse(text: &str) -> Result<Self, TextError> {
        let endpoint = <Endpoint as Text>::parse(text)?;
        only_tcp(&endpoint, "listen on")?;
        ConnectionSettings::for_listening(&endpoint).map_err(|error| of_settings(text, &error))?;
        Ok(Self(endpoint))
    }
}

/// An address to dial, whose options a dialler understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialAddress(pub Endpoint);

impl Text for DialAddress {
    const EXPECTED: &'static str = Endpoint::EXPECTED;

    fn parse(text: &str) -> Result<Self, TextError> {
        let endpoint = <Endpoint as Text>::parse(text)?;
        only_tcp(&endpoint, "dial")?;
        ConnectionSettings::for_dialing(&endpoint).map_err(|error| of_settings(text, &error))?;
        Ok(Self(endpoint))
    }
}

/// The address of a network connector: a list of brokers, with options that are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeersAddress(pub Uri);

impl Text for PeersAddress {
    const EXPECTED: &'static str = <Uri as Text>::EXPECTED;

    fn parse(text: &str) -> Result<Self, TextError> {
        let uri = <Uri as Text>::parse(text)?;
        let config = NetworkConnectorConfig::new("", &uri).map_err(|error| {
            let ConnectorConfigError::Uri { source, .. } = error;
            of_agent(text, source.option(), &source)
        })?;
        for endpoint in config.remotes.endpoints() {
            ConnectionSettings::for_dialing(endpoint).map_err(|error| of_settings(text, &error))?;
        }
        Ok(Self(uri))
    }
}

/// Where a broker is announced, such as `multicast://default`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceAddress(pub Uri);

impl Text for AnnounceAddress {
    const EXPECTED: &'static str = "an address such as \"multicast://default\"";

    fn parse(text: &str) -> Result<Self, TextError> {
        let uri = <Uri as Text>::parse(text)?;
        match Announce::new(&uri) {
            Ok(_) => Ok(Self(uri)),
            Err(AgentError::Option { problem, .. }) => {
                Err(of_agent(text, Some(&problem), &problem))
            }
            Err(error) => Err(of_agent(text, None, &error)),
        }
    }
}

/// What is wrong with an agent's address, at the option that is to blame if one is.
fn of_agent(text: &str, option: Option<&OptionError>, error: &dyn Display) -> TextError {
    match option {
        Some(option) => TextError::at(offset_of(text, option), option.to_string()),
        None => TextError::at(0, error.to_string()),
    }
}

fn only_tcp(endpoint: &Endpoint, to_do: &str) -> Result<(), TextError> {
    if endpoint.scheme == "tcp" {
        return Ok(());
    }
    let what = format!("`{}` is nothing to {to_do} yet", endpoint.scheme);
    Err(TextError::at(0, what).hint(format!("write tcp://{}", endpoint.authority())))
}

fn of_settings(text: &str, error: &SettingsError) -> TextError {
    TextError::at(offset_of(text, &error.problem), error.problem.to_string())
}

/// Where in an address the option stands that an error is about.
fn offset_of(text: &str, error: &OptionError) -> usize {
    let (OptionError::Unknown { name, .. } | OptionError::Invalid { name, .. }) = error;
    text.find(name.as_str()).unwrap_or(0)
}
