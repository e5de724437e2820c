//! How bridges reach the broker that they belong to.

use std::sync::Arc;

use ferrymq_network::rules::permit::Permits;
use ferrymq_network::{BrokerIdentity, LocalBroker};
use ferrymq_transport::link::Link;

use crate::connection::Connections;
use crate::routing::Broker;

/// The port that network connectors get: in-process links to the broker.
pub(super) struct NodeBroker {
    pub(super) broker: Arc<Broker>,
    pub(super) connections: Connections,
}

impl LocalBroker for NodeBroker {
    fn identity(&self) -> BrokerIdentity {
        self.broker.identity().clone()
    }

    fn open_link(&self, remote: &BrokerIdentity, permits: Arc<Permits>) -> Link {
        self.connections.open_pipe(&remote.name, Some(permits))
    }

    fn serve(&self, link: Link) {
        self.connections.serve_half(link);
    }
}
