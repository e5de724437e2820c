//! Whose consumer it is.

use std::sync::Arc;

use ferrymq_network::rules::permit::Permits;
use ferrymq_openwire::frame_limit::FrameLimit;
use ferrymq_transport::outbox::Outbox;

use super::lease::ClientLease;

/// Whose consumer it is, and the way to it.
pub struct ConsumerLink<'a> {
    /// Where its messages go.
    pub outbox: &'a Outbox,
    /// The connection that it belongs to.
    pub client: &'a ClientLease,
    /// What may cross, where it is a bridge's own link: it gets nothing of what may not, also where
    /// a wildcard reaches it.
    pub permits: Option<&'a Arc<Permits>>,
    /// Whether that bridge leads to a broker that is no FerryMQ.
    pub foreign: bool,
    /// The frames that its connection takes; none: of any size.
    pub takes: Option<FrameLimit>,
}
