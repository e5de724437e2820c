//! Who the consumers of a queue are.

use std::collections::HashMap;

use ferrymq_network::BrokerIdentity;
use ferrymq_network::connector::{LinkProspect, LinkState, LinkStatus};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, ConsumerId};

use crate::connection::{ConnectionSnapshot, FarEnd};

/// A consumer in a person's words.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) remote: String,
    /// Which link it is of, by its place in the list.
    pub(super) link: Option<usize>,
    /// Who has to acknowledge.
    pub(super) acknowledges: String,
    /// The broker at its far end.
    pub(super) next: Option<BrokerIdentity>,
}

/// Knows whose each consumer is.
pub(super) struct Guests<'a> {
    by_connection: HashMap<&'a ConnectionId, &'a ConnectionSnapshot>,
    links: &'a [LinkProspect],
}

impl<'a> Guests<'a> {
    pub(super) fn new(connections: &'a [ConnectionSnapshot], links: &'a [LinkProspect]) -> Self {
        let by_connection = connections
            .iter()
            .filter_map(|connection| connection.connection_id.as_ref().map(|id| (id, connection)));
        Self { by_connection: by_connection.collect(), links }
    }

    /// What the broker at the far end of a link or of a connection calls itself.
    pub(super) fn name_of(&self, id: &BrokerId) -> Option<String> {
        let linked = self.links.iter().filter_map(|link| link.status.remote_broker.as_ref());
        let connected = self.by_connection.values().filter_map(|one| match &one.far_end {
            FarEnd::Broker(broker) | FarEnd::InProcess(Some(broker)) => Some(broker),
            FarEnd::Client | FarEnd::InProcess(None) => None,
        });
        linked.chain(connected).find(|broker| broker.id == *id).map(|broker| broker.name.clone())
    }

    /// Whose consumer it is.
    pub(super) fn who(&self, consumer: &ConsumerId) -> Who {
        let connection = consumer.session_id().connection_id();
        let Some(snapshot) = self.by_connection.get(&connection) else {
            // It left in between.
            return Who {
                kind: "consumer",
                name: consumer.to_string(),
                remote: String::new(),
                link: None,
                acknowledges: "this consumer".to_owned(),
                next: None,
            };
        };
        let client = snapshot.client_id.clone().unwrap_or_default();
        match &snapshot.far_end {
            FarEnd::InProcess(Some(broker)) => {
                let link = self.links.iter().position(|link| serves(&link.status, snapshot));
                let status = link.and_then(|at| self.links.get(at)).map(|link| &link.status);
                Who {
                    kind: "link",
                    name: status.map_or_else(|| format!("bridge to {}", broker.name), title),
                    remote: status.map_or_else(|| broker.url.clone(), |one| one.remote_uri.clone()),
                    link,
                    acknowledges: broker.name.clone(),
                    // The link has it from the broker itself, and so knows more.
                    next: status
                        .and_then(|status| status.remote_broker.clone())
                        .or_else(|| Some(broker.clone())),
                }
            }
            FarEnd::Broker(broker) => Who {
                kind: "link",
                name: format!("bridge of {}", broker.name),
                remote: snapshot.remote.clone(),
                link: None,
                acknowledges: broker.name.clone(),
                next: Some(broker.clone()),
            },
            FarEnd::Client | FarEnd::InProcess(None) => Who {
                kind: "consumer",
                acknowledges: client.clone(),
                name: client,
                remote: snapshot.remote.clone(),
                link: None,
                next: None,
            },
        }
    }
}

/// Whether a connection is the near end of a link's bridge. Two connectors may lead to one broker:
/// the client id begins with the connector's name.
fn serves(link: &LinkStatus, connection: &ConnectionSnapshot) -> bool {
    let FarEnd::InProcess(Some(broker)) = &connection.far_end else { return false };
    let begins = || {
        let client = connection.client_id.as_deref().unwrap_or_default();
        let rest = client.strip_prefix(link.connector.as_str());
        rest.and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|rest| rest.starts_with(&broker.name))
    };
    matches!(link.state, LinkState::Live { .. } | LinkState::Handshaking)
        && link.remote_broker.as_ref().is_some_and(|remote| remote.id == broker.id)
        && begins()
}

/// `to-paris -> paris`, or with the address while nobody has answered there.
pub(super) fn title(link: &LinkStatus) -> String {
    let remote = link.remote_broker.as_ref().map_or(&link.remote_uri, |remote| &remote.name);
    format!("{} -> {remote}", link.connector)
}
