//! What a list holds, however deep: addresses, and agents that find more of them.

use ferrymq_discovery::agent::{Agent, FINDING};
use ferrymq_discovery::error::NOT_SUPPORTED;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use ferrymq_transport::uri::{Composite, Uri};

use super::list_error::ListError;
use super::options::FAILOVER_OPTIONS;

/// Lists of fixed addresses, which only differ in what an outer list makes of them.
const FIXED: [&str; 4] = ["failover", "static", "simple", "masterslave"];
/// About dialling again, as network connectors do it: options that ActiveMQ's agents have and
/// clients have no use for.
const OF_BRIDGES: [&str; 2] = ["backOffMultiplier", "minConnectTime"];

/// What a list holds.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) agents: Vec<Agent>,
}

/// `discovery:` takes agents and no addresses. ActiveMQ looks at the first one only; more are more
/// than can be meant.
pub(super) fn check_agents(list: &Composite) -> Result<(), ListError> {
    let not_an_agent = |member: &&Uri| !is_agent(member);
    match list.members.iter().find(not_an_agent) {
        Some(member) if list.scheme == "discovery" => Err(ListError::Member {
            scheme: member.scheme().to_owned(),
            why: "; discovery: takes an agent, such as multicast://default or \
                  static:(tcp://host:port)",
        }),
        _ => Ok(()),
    }
}

/// `discovered.X` of `discovery:(…)` gives each address that is found the option `X`, as `nested.X`
/// does.
pub(super) fn rename_discovered(list: &mut Composite) {
    if list.scheme != "discovery" {
        return;
    }
    let named = list.options.iter().map(|(name, value)| match name.strip_prefix("discovered.") {
        Some(rest) => (format!("nested.{rest}"), value.to_owned()),
        None => (name.to_owned(), value.to_owned()),
    });
    list.options = named.collect();
}

/// Whether it may stand in `discovery:(…)`, as far as its scheme says.
fn is_agent(uri: &Uri) -> bool {
    let scheme = uri.scheme();
    finds(uri) || (matches!(uri, Uri::Composite(_)) && FIXED.contains(&scheme))
}

/// Whether it finds brokers, or would if it were supported.
fn finds(uri: &Uri) -> bool {
    let scheme = uri.scheme();
    FINDING.contains(&scheme) || NOT_SUPPORTED.iter().any(|(known, _)| *known == scheme)
}

impl Members {
    /// Takes lists within the list apart.
    pub(super) fn of(members: Vec<Uri>) -> Result<Self, ListError> {
        let mut all = Self::default();
        all.add(members, &Options::new())?;
        Ok(all)
    }

    /// Adds members that take these options, unless they have their own.
    fn add(&mut self, members: Vec<Uri>, nested: &Options) -> Result<(), ListError> {
        for member in members {
            if finds(&member) {
                self.agents.push(agent(member, nested)?);
                continue;
            }
            match member {
                Uri::Endpoint(mut endpoint) => {
                    complete(&mut endpoint.options, "", nested);
                    self.endpoints.push(endpoint);
                }
                Uri::Composite(mut inner)
                    if inner.scheme == "discovery" || FIXED.contains(&inner.scheme.as_str()) =>
                {
                    check_agents(&inner)?;
                    rename_discovered(&mut inner);
                    let mut own = inner.options.take_prefixed("nested.");
                    if let Some(option) = inner.options.remaining().next() {
                        let option = option.to_owned();
                        return Err(ListError::InnerOption { scheme: inner.scheme, option });
                    }
                    complete(&mut own, "", nested);
                    self.add(inner.members, &own)?;
                }
                Uri::Composite(inner) => {
                    let why = match inner.scheme.as_str() {
                        "fanout" => "; a connection has one broker at a time",
                        _ => "",
                    };
                    return Err(ListError::Member { scheme: inner.scheme, why });
                }
            }
        }
        Ok(())
    }
}

/// An agent, whose finds take these options.
fn agent(mut uri: Uri, nested: &Options) -> Result<Agent, ListError> {
    complete(uri.options_mut(), "discovered.", nested);
    let (agent, left) = Agent::new(&uri)?;
    let Some(option) = left.remaining().next().map(str::to_owned) else { return Ok(agent) };
    let scheme = uri.scheme().to_owned();
    let elsewhere = FAILOVER_OPTIONS.iter().any(|known| known.name == option)
        || OF_BRIDGES.contains(&option.as_str());
    if elsewhere {
        return Err(ListError::InnerOption { scheme, option });
    }
    let known: Vec<&str> = agent.options().map(|known| known.name).collect();
    match left.finish(&known) {
        Err(source) => Err(ListError::Option { scheme, source }),
        Ok(()) => Ok(agent),
    }
}

fn complete(options: &mut Options, prefix: &str, nested: &Options) {
    for (name, value) in nested.iter() {
        let name = format!("{prefix}{name}");
        if options.get(&name).is_none() {
            options.insert(name, value);
        }
    }
}
