//! Why an address names no discovery agent.

use ferrymq_transport::names::nearest;
use ferrymq_transport::options::OptionError;

/// Why an address names no discovery agent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// A scheme of another discovery agent.
    #[error("`{scheme}:` is not supported: {why}")]
    NotSupported {
        /// The scheme.
        scheme: String,
        /// Why, and what to use in its place.
        why: &'static str,
    },
    /// An agent that this program was built without.
    #[error("`{scheme}:` is not built in: that needs the feature `{scheme}` of ferrymq-discovery")]
    NotBuilt {
        /// The scheme, which is the feature's name, too.
        scheme: &'static str,
    },
    /// A scheme of clients, which redials under the bridge.
    #[error(
        "`{scheme}:` cannot carry a bridge, which must know when its link is renewed; \
         list the brokers with static:(tcp://host:port,…), each gets its own bridge"
    )]
    ForClients {
        /// The scheme.
        scheme: String,
    },
    /// A scheme that nobody knows.
    #[error("`{scheme}` is no way to reach a broker{}", suggestion(.nearest))]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// The one that may have been meant.
        nearest: Option<&'static str>,
    },
    /// A list within the list.
    #[error("`{scheme}:(…)` cannot stand inside {outer}:(…); list the brokers one by one")]
    Nested {
        /// The list's scheme.
        outer: String,
        /// The inner scheme.
        scheme: String,
    },
    /// A list of nobody.
    #[error("{scheme}:() lists no broker; write {scheme}:(tcp://host:port,…)")]
    Empty {
        /// The list's scheme.
        scheme: String,
    },
    /// A choice without an alternative.
    #[error("masterslave:(…) needs two addresses or more; one alone is static:(tcp://host:port)")]
    OneOfOne,
    /// The same broker twice.
    #[error("{endpoint} is listed twice; a bridge needs it once")]
    Twice {
        /// The address without its options.
        endpoint: String,
    },
    /// An address that this agent has no use for.
    #[error("{0}")]
    Address(String),
    /// An agent's scheme where brokers are announced, which it cannot do.
    #[error(
        "`{scheme}:` announces nothing; write multicast://default or http://HOST:PORT/discovery-registry/default"
    )]
    AnnouncesNothing {
        /// The scheme.
        scheme: String,
    },
    /// An option that is unknown or has a bad value.
    #[error("{agent}: {problem}")]
    Option {
        /// Whose option: "static list".
        agent: &'static str,
        /// What is wrong with it.
        problem: OptionError,
    },
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// ActiveMQ's agents that are not to be had here, each with the reason.
pub const NOT_SUPPORTED: [(&str, &str); 3] = [
    (
        "zeroconf",
        "it needs a responder of mDNS; use multicast://default on one network, and dns:(…) beyond it",
    ),
    ("rendezvous", "it is the former name of `zeroconf:`; use multicast://default or dns:(…)"),
    ("ldap", "nothing here asks directories; use dns:(…), or have the list written to file:PATH"),
];
const FOR_CLIENTS: [&str; 3] = ["failover", "fanout", "discovery"];
const SCHEMES: [&str; 8] =
    ["static", "simple", "masterslave", "tcp", "multicast", "dns", "file", "http"];

impl AgentError {
    /// Why no agent goes by this scheme.
    pub(crate) fn no_agent(scheme: &str) -> Self {
        let scheme = scheme.to_owned();
        if let Some((_, why)) = NOT_SUPPORTED.iter().find(|(known, _)| *known == scheme) {
            Self::NotSupported { scheme, why }
        } else if FOR_CLIENTS.contains(&scheme.as_str()) {
            Self::ForClients { scheme }
        } else {
            let nearest = nearest(&scheme, &SCHEMES)
                .and_then(|near| SCHEMES.into_iter().find(|known| *known == near));
            Self::UnknownScheme { scheme, nearest }
        }
    }

    /// Names the agent whose option is wrong.
    pub(crate) fn option(agent: &'static str) -> impl Fn(OptionError) -> Self {
        move |problem| Self::Option { agent, problem }
    }
}
