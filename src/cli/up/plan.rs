//! What of a topology is started here.

use std::collections::BTreeSet;

use ferrymq_network::document::problem::Problems;
use ferrymq_network::document::source::Source;
use ferrymq_network::topology::spec::{BrokerIndex, BrokerSpec, Kind, LinkSpec, Topology};
use ferrymq_transport::names::nearest;

use crate::config::{
    AdminConfig, BrokerConfig, ClusterClients, Limits, TransportConnectorConfig, VirtualTopic,
};

/// The brokers that `up` starts; the others are only dialled.
#[derive(Debug)]
pub(super) struct Plan {
    here: BTreeSet<BrokerIndex>,
}

impl Plan {
    /// All FerryMQ brokers of the topology, or those called `only`.
    pub(super) fn new(topology: &Topology, only: &[String]) -> Result<Self, Problems> {
        let ours = topology.brokers.iter().enumerate().filter(|(_, b)| b.kind == Kind::FerryMq);
        if only.is_empty() {
            return Ok(Self { here: ours.map(|(index, _)| BrokerIndex(index)).collect() });
        }
        let names: Vec<(&str, usize)> =
            ours.map(|(index, broker)| (broker.name.as_str(), index)).collect();
        let mut here = BTreeSet::new();
        for wanted in only {
            match names.iter().find(|(name, _)| name == wanted) {
                Some((_, index)) => {
                    here.insert(BrokerIndex(*index));
                }
                None => return Err(unknown(topology, &names, only, wanted)),
            }
        }
        Ok(Self { here })
    }

    /// Whether the broker is started here.
    pub(super) fn starts(&self, broker: BrokerIndex) -> bool {
        self.here.contains(&broker)
    }

    /// The configurations of the brokers that are started here.
    pub(super) fn configurations(&self, topology: &Topology) -> Vec<BrokerConfig> {
        let brokers = self.here.iter().filter_map(|index| {
            let broker = topology.broker(*index)?;
            let listen = TransportConnectorConfig {
                name: "openwire".to_owned(),
                endpoint: broker.endpoint.clone(),
                announce: None,
                clients: ClusterClients::default(),
            };
            Some(BrokerConfig {
                name: broker.name.clone(),
                listen: vec![listen],
                network_connectors: topology
                    .links_of(*index)
                    .map(|link| link.connector.clone())
                    .collect(),
                limits: Limits::default(),
                store: None,
                virtual_topics: vec![VirtualTopic::default()],
                // The screen shows what it would tell.
                admin: AdminConfig::off(),
            })
        });
        brokers.collect()
    }

    /// What others have to do for the topology to be whole.
    pub(super) fn notes(&self, topology: &Topology) -> Vec<String> {
        let mut notes = Vec::new();
        for (index, broker) in topology.brokers.iter().enumerate() {
            if broker.kind == Kind::ActiveMq {
                let address = broker.endpoint.bare();
                notes.push(format!("`{}` is yours to start, at {address}", broker.name));
                let links = topology.links_of(BrokerIndex(index));
                notes.extend(links.map(|link| {
                    format!("`{}` needs in its activemq.xml: {}", broker.name, xml(link))
                }));
            } else if !self.starts(BrokerIndex(index)) {
                let BrokerSpec { name, endpoint, .. } = broker;
                notes.push(format!("`{name}` is not started here; it is expected at {endpoint}"));
            }
        }
        notes
    }
}

