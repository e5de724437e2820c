//! Durable subscriptions, as a bridge sees them.

use ferrymq_openwire::commands::{ConsumerInfo, RemoveSubscriptionInfo};
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::text::Text;

/// What the names of bridges' own durable subscriptions begin with, as ActiveMQ's.
const PREFIX: &str = "NC-DS_";

/// A durable subscription of a broker: its client and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DurableKey {
    /// The client's identifier.
    pub client: Option<Text>,
    /// The subscription's name.
    pub name: Text,
}

impl DurableKey {
    /// Of a consumer, if it has a durable subscription.
    pub fn of(info: &ConsumerInfo) -> Option<Self> {
        Some(Self { client: info.client_id.clone(), name: info.subscription_name.clone()? })
    }

    /// Of a subscription that ended.
    pub fn ended(info: &RemoveSubscriptionInfo) -> Option<Self> {
        Some(Self { client: info.client_id.clone(), name: info.subscription_name.clone()? })
    }

    /// Whether it is a subscription of a bridge of `owner`, but named after a client beyond.
    ///
    /// So ActiveMQ describes the consumers of its bridges' durable subscriptions, whose end it then
    /// tells under the bridge's own client identifier.
    pub(super) fn is_misnamed(&self, owner: &str) -> bool {
        let client = self.client.as_ref().map(ToString::to_string).unwrap_or_default();
        is_bridges_name(&self.name) && !client.ends_with(&format!("_inbound_{owner}"))
    }

    /// The command that ends it.
    pub fn removal(&self) -> RemoveSubscriptionInfo {
        RemoveSubscriptionInfo {
            client_id: self.client.clone(),
            subscription_name: Some(self.name.clone()),
            ..RemoveSubscriptionInfo::default()
        }
    }
}

/// Who a wish comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// A consumer, which ends with its connection.
    Consumer(ConsumerId),
    /// A durable subscription, which ends when its client unsubscribes, whoever consumes from it
    /// meanwhile.
    Durable(DurableKey),
}

impl Source {
    /// Of a consumer's wish for one destination; only topics are subscribed to durably.
    pub(super) fn of(info: &ConsumerInfo, destination: &Destination) -> Option<Self> {
        let topic = destination.kind() == DestinationKind::Topic;
        let durable = DurableKey::of(info).filter(|_| topic).map(Self::Durable);
        durable.or_else(|| info.consumer_id.clone().map(Self::Consumer))
    }
}

/// The name of the subscription that serves a topic's durable demand at `broker`; `only` for one
/// subscription beyond the bridge where they are not merged.
pub(super) fn subscription_name(
    broker: &str,
    topic: &Destination,
    only: Option<&DurableKey>,
) -> Text {
    let mut name = format!("{PREFIX}{broker}_{}", topic.name());
    if let Some(DurableKey { client, name: given }) = only {
        let client = client.as_ref().map(ToString::to_string).unwrap_or_default();
        name.push_str(&format!("_{client}_{given}"));
    }
    Text::from(name)
}

/// Whether this is a bridge's durable subscription.
pub fn is_of_bridge(info: &ConsumerInfo) -> bool {
    info.subscription_name.as_ref().is_some_and(is_bridges_name)
}

fn is_bridges_name(name: &Text) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

/// The client identifier of a bridge at the broker that owns it.
pub fn bridge_client_id(connector: &str, remote: &str, owner: &str) -> String {
    format!("{connector}_{remote}_inbound_{owner}")
}

/// The connector whose bridge from `owner` to `remote` has a client identifier.
pub fn connector_of<'a>(client_id: &'a str, remote: &str, owner: &str) -> Option<&'a str> {
    client_id.strip_suffix(&bridge_client_id("", remote, owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connector_is_told_by_its_bridges_client_id() {
        let id = bridge_client_id("to_b", "b_1", "a_1");
        assert_eq!(id, "to_b_b_1_inbound_a_1");
        assert_eq!(connector_of(&id, "b_1", "a_1"), Some("to_b"));
        assert_eq!(connector_of(&id, "c", "a_1"), None);
    }

    #[test]
    fn names_are_those_that_activemq_gives() {
        let topic = Destination::topic("prices.eu");
        assert_eq!(subscription_name("london", &topic, None), "NC-DS_london_prices.eu");
        let only = DurableKey { client: Some("c".into()), name: "s".into() };
        assert_eq!(subscription_name("london", &topic, Some(&only)), "NC-DS_london_prices.eu_c_s");
    }
}
