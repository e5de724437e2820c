//! Whether one message may go to one subscription.

use ferrymq_network::rules::forward::forward;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

/// The conditions that a subscription puts on messages, asked before each dispatch.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// The loop and hop rule of the bridge that subscribes.
    bridge: Option<NetworkBridgeFilter>,
    /// `noLocal`: messages of this connection are not for it (topics).
    not_from: Option<Text>,
}

impl Admission {
    /// What a consumer asks for.
    pub fn of(info: &ConsumerInfo) -> Self {
        let connection = || info.consumer_id.as_ref().and_then(|id| id.connection_id.clone());
        Self {
            not_from: if info.no_local { connection() } else { None },
            bridge: info.additional_predicate.clone(),
        }
    }

    /// The same without `noLocal`, which queues do not know.
    pub fn without_no_local(self) -> Self {
        Self { not_from: None, ..self }
    }

    /// Whether `message` may go to the subscription.
    pub fn admits(&self, message: &Message) -> bool {
        if let Some(connection) = &self.not_from
            && message.producer_connection_is(connection)
        {
            return false;
        }
        self.bridge.as_ref().is_none_or(|filter| forward(filter, message).may_cross())
    }
}
