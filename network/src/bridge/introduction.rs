//! The commands that open a bridge at either end, in ActiveMQ's order.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, ConnectionInfo, ConsumerInfo, ProducerInfo, SessionInfo,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::text::Text;

use super::outgoing::Outgoing;
use super::settings::{BridgeSettings, EndIds};
use crate::config::{Credentials, NetworkConnectorConfig};
use crate::local_broker::BrokerIdentity;

/// Opens the local end: a client's opening, and who is at the far end, which makes it a network
/// connection. Returns the number of the connection's request.
pub(super) fn to_local(
    settings: &BridgeSettings,
    remote: &BrokerIdentity,
    ids: &EndIds,
    out: &mut Outgoing,
) -> i32 {
    let far_end = BrokerInfo { network_connection: true, ..introduced(remote) };
    let request = out.request(connection(ids, &settings.config.local_credentials));
    out.push(session(ids));
    out.push(Command::BrokerInfo(Box::new(far_end)));
    request
}

/// Opens the remote end. Nothing waits for a reply; the last command is a request, whose response
/// says that the remote broker took all of it. Returns its number.
pub(super) fn to_remote(settings: &BridgeSettings, ids: &EndIds, out: &mut Outgoing) -> i32 {
    let config = &settings.config;
    let ourselves = BrokerInfo {
        network_connection: true,
        network_properties: Some(Text::from(network_properties(config))),
        ..introduced(&settings.local)
    };
    out.push(Command::BrokerInfo(Box::new(ourselves)));
    out.push(connection(ids, &config.remote_credentials));
    out.push(session(ids));
    let producer = Command::from(ProducerInfo {
        producer_id: Some(ids.producer()),
        ..ProducerInfo::default()
    });
    let topics = if config.static_bridge { None } else { advisory_topics(config) };
    let Some(topics) = topics else { return out.request(producer) };
    out.push(producer);
    out.request(Command::ConsumerInfo(Box::new(ConsumerInfo {
        consumer_id: Some(ids.advisory_consumer()),
        destination: Some(Destination::topic(topics)),
        prefetch_size: config.advisory_prefetch(),
        dispatch_async: true,
        ..ConsumerInfo::default()
    })))
}

fn introduced(broker: &BrokerIdentity) -> BrokerInfo {
    BrokerInfo {
        broker_id: Some(broker.id.clone()),
        broker_name: Some(Text::from(broker.name.as_str())),
        broker_url: Some(Text::from(broker.url.as_str())),
        ..BrokerInfo::default()
    }
}

fn connection(ids: &EndIds, credentials: &Credentials) -> Command {
    Command::ConnectionInfo(Box::new(ConnectionInfo {
        connection_id: Some(ids.connection.clone()),
        client_id: Some(Text::from(ids.client_id.as_str())),
        user_name: credentials.user_name.as_deref().map(Text::from),
        password: credentials.password.as_ref().map(|secret| Text::from(secret.reveal())),
        client_master: true,
        ..ConnectionInfo::default()
    }))
}

fn session(ids: &EndIds) -> Command {
    Command::SessionInfo(SessionInfo {
        session_id: Some(ids.session.clone()),
        ..SessionInfo::default()
    })
}

/// The topics on which the remote broker tells of what may become demand; none if the
/// configuration leaves nothing to hear of.
fn advisory_topics(config: &NetworkConnectorConfig) -> Option<String> {
    let mut topics: Vec<String> = if config.dynamically_included.is_empty() {
        vec!["ActiveMQ.Advisory.Consumer.>".to_owned()]
    } else {
        let lasting = config.dynamically_included.iter().filter(|p| !p.kind().is_temporary());
        lasting
            .map(|pattern| {
                let kind = if pattern.kind().is_queue() { "Queue" } else { "Topic" };
                format!("ActiveMQ.Advisory.Consumer.{kind}.{}", pattern.name())
            })
            .collect()
    };
    if config.bridge_temp_destinations {
        topics.extend(["TempQueue", "TempTopic"].map(|kind| format!("ActiveMQ.Advisory.{kind}")));
    }
    (!topics.is_empty()).then(|| topics.join(","))
}

/// What the remote broker may want to know of the connector, as Java properties.
fn network_properties(config: &NetworkConnectorConfig) -> String {
    let mut text = String::from("#FerryMQ\n");
    let mut property = |key: &str, value: &str| {
        text.push_str(key);
        text.push('=');
        escape_into(value, &mut text);
        text.push('\n');
    };
    property("name", &config.name);
    property("duplex", "false");
    property("syncDurableSubs", &config.synchronises_durables().to_string());
    if config.synchronises_durables() {
        property("dynamicallyIncludedDestinations", &included(config));
    }
    property("conduitSubscriptions", &config.conduit_subscriptions.to_string());
    property("messageTTL", &config.message_ttl.to_string());
    property("consumerTTL", &config.consumer_ttl.to_string());
    text
}

/// Which of its subscriptions the remote broker tells of: to ActiveMQ, an empty list is none.
fn included(config: &NetworkConnectorConfig) -> String {
    let lasting = config.dynamically_included.iter().filter(|p| !p.kind().is_temporary());
    let mut list: Vec<String> = lasting
        .map(|pattern| {
            let forced = config.force_durable.contains(pattern);
            format!("{pattern}{}", if forced { "?forceDurable=true" } else { "" })
        })
        .collect();
    if list.is_empty() {
        list = vec!["queue://>".to_owned(), "topic://>".to_owned()];
    }
    format!("[{}]", list.join(", "))
}

/// Java's rules for a value in a `.properties` text.
fn escape_into(value: &str, text: &mut String) {
    for (at, unit) in value.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            Some(' ') if at > 0 => text.push(' '),
            Some(special @ (' ' | '\\' | '=' | ':' | '#' | '!')) => text.extend(['\\', special]),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some(plain @ ' '..='~') => text.push(plain),
            _ => text.push_str(&format!("\\u{unit:04X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination_pattern::DestinationPattern;
    use crate::testing::config;

    fn patterns(texts: &[&str]) -> Vec<DestinationPattern> {
        texts.iter().map(|text| DestinationPattern::parse(text).unwrap()).collect()
    }

    #[test]
    fn hears_of_all_consumers_by_default() {
        assert_eq!(
            advisory_topics(&config()).unwrap(),
            "ActiveMQ.Advisory.Consumer.>,ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic"
        );
    }

    #[test]
    fn hears_only_of_what_is_included() {
        let mut config = config();
        config.dynamically_included = patterns(&["queue://orders.>", "topic://prices.*"]);
        config.bridge_temp_destinations = false;
        assert_eq!(
            advisory_topics(&config).unwrap(),
            "ActiveMQ.Advisory.Consumer.Queue.orders.>,ActiveMQ.Advisory.Consumer.Topic.prices.*"
        );
    }

    #[test]
    fn values_survive_javas_reading() {
        let mut text = String::new();
        escape_into(" a=b:c#\\é😀", &mut text);
        assert_eq!(text, "\\ a\\=b\\:c\\#\\\\\\u00E9\\uD83D\\uDE00");
    }
}
