//! Whether one message may go to one subscription.

use ferrymq_network::rules::forward::{forward, limits_hops};
use ferrymq_network::rules::verdict::Verdict;
use ferrymq_openwire::commands::{ConsumerInfo, NetworkBridgeFilter};
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

use super::frames::{Frames, TooLarge};
use crate::selector::{Selector, SelectorError, Selectors};

/// The conditions that a subscription puts on messages, asked before each dispatch.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// The loop and hop rule of the bridge that subscribes.
    bridge: Option<Bridge>,
    /// `noLocal`: messages of this connection are not for it (topics).
    not_from: Option<Text>,
    /// The consumer's own condition.
    selector: Option<Selector>,
    /// What its connection takes; none: messages of any size.
    frames: Option<Frames>,
}

/// A bridge and the broker that it leaves.
#[derive(Debug, Clone)]
struct Bridge {
    filter: NetworkBridgeFilter,
    own: BrokerId,
}

impl Admission {
    /// What a consumer asks of the broker `own`; `selectors` are those that others ask for already.
    pub fn of(
        info: &ConsumerInfo,
        own: &BrokerId,
        selectors: &Selectors,
    ) -> Result<Self, SelectorError> {
        let connection = || info.consumer_id.as_ref().and_then(|id| id.connection_id.clone());
        let selector = info.selector.as_ref().map(|text| selectors.parse(text)).transpose()?;
        Ok(Self {
            not_from: if info.no_local { connection() } else { None },
            bridge: info
                .additional_predicate
                .clone()
                .map(|filter| Bridge { filter, own: own.clone() }),
            selector: selector.flatten(),
            frames: None,
        })
    }

    /// The same for a consumer whose connection takes frames of a limited size.
    pub fn within(self, frames: Option<Frames>) -> Self {
        Self { frames, ..self }
    }

    /// The size of messages aside: what is kept for a consumer that may come back with another.
    pub fn of_any_size(self) -> (Self, Option<Frames>) {
        let frames = self.frames.clone();
        (self.within(None), frames)
    }

    /// The same without `noLocal`, which queues do not know.
    pub fn without_no_local(self) -> Self {
        Self { not_from: None, ..self }
    }

    /// Whether `message`, delivered `redeliveries` times before, may go to the subscription.
    pub fn admits(&self, message: &Message, redeliveries: i32) -> bool {
        self.check(message, redeliveries).is_ok()
    }

    /// The same with the reason: the one rule, which whoever dispatches and whoever explains ask.
    pub fn check(&self, message: &Message, redeliveries: i32) -> Result<(), NotAdmitted> {
        if let Some(connection) = &self.not_from
            && message.producer_connection_is(connection)
        {
            return Err(NotAdmitted::OwnMessage);
        }
        if let Some(Bridge { filter, own }) = &self.bridge {
            let verdict = forward(filter, own, message);
            if !verdict.may_cross() {
                return Err(NotAdmitted::Bridge(verdict));
            }
        }
        self.check_selector(message, redeliveries)
    }

    /// What the consumer itself can take and asks for, alone.
    pub fn check_selector(&self, message: &Message, redeliveries: i32) -> Result<(), NotAdmitted> {
        match &self.selector {
            Some(selector) if !selector.evaluate(message, redeliveries).is_true() => {
                Err(NotAdmitted::Selector(selector.clone()))
            }
            _ => self.check_size(message),
        }
    }

    /// Whether its connection takes so large a message.
    pub(super) fn fits(&self, message: &Message) -> bool {
        self.frames.as_ref().is_none_or(|frames| frames.take(message))
    }

    fn check_size(&self, message: &Message) -> Result<(), NotAdmitted> {
        let checked = self.frames.as_ref().map_or(Ok(()), |frames| frames.check(message));
        checked.map_err(NotAdmitted::TooLarge)
    }

    /// Whether the consumer has no condition of its own.
    pub fn selects_all(&self) -> bool {
        self.selector.is_none()
    }

    /// Whether it lets messages pass only so many bridges.
    pub(super) fn limits_hops(&self) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| limits_hops(&bridge.filter))
    }

    /// The broker at the far end of the bridge that subscribes; none for other consumers.
    pub fn next_broker(&self) -> Option<&BrokerId> {
        self.bridge.as_ref().and_then(|bridge| bridge.filter.network_broker_id.as_ref())
    }
}

/// Why a message may not go to a subscription.
#[derive(Debug, Clone)]
pub enum NotAdmitted {
    /// The subscriber's own connection sent it, and it asked for those of others (`noLocal`).
    OwnMessage,
    /// It may not cross the bridge.
    Bridge(Verdict),
    /// The consumer's selector is not true of it.
    Selector(Selector),
    /// Its frame would be larger than the consumer's connection takes.
    TooLarge(TooLarge),
}
