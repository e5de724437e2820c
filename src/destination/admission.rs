//! Whether one message may go to one subscription.

use ferrymq_network::rules::forward::forward;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use crate::selector::{Selector, SelectorError, Selectors};

/// The conditions that a subscription puts on messages, asked before each dispatch.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// The loop and hop rule of the bridge that subscribes.
    bridge: Option<NetworkBridgeFilter>,
    /// `noLocal`: messages of this connection are not for it (topics).
    not_from: Option<Text>,
    /// The consumer's own condition.
    selector: Option<Selector>,
}

impl Admission {
    /// What a consumer asks for; `selectors` are those that others ask for already.
    pub fn of(info: &ConsumerInfo, selectors: &Selectors) -> Result<Self, SelectorError> {
        let connection = || info.consumer_id.as_ref().and_then(|id| id.connection_id.clone());
        let selector = info.selector.as_ref().map(|text| selectors.parse(text)).transpose()?;
        Ok(Self {
            not_from: if info.no_local { connection() } else { None },
            bridge: info.additional_predicate.clone(),
            selector: selector.flatten(),
        })
    }

    /// The same without `noLocal`, which queues do not know.
    pub fn without_no_local(self) -> Self {
        Self { not_from: None, ..self }
    }

    /// Whether `message`, delivered `redeliveries` times before, may go to the subscription.
    pub fn admits(&self, message: &Message, redeliveries: i32) -> bool {
        if let Some(connection) = &self.not_from
            && message.producer_connection_is(connection)
        {
            return false;
        }
        self.bridge.as_ref().is_none_or(|filter| forward(filter, message).may_cross())
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| selector.evaluate(message, redeliveries).is_true())
    }
}
