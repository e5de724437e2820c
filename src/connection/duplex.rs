//! Peers that ask for a bridge back over their own link.

use ferrymq_network::duplex::Wire;
use ferrymq_openwire::commands::{BrokerInfo, BrokerSubscriptionInfo};
use ferrymq_transport::link::{Link, LinkError};
use tokio::task::JoinHandle;

/// Builds bridges back; the node has them.
pub trait BridgesBack: Send + Sync {
    /// Whether the broker that introduced itself so, and is let in, gets a bridge back.
    fn admit(&self, peer: &BrokerInfo) -> Result<Box<dyn BridgeBack>, String>;
}

/// A bridge back that was admitted.
pub trait BridgeBack: Send + Sync {
    /// Starts it over the peer's link. The connection goes on over the link that is returned: it
    /// carries what the peer asks of the broker. The task ends with the peer's link. `theirs` are
    /// the peer's durable subscriptions, if it has told of them already.
    fn start(
        self: Box<Self>,
        wire: Wire,
        theirs: Option<Box<BrokerSubscriptionInfo>>,
    ) -> (Link, JoinHandle<Option<LinkError>>);
}
