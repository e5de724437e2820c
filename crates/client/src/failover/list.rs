//! `failover:(…)` and `discovery:(…)`: the brokers that one of them may be connected to.

use ferrymq_discovery::agent::Agent;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use ferrymq_transport::settings::ConnectionSettings;
use ferrymq_transport::uri::{Composite, Uri};

use super::list_error::ListError;
use super::members::{Members, check_agents, rename_discovered};
use super::options::FailoverOptions;
use super::same::same;

/// A checked `failover:(…)` address.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverList {
    /// The brokers, in the order in which they were written, each once.
    pub endpoints: Vec<Endpoint>,
    /// Who finds more of them, which then come and go.
    pub agents: Vec<Agent>,
    /// How one of them is found.
    pub options: FailoverOptions,
}

impl FailoverList {
    /// Checks a list. The members of `discovery:` are agents: fixed lists (`static:`, `simple:`,
    /// `masterslave:`), or [those that find brokers](ferrymq_discovery::agent::FINDING), which
    /// may also stand among the addresses of `failover:`.
    pub fn new(list: &Composite) -> Result<Self, ListError> {
        let mut list = list.clone();
        let scheme = list.scheme.clone();
        check_agents(&list)?;
        rename_discovered(&mut list);
        take_over_only_member(&mut list)?;
        let ordered = matches!(
            list.members.as_slice(),
            [Uri::Composite(only)] if only.scheme == "masterslave"
        );
        if ordered && list.options.get("randomize").is_none() {
            list.options.insert("randomize", "false");
        }
        if let Some(option) = list.options.remaining().find(|option| option.starts_with("jms.")) {
            let option = option.to_owned();
            return Err(ListError::ForJava { scheme, option });
        }
        let options = FailoverOptions::read(list.options)
            .map_err(|source| ListError::Option { scheme, source })?;
        let Members { endpoints, agents } = Members::of(list.members)?;
        let mut listed: Vec<Endpoint> = Vec::new();
        for endpoint in endpoints {
            if !listed.iter().any(|known| same(known, &endpoint)) {
                listed.push(options.complete(endpoint));
            }
        }
        // Those of listed addresses show when they are dialled; here nobody may ever be found.
        for agent in &agents {
            let discovered = agent.discovered().cloned().unwrap_or_default();
            let found = Endpoint { options: discovered, ..Endpoint::tcp("found", 1) };
            ConnectionSettings::for_dialing(&options.complete(found))?;
        }
        Ok(Self { endpoints: listed, agents, options })
    }
}

/// `failover:(failover:(a,b)?x=y)` is `failover:(a,b)?x=y`, and so is `failover:(discovery:(…)?x=y)`.
fn take_over_only_member(list: &mut Composite) -> Result<(), ListError> {
    while let [Uri::Composite(only)] = list.members.as_mut_slice()
        && (only.scheme == "failover" || only.scheme == "discovery")
    {
        check_agents(only)?;
        rename_discovered(only);
        let only = std::mem::replace(
            only,
            Composite { scheme: String::new(), members: Vec::new(), options: Options::new() },
        );
        for (name, value) in only.options.iter() {
            if list.options.get(name).is_none() {
                list.options.insert(name, value);
            }
        }
        list.members = only.members;
    }
    Ok(())
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
