//! The discovery agents: from an address to a running agent.

use ferrymq_transport::clock::Clock;
use ferrymq_transport::options::{OptionSpec, Options};
use ferrymq_transport::uri::Uri;

use crate::error::AgentError;
use crate::known::{Known, Remote};
use crate::list;
use crate::multicast::{self, MulticastConfig};
use crate::own::Own;

pub use crate::running::Discovery;

/// A checked address of a discovery agent.
#[derive(Debug, Clone)]
pub enum Agent {
    /// A fixed list of brokers.
    List(Vec<Remote>),
    /// Brokers that announce themselves to a multicast group.
    Multicast(MulticastConfig),
}

/// What an agent needs from whoever asks.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The addresses of the broker that asks, which are left out.
    pub own: Own,
    /// What time it is.
    pub clock: Clock,
    /// Where the agent's randomness comes from.
    pub seed: u64,
}

impl Agent {
    /// Reads an agent's address; `tcp://host:port` stands for a list of one. What is left of its
    /// options is about dialling, and for whoever dials.
    pub fn new(uri: &Uri) -> Result<(Self, Options), AgentError> {
        match uri {
            Uri::Endpoint(endpoint) => match endpoint.scheme.as_str() {
                "multicast" => {
                    let mut options = endpoint.options.clone();
                    let config = MulticastConfig::new(endpoint, &mut options)?;
                    Ok((Self::Multicast(config), options))
                }
                _ => {
                    let remote = Remote::at(list::member(endpoint)?);
                    Ok((Self::List(vec![remote]), Options::new()))
                }
            },
            Uri::Composite(composite) => match composite.scheme.as_str() {
                "static" | "simple" | "masterslave" => {
                    let mut composite = composite.clone();
                    let remotes = list::remotes(&mut composite)?;
                    Ok((Self::List(remotes), composite.options))
                }
                scheme => Err(AgentError::no_agent(scheme)),
            },
        }
    }

    /// The brokers that are known without asking anybody.
    pub fn listed(&self) -> &[Remote] {
        match self {
            Self::List(remotes) => remotes,
            Self::Multicast(_) => &[],
        }
    }

    /// What it is called in messages about its options.
    pub fn title(&self) -> &'static str {
        match self {
            Self::List(_) => "static list",
            Self::Multicast(_) => multicast::TITLE,
        }
    }

    /// The options that are its own, beside those of whoever dials.
    pub fn options(&self) -> impl Iterator<Item = &'static OptionSpec> {
        let lists: [&[OptionSpec]; 2] = match self {
            Self::List(_) => [&[], &[]],
            Self::Multicast(_) => [multicast::ANNOUNCE_OPTIONS, multicast::LISTEN_OPTIONS],
        };
        lists.into_iter().flatten()
    }

    /// Starts it on the present tokio runtime. Cannot fail: what does not work is tried again.
    pub fn start(&self, surroundings: Surroundings) -> Discovery {
        match self {
            Self::List(remotes) => Discovery::settled(Known::exactly(remotes.clone())),
            Self::Multicast(config) => multicast::listen(config.clone(), surroundings.own),
        }
    }
}
