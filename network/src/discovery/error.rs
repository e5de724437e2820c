//! Why an address cannot be a network connector's.

use ferrymq_discovery::error::AgentError;
use ferrymq_transport::backoff::BackoffError;
use ferrymq_transport::options::OptionError;

/// Why an address cannot be a connector's.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RemotesError {
    /// It names no agent.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// An option that is unknown or has a bad value.
    #[error("{agent}: {problem}")]
    Option {
        /// Whose option: "static list".
        agent: &'static str,
        /// What is wrong with it.
        problem: OptionError,
    },
    /// Delays that contradict each other.
    #[error("{agent}: {source}")]
    Delays {
        /// Whose delays.
        agent: &'static str,
        /// What is wrong with them.
        source: BackoffError,
    },
}

impl RemotesError {
    /// The option that is wrong, if it is one.
    pub fn option(&self) -> Option<&OptionError> {
        match self {
            Self::Option { problem, .. } | Self::Agent(AgentError::Option { problem, .. }) => {
                Some(problem)
            }
            _ => None,
        }
    }
}
