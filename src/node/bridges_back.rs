//! Bridges back to peers whose connectors are duplex.

use std::sync::Arc;

use ferrymq_network::connector::{AcceptedBridges, AdmittedBridge};
use ferrymq_network::duplex::Wire;
use ferrymq_openwire::commands::{BrokerInfo, BrokerSubscriptionInfo};
use ferrymq_transport::link::{Link, LinkError};
use tokio::task::JoinHandle;

use crate::connection::{BridgeBack, BridgesBack};

/// The port that connections get: the bridges back of this node.
pub(super) struct NodeBridges(pub(super) Arc<AcceptedBridges>);

struct NodeBridge(AdmittedBridge);

impl BridgesBack for NodeBridges {
    fn admit(&self, peer: &BrokerInfo) -> Result<Box<dyn BridgeBack>, String> {
        match self.0.admit(peer) {
            Ok(bridge) => Ok(Box::new(NodeBridge(bridge))),
            Err(refused) => Err(refused.to_string()),
        }
    }
}

impl BridgeBack for NodeBridge {
    fn start(
        self: Box<Self>,
        wire: Wire,
        theirs: Option<Box<BrokerSubscriptionInfo>>,
    ) -> (Link, JoinHandle<Option<LinkError>>) {
        self.0.start(wire, theirs)
    }
}
