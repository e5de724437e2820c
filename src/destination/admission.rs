//! Whether one message may go to one subscription.

use std::sync::Arc;

use ferrymq_network::rules::{self, DispatchRule, Verdict};
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

/// The conditions that a subscription puts on messages, asked before each dispatch.
#[derive(Clone, Default)]
pub struct Admission {
    /// The loop and hop rule of the bridge that subscribes.
    bridge: Option<NetworkBridgeFilter>,
    /// What the bridge's own link adds: destinations that may not cross.
    rule: Option<(Arc<dyn DispatchRule>, ConsumerId)>,
    /// `noLocal`: messages of this connection are not for it (topics).
    not_from: Option<Text>,
}

impl Admission {
    /// What `info` asks for. `rule` is that of the in-process link it came by, if any.
    pub fn of(info: &ConsumerInfo, rule: Option<&Arc<dyn DispatchRule>>) -> Self {
        let id = info.consumer_id.clone().unwrap_or_default();
        Self {
            not_from: info.no_local.then(|| id.connection_id.clone()).flatten(),
            bridge: info.additional_predicate.clone(),
            rule: rule.map(|rule| (Arc::clone(rule), id)),
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
        if let Some(filter) = &self.bridge
            && rules::forward(filter, message) != Verdict::Forward
        {
            return false;
        }
        match &self.rule {
            Some((rule, consumer)) => rule.admits(consumer, message) == Verdict::Forward,
            None => true,
        }
    }
}
