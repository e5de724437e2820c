//! The commands that open a bridge at either end, in ActiveMQ's order.

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, ConnectionInfo, ConsumerInfo, ProducerInfo, SessionInfo,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::text::Text;

use super::outgoing::Outgoing;
use super::settings::{BridgeSettings, EndIds, Role};
use crate::config::{Credentials, NetworkConnectorConfig};
use crate::local_broker::{BrokerIdentity, FOREIGN};
use crate::network_properties;

/// Opens the local end: a client's opening, and who is at the far end, which makes it a network
/// connection. Returns the number of the connection's request.
pub(super) fn to_local(
    settings: &BridgeSettings,
    remote: &BrokerIdentity,
    ids: &EndIds,
    out: &mut Outgoing,
) -> i32 {
    let far_end = BrokerInfo {
        network_connection: true,
        network_properties: (!settings.remote_reads_on).then(|| Text::from(FOREIGN)),
        ..introduced(remote)
    };
    // Who is at the far end comes first: the answer to the connection says what may be there.
    out.push(Command::BrokerInfo(Box::new(far_end)));
    let request = out.request(connection(ids, &settings.config.local_credentials));
    out.push(session(ids));
    request
}

/// Opens the remote end: who is here.
pub(super) fn to_remote(settings: &BridgeSettings, ids: &EndIds, out: &mut Outgoing) {
    let config = &settings.config;
    let duplex = settings.role == Role::Initiator;
    // Who was dialled has introduced itself before it was asked for anything.
    if settings.role != Role::Acceptor {
        out.push(Command::BrokerInfo(Box::new(BrokerInfo {
            network_connection: true,
            duplex_connection: duplex,
            network_properties: Some(Text::from(
                network_properties::written(config, duplex) + &settings.local.properties(),
            )),
            ..introduced(&settings.local)
        })));
    }
    out.push(connection(ids, &config.remote_credentials));
    out.push(session(ids));
}

/// Goes on there: forwards from now on, and listens to demand. Nothing waits for a reply; the last
/// command is a request, whose response says that the remote broker took all of it. Returns its number;
/// none over a duplex link, where ActiveMQ answers nothing of this and the first proof of life says it.
pub(super) fn listen(settings: &BridgeSettings, ids: &EndIds, out: &mut Outgoing) -> Option<i32> {
    let config = &settings.config;
    let producer = Command::from(ProducerInfo {
        producer_id: Some(ids.producer()),
        ..ProducerInfo::default()
    });
    let topics = if config.static_bridge { None } else { advisory_topics(config) };
    let listener = topics.map(|topics| {
        Command::ConsumerInfo(Box::new(ConsumerInfo {
            consumer_id: Some(ids.advisory_consumer()),
            destination: Some(Destination::topic(topics)),
            prefetch_size: config.advisory_prefetch(),
            dispatch_async: true,
            ..ConsumerInfo::default()
        }))
    });
    let (before, last) = match listener {
        Some(listener) => (Some(producer), listener),
        None => (None, producer),
    };
    before.into_iter().for_each(|command| out.push(command));
    if settings.role == Role::OneWay {
        return Some(out.request(last));
    }
    out.push(last);
    None
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
}
