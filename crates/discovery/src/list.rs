//! `static:(…)`, also called `simple:(…)`: every member is a broker. `masterslave:(…)`: all members
//! are one broker, which is at the first address that answers.

use std::collections::BTreeSet;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::uri::{Composite, Uri};

use crate::error::AgentError;
use crate::known::Remote;

/// Schemes that a member may have.
const MEMBERS: [&str; 1] = ["tcp"];

/// The brokers of a list, in its order; options named `nested.X` are taken out and handed down.
pub(crate) fn remotes(composite: &mut Composite) -> Result<Vec<Remote>, AgentError> {
    composite.hand_down_nested_options();
    let endpoints = composite.members.iter().map(|inner| match inner {
        Uri::Endpoint(endpoint) => member(endpoint),
        Uri::Composite(inner) => Err(AgentError::Nested {
            outer: composite.scheme.clone(),
            scheme: inner.scheme.clone(),
        }),
    });
    let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
    without_repetition(&endpoints)?;
    match (composite.scheme.as_str(), endpoints.len()) {
        (scheme, 0) => Err(AgentError::Empty { scheme: scheme.to_owned() }),
        ("masterslave", 1) => Err(AgentError::OneOfOne),
        ("masterslave", _) => Ok(Remote::at_first_of(endpoints).into_iter().collect()),
        _ => Ok(endpoints.into_iter().map(Remote::at).collect()),
    }
}

/// One address, checked.
pub(crate) fn member(endpoint: &Endpoint) -> Result<Endpoint, AgentError> {
    if MEMBERS.contains(&endpoint.scheme.as_str()) {
        Ok(endpoint.clone())
    } else {
        Err(AgentError::no_agent(&endpoint.scheme))
    }
}

fn without_repetition(endpoints: &[Endpoint]) -> Result<(), AgentError> {
    let mut seen = BTreeSet::new();
    for endpoint in endpoints {
        let endpoint = endpoint.bare().to_string();
        if !seen.insert(endpoint.clone()) {
            return Err(AgentError::Twice { endpoint });
        }
    }
    Ok(())
}
