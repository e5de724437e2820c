//! Why an address cannot be failed over with.

use ferrymq_discovery::error::AgentError;
use ferrymq_transport::options::OptionError;
use ferrymq_transport::settings::SettingsError;

/// Why an address cannot be failed over with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ListError {
    /// An option that is unknown or has a bad value.
    #[error("{scheme}: {source}")]
    Option {
        /// The scheme of the list.
        scheme: String,
        /// What is wrong.
        source: OptionError,
    },
    /// Options of a Java client's factory, which have no place here.
    #[error("{scheme}: option \"{option}\" is for Java clients; this one has its own settings")]
    ForJava {
        /// The scheme of the list.
        scheme: String,
        /// The option.
        option: String,
    },
    /// Options of a list among others, which could not count for it alone.
    #[error(
        "option \"{option}\" of a {scheme}: inside another list would have to count for all; \
         write it after the outer parenthesis"
    )]
    InnerOption {
        /// The scheme of the inner list.
        scheme: String,
        /// The option.
        option: String,
    },
    /// What is to find brokers cannot.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The addresses that are found are to have options that make no sense.
    #[error("of the addresses that are found: {0}")]
    Discovered(#[from] SettingsError),
    /// A list of a kind that cannot stand here.
    #[error("`{scheme}:` cannot be failed over to{why}")]
    Member {
        /// Its scheme.
        scheme: String,
        /// More about it: empty, or from a semicolon on.
        why: &'static str,
    },
}
