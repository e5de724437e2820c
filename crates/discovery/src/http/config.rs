//! The registries of an `http:` address, and its options.

use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::{OptionSpec, Options};
use ferrymq_transport::uri::Uri;

use crate::error::AgentError;

/// Whose options they are.
pub(crate) const TITLE: &str = "http";

/// More registries than this are a mistake.
const MOST_REGISTRIES: usize = 16;

/// Which registries, and how often they are asked or told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The registries; each knows by itself.
    pub registries: Vec<Endpoint>,
    /// `updateInterval`: how often.
    pub update_interval: Duration,
    /// `discovered.X`: the options of each address that is found.
    pub discovered: Options,
}

const INTERVAL: &str = "a number of milliseconds from 10";

/// The options of `http:`.
pub const OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "updateInterval",
    expected: INTERVAL,
    default: Some("10000"),
    about: "How often a broker registers, and how often registries are asked. Who has not registered \
            for three times as long is not dialled any more.",
}];

impl HttpConfig {
    /// To find brokers; what remains of `options` is for whoever dials.
    pub(crate) fn new(uri: &Uri, options: &mut Options) -> Result<Self, AgentError> {
        let registries = match uri {
            Uri::Endpoint(endpoint) => vec![endpoint.clone()],
            Uri::Composite(composite) => {
                let single = |member: &Uri| match member {
                    Uri::Endpoint(endpoint) if endpoint.options.is_empty() => Ok(endpoint.clone()),
                    Uri::Endpoint(_) => Err(AgentError::Address(
                        "http: options stand behind the list of registries".to_owned(),
                    )),
                    Uri::Composite(inner) => Err(AgentError::Nested {
                        outer: "http".to_owned(),
                        scheme: inner.scheme.clone(),
                    }),
                };
                composite.members.iter().map(single).collect::<Result<_, _>>()?
            }
        };
        if registries.len() > MOST_REGISTRIES {
            let what = format!("http:(…) takes {MOST_REGISTRIES} registries at most");
            return Err(AgentError::Address(what));
        }
        for registry in &registries {
            check(registry)?;
        }
        if options.get("startEmbeddRegistry").is_some() {
            return Err(AgentError::Address(
                "http: `startEmbeddRegistry` is not supported; a broker's admin address serves a \
                 registry with `discovery_registry = true` in its [admin]"
                    .to_owned(),
            ));
        }
        let interval = options
            .take_with("updateInterval", INTERVAL, |text| {
                text.parse().ok().filter(|millis| (10..86_400_000).contains(millis))
            })
            .map_err(AgentError::option(TITLE))?;
        Ok(Self {
            registries: registries.iter().map(Endpoint::bare).collect(),
            update_interval: Duration::from_millis(interval.unwrap_or(10_000)),
            discovered: options.take_prefixed("discovered."),
        })
    }

    /// To announce one.
    pub(crate) fn to_announce(uri: &Uri) -> Result<Self, AgentError> {
        let mut options = uri.options().clone();
        let config = Self::new(uri, &mut options)?;
        if !config.discovered.is_empty() {
            let what = "http: `discovered.` is for those who look for brokers".to_owned();
            return Err(AgentError::Address(what));
        }
        let known: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
        options.finish(&known).map_err(AgentError::option(TITLE))?;
        Ok(config)
    }
}

fn check(registry: &Endpoint) -> Result<(), AgentError> {
    let problem = match registry.scheme.as_str() {
        "http" if registry.path.trim_matches('/').is_empty() => {
            format!("{registry} names no group; write {registry}/discovery-registry/default")
        }
        "http" if registry.port == 0 => "a registry needs a port that is known".to_owned(),
        "http" => return Ok(()),
        scheme => format!("`{scheme}:` is no registry; write http://HOST:PORT/PATH/GROUP"),
    };
    Err(AgentError::Address(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(uri: &str) -> Result<(HttpConfig, Options), AgentError> {
        let uri: Uri = uri.parse().unwrap();
        let mut options = uri.options().clone();
        HttpConfig::new(&uri, &mut options).map(|config| (config, options))
    }

    #[test]
    fn one_registry_or_several() {
        let (one, rest) =
            config("http://a:8161/discovery-registry/default?maxReconnectDelay=9").unwrap();
        assert_eq!(one.registries[0].to_string(), "http://a:8161/discovery-registry/default");
        assert_eq!(one.update_interval, Duration::from_secs(10));
        assert_eq!(rest.to_string(), "maxReconnectDelay=9");
        let (two, _) = config("http:(http://a:1/r/g,http://b:1/r/g)?updateInterval=50").unwrap();
        assert_eq!((two.registries.len(), two.update_interval), (2, Duration::from_millis(50)));
        let written = OPTIONS[0].default.unwrap();
        let default = config(&format!("http://a/r/g?updateInterval={written}")).unwrap();
        assert_eq!(default, config("http://a/r/g").unwrap());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let reason = |uri: &str| config(uri).unwrap_err().to_string();
        assert!(reason("http://a:1").contains("names no group"));
        assert!(reason("http:(tcp://a:1)").contains("is no registry"));
        assert!(reason("http:(http://a:1/r/g?updateInterval=5)").contains("behind the list"));
        assert!(reason("http://a:1/r/g?startEmbeddRegistry=true").contains("discovery_registry"));
        let announcing = HttpConfig::to_announce(&"http://a:1/r/g?discovered.x=y".parse().unwrap());
        assert!(announcing.unwrap_err().to_string().contains("who look for"));
    }
}