/// The link as ActiveMQ's configuration has it.
fn xml(link: &LinkSpec) -> String {
    let connector = &link.connector;
    let remotes: Vec<String> =
        connector.remotes.endpoints().iter().map(|remote| remote.bare().to_string()).collect();
    let lists = [
        ("dynamicallyIncludedDestinations", &connector.dynamically_included),
        ("staticallyIncludedDestinations", &connector.statically_included),
        ("excludedDestinations", &connector.excluded),
    ];
    let mut inner = String::new();
    for (name, patterns) in lists.into_iter().filter(|(_, patterns)| !patterns.is_empty()) {
        let items: String = patterns
            .iter()
            .map(|pattern| {
                let kind = if pattern.kind().is_queue() { "queue" } else { "topic" };
                format!("<{kind} physicalName=\"{}\"/>", pattern.name())
            })
            .collect();
        inner.push_str(&format!("<{name}>{items}</{name}>"));
    }
    let attributes = format!(
        "name=\"{}\" uri=\"static:({})\" messageTTL=\"{}\" consumerTTL=\"{}\" \
         conduitSubscriptions=\"{}\"",
        connector.name,
        remotes.join(","),
        connector.message_ttl,
        connector.consumer_ttl,
        connector.conduit_subscriptions
    );
    if inner.is_empty() {
        format!("<networkConnector {attributes}/>")
    } else {
        format!("<networkConnector {attributes}>{inner}</networkConnector>")
    }
}

fn unknown(
    topology: &Topology,
    names: &[(&str, usize)],
    only: &[String],
    wanted: &str,
) -> Problems {
    let written = only.join(",");
    let at = written.split(',').take_while(|name| *name != wanted).map(|name| name.len() + 1).sum();
    let source = Source::flag("--only", written);
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let external = topology.brokers.iter().any(|broker| broker.name == wanted);
    let what = if external {
        format!("`{wanted}` is no FerryMQ broker: it cannot be started here")
    } else {
        format!("no broker is called `{wanted}`")
    };
    let hint = match nearest(wanted, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("brokers are {}", names.join(", ")),
    };
    Problems::one(&source, &(at..at + wanted.len()), what, Some(hint))
}

#[cfg(test)]
mod tests {
    use ferrymq_network::topology::load::load;

    use super::*;

    fn topology() -> Topology {
        let text = "[[broker]]\nname = \"london\"\n[[broker]]\nname = \"paris\"\n\
             [[broker]]\nname = \"old\"\nkind = \"activemq\"\nurl = \"tcp://old:1\"\n\
             [[link]]\nfrom = \"london\"\nto = \"old\"\n\
             [[link]]\nfrom = \"old\"\nto = \"london\"\nexcluded = [\"queue://local.>\"]\n";
        load(&Source::file("t.toml", text)).unwrap()
    }

    #[test]
    fn only_our_own_brokers_are_started() {
        let topology = topology();
        let plan = Plan::new(&topology, &[]).unwrap();
        let names: Vec<String> =
            plan.configurations(&topology).into_iter().map(|config| config.name).collect();
        assert_eq!(names, ["london", "paris"]);
        let links: Vec<usize> = plan
            .configurations(&topology)
            .iter()
            .map(|config| config.network_connectors.len())
            .collect();
        assert_eq!(links, [1, 0]);
        assert_eq!(
            plan.notes(&topology),
            [
                "`old` is yours to start, at tcp://old:1",
                "`old` needs in its activemq.xml: <networkConnector name=\"to-london\" \
                 uri=\"static:(tcp://127.0.0.1:61616)\" messageTTL=\"1\" consumerTTL=\"1\" \
                 conduitSubscriptions=\"true\"><excludedDestinations><queue physicalName=\"local.>\"/>\
                 </excludedDestinations></networkConnector>"
            ]
        );
    }

    #[test]
    fn some_can_be_picked_by_name() {
        let topology = topology();
        let plan = Plan::new(&topology, &["paris".to_owned()]).unwrap();
        assert!(plan.starts(BrokerIndex(1)) && !plan.starts(BrokerIndex(0)));
        assert!(plan.notes(&topology).contains(
            &"`london` is not started here; it is expected at tcp://127.0.0.1:61616".to_owned()
        ));
        let refusal = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Plan::new(&topology, &names).unwrap_err().to_string()
        };
        let typo = refusal(&["london", "pairs"]);
        assert!(
            typo.starts_with("--only, column 8: error: no broker is called `pairs`\n"),
            "{typo}"
        );
        assert!(typo.ends_with("did you mean `paris`?"), "{typo}");
        assert!(refusal(&["old"]).contains("`old` is no FerryMQ broker"));
    }
}
