//! The discovery agents: from an address to a running agent.

use ferrymq_transport::options::{OptionSpec, Options};
use ferrymq_transport::uri::Uri;

use crate::dns::{self, DnsConfig};
use crate::error::AgentError;
use crate::file::{self, FileConfig};
use crate::http::{self, HttpConfig};
use crate::known::{Known, Remote};
use crate::list;
use crate::multicast::{self, MulticastConfig};
use crate::own::Own;

pub use crate::running::Discovery;

/// Schemes of the agents that find brokers as these come and go, beside those of fixed lists.
pub const FINDING: [&str; 4] = ["multicast", "dns", "file", "http"];

/// A checked address of a discovery agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// A fixed list of brokers.
    List(Vec<Remote>),
    /// Brokers that announce themselves to a multicast group.
    Multicast(MulticastConfig),
    /// Brokers that a name server knows.
    Dns(DnsConfig),
    /// Brokers that a file lists.
    File(FileConfig),
    /// Brokers that have registered.
    Http(HttpConfig),
}

/// What an agent needs from whoever asks.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The addresses of the broker that asks, which are left out.
    pub own: Own,
    /// Where the agent's randomness comes from.
    pub seed: u64,
}

impl Agent {
    /// Reads an agent's address; `tcp://host:port` stands for a list of one. What is left of its
    /// options is about dialling, and for whoever dials.
    pub fn new(uri: &Uri) -> Result<(Self, Options), AgentError> {
        let mut options = uri.options().clone();
        let agent = match (uri.scheme(), uri) {
            ("multicast", Uri::Endpoint(endpoint)) => {
                Self::Multicast(MulticastConfig::new(endpoint, &mut options)?)
            }
            ("file", Uri::Endpoint(endpoint)) => {
                Self::File(FileConfig::new(endpoint, &mut options)?)
            }
            ("http", _) => {
                let config = HttpConfig::new(uri, &mut options)?;
                built("http", cfg!(feature = "http"))?;
                Self::Http(config)
            }
            ("dns", Uri::Composite(composite)) => {
                let config = DnsConfig::new(composite, &mut options)?;
                built("dns", cfg!(feature = "dns"))?;
                Self::Dns(config)
            }
            ("static" | "simple" | "masterslave", Uri::Composite(composite)) => {
                let mut composite = composite.clone();
                let remotes = list::remotes(&mut composite)?;
                options = composite.options;
                Self::List(remotes)
            }
            (_, Uri::Endpoint(endpoint)) => {
                // Its options are those of the link.
                options = Options::new();
                Self::List(vec![Remote::at(list::member(endpoint)?)])
            }
            (scheme, Uri::Composite(_)) => return Err(AgentError::no_agent(scheme)),
        };
        Ok((agent, options))
    }

    /// The brokers that are known without asking anybody.
    pub fn listed(&self) -> &[Remote] {
        match self {
            Self::List(remotes) => remotes,
            Self::Multicast(_) | Self::Dns(_) | Self::File(_) | Self::Http(_) => &[],
        }
    }

    /// Whether those who are there stand in an order of preference, which is not to be shuffled.
    pub fn is_ranked(&self) -> bool {
        // By the priorities of SRV records, and by lot among equals.
        matches!(self, Self::Dns(_))
    }

    /// The options of each address that it finds; of a fixed list each address has its own.
    pub fn discovered(&self) -> Option<&Options> {
        match self {
            Self::List(_) => None,
            Self::Multicast(config) => Some(&config.discovered),
            Self::Dns(config) => Some(&config.discovered),
            Self::File(config) => Some(&config.discovered),
            Self::Http(config) => Some(&config.discovered),
        }
    }

    /// What it is called in messages about its options.
    pub fn title(&self) -> &'static str {
        match self {
            Self::List(_) => "static list",
            Self::Multicast(_) => multicast::TITLE,
            Self::Dns(_) => dns::TITLE,
            Self::File(_) => file::TITLE,
            Self::Http(_) => http::TITLE,
        }
    }

    /// The options that are its own, beside those of whoever dials.
    pub fn options(&self) -> impl Iterator<Item = &'static OptionSpec> {
        let lists: [&[OptionSpec]; 2] = match self {
            Self::List(_) => [&[], &[]],
            Self::Multicast(_) => [multicast::ANNOUNCE_OPTIONS, multicast::LISTEN_OPTIONS],
            Self::Dns(_) => [dns::OPTIONS, &[]],
            Self::File(_) => [file::OPTIONS, &[]],
            Self::Http(_) => [http::OPTIONS, &[]],
        };
        lists.into_iter().flatten()
    }

    /// Starts it on the present tokio runtime. Cannot fail: what does not work is tried again.
    pub fn start(&self, surroundings: Surroundings) -> Discovery {
        match self {
            Self::List(remotes) => Discovery::settled(Known::exactly(remotes.clone())),
            Self::Multicast(config) => multicast::listen(config.clone(), surroundings.own),
            #[cfg(feature = "dns")]
            Self::Dns(config) => dns::ask(config.clone(), surroundings.own, surroundings.seed),
            Self::File(config) => file::watch(config.clone(), surroundings.own),
            #[cfg(feature = "http")]
            Self::Http(config) => http::look_up(config.clone(), surroundings.own),
            // Nobody can be asked, so none is made.
            #[cfg(not(feature = "dns"))]
            Self::Dns(_) => Discovery::settled(Known::nobody_yet()),
            #[cfg(not(feature = "http"))]
            Self::Http(_) => Discovery::settled(Known::nobody_yet()),
        }
    }
}

/// Whether an agent is there, by the features that it needs.
fn built(scheme: &'static str, is_built: bool) -> Result<(), AgentError> {
    if is_built { Ok(()) } else { Err(AgentError::NotBuilt { scheme }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_in_is_refused_by_name() {
        for (uri, is_built) in [
            ("dns:(a:1)", cfg!(feature = "dns")),
            ("http://a:1/r/g", cfg!(feature = "http")),
            ("file:brokers", true),
            ("multicast://default", true),
        ] {
            let agent = Agent::new(&uri.parse().unwrap());
            let refused = matches!(agent, Err(AgentError::NotBuilt { .. }));
            assert_eq!(refused, !is_built, "{uri}");
        }
    }
}
