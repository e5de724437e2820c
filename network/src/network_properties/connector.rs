//! A connector's settings, as one broker tells them to the other.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use ferrymq_openwire::destination::{Destination, DestinationKind};

use super::text::{PropertiesError, escape_into, parse};
use crate::config::NetworkConnectorConfig;
use crate::destination_pattern::DestinationPattern;

/// Why a bridge back is not built as a peer asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskedForError {
    /// The text is none.
    #[error("networkProperties: {0}")]
    Properties(#[from] PropertiesError),
    /// A value is not of its kind.
    #[error("networkProperties: {key} is not {wanted}")]
    Value {
        /// The property.
        key: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A list of destinations beyond measure.
    #[error("networkProperties: {key} names more than {MOST_PATTERNS} destinations")]
    TooManyPatterns {
        /// The property.
        key: &'static str,
    },
}

/// How many destinations one list of a peer may name.
const MOST_PATTERNS: usize = 1024;
/// The longest name of a connector that a peer may choose, in characters.
const LONGEST_NAME: usize = 128;
/// The widest window that a peer may ask for.
const WIDEST_PREFETCH: u32 = 32_766;
const FORCED: &str = "?forceDurable=true";
const INCLUDED: &str = "dynamicallyIncludedDestinations";
/// What ActiveMQ must be told where all is included: it compares no durable demand with an empty
/// list.
const EVERYTHING: &str = "[queue://>, topic://>]";
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// The text for the far broker. `duplex`: it is asked for a bridge back.
///
/// A password goes along only where ActiveMQ needs it: its half of a duplex bridge logs in at its
/// own broker, by the name and password that this connector has for that broker (and that its
/// `ConnectionInfo` carries anyway). What the connector uses at home never leaves.
pub fn written(config: &NetworkConnectorConfig, duplex: bool) -> String {
    let mut text = String::from("#FerryMQ\n");
    let mut property = |key: &str, value: &str| {
        text.push_str(key);
        text.push('=');
        escape_into(value, &mut text);
        text.push('\n');
    };
    property("name", &config.name);
    property("duplex", &duplex.to_string());
    property("syncDurableSubs", &config.synchronises_durables().to_string());
    property("dynamicOnly", &config.dynamic_only.to_string());
    property("conduitSubscriptions", &config.conduit_subscriptions.to_string());
    property("messageTTL", &config.message_ttl.to_string());
    property("consumerTTL", &config.consumer_ttl.to_string());
    if duplex || config.synchronises_durables() {
        let all = config.dynamically_included.is_empty() && config.synchronises_durables();
        let included = listed(&config.dynamically_included, &config.force_durable);
        property(INCLUDED, if all { EVERYTHING } else { &included });
    }
    if !duplex {
        return text;
    }
    let merged = config.conduit_network_queue_subscriptions.to_string();
    property("conduitNetworkQueueSubscriptions", &merged);
    property("prefetchSize", &config.prefetch_size.to_string());
    if let Some(prefetch) = config.advisory_prefetch_size {
        property("advisoryPrefetchSize", &prefetch.to_string());
    }
    let decreased = config.decrease_network_consumer_priority.to_string();
    property("decreaseNetworkConsumerPriority", &decreased);
    property("consumerPriorityBase", &config.consumer_priority_base.to_string());
    property("bridgeTempDestinations", &config.bridge_temp_destinations.to_string());
    property("staticBridge", &config.static_bridge.to_string());
    property("alwaysSyncSend", &config.always_sync_send.to_string());
    // FerryMQ's own; ActiveMQ passes over what it does not know.
    property("linkTimeout", &config.link_timeout.as_millis().to_string());
    let lists = [
        ("staticallyIncludedDestinations", &config.statically_included),
        ("excludedDestinations", &config.excluded),
    ];
    for (key, patterns) in lists.into_iter().filter(|(_, patterns)| !patterns.is_empty()) {
        property(key, &listed(patterns, &config.force_durable));
    }
    if let Some(name) = &config.remote_credentials.user_name {
        property("userName", name);
        if let Some(password) = &config.remote_credentials.password {
            property("password", password.reveal());
        }
    }
    text
}

/// A list as ActiveMQ writes it.
fn listed(patterns: &[DestinationPattern], forced: &[DestinationPattern]) -> String {
    let shown: Vec<String> = patterns
        .iter()
        .map(|pattern| {
            let option = if forced.contains(pattern) { FORCED } else { "" };
            format!("{pattern}{option}")
        })
        .collect();
    format!("[{}]", shown.join(", "))
}

/// The settings of the bridge that a peer asks for. Only what is known here is read, and what a
/// peer may ask for has bounds; everything else, its passwords before all, is passed over.
pub fn asked_for(text: &str) -> Result<NetworkConnectorConfig, AskedForError> {
    let properties = parse(text)?;
    let asked = Asked(&properties);
    let name = properties.get("name").map_or("NC", String::as_str);
    let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let mut config = NetworkConnectorConfig::of_peer(name);
    set(&mut config.conduit_subscriptions, asked.flag("conduitSubscriptions")?);
    set(
        &mut config.conduit_network_queue_subscriptions,
        asked.flag("conduitNetworkQueueSubscriptions")?,
    );
    set(&mut config.message_ttl, asked.number("messageTTL")?);
    set(&mut config.consumer_ttl, asked.number("consumerTTL")?);
    set(&mut config.bridge_temp_destinations, asked.flag("bridgeTempDestinations")?);
    set(&mut config.static_bridge, asked.flag("staticBridge")?);
    set(
        &mut config.decrease_network_consumer_priority,
        asked.flag("decreaseNetworkConsumerPriority")?,
    );
    if let Some(priority) = asked.number::<i32>("consumerPriorityBase")? {
        let lowest = i32::from(i8::MIN)..=i32::from(i8::MAX);
        let bounded = priority.clamp(*lowest.start(), *lowest.end());
        config.consumer_priority_base = i8::try_from(bounded).unwrap_or_default();
    }
    set(&mut config.prefetch_size, asked.window("prefetchSize")?);
    config.advisory_prefetch_size = asked.window("advisoryPrefetchSize")?;
    if let Some(millis) = asked.number("linkTimeout")? {
        let asked = Duration::from_millis(millis);
        config.link_timeout =
            asked.clamp(NetworkConnectorConfig::SHORTEST_LINK_TIMEOUT, LONGEST_TIMEOUT);
    }
    set(&mut config.sync_durable_subs, asked.flag("syncDurableSubs")?);
    set(&mut config.dynamic_only, asked.flag("dynamicOnly")?);
    if properties.get(INCLUDED).is_none_or(|list| list.trim() != EVERYTHING) {
        config.dynamically_included = asked.patterns(INCLUDED)?;
    }
    config.statically_included = asked.patterns("staticallyIncludedDestinations")?;
    config.force_durable = asked.forced(INCLUDED)?;
    config.force_durable.extend(asked.forced("staticallyIncludedDestinations")?);
    config.excluded = asked.patterns("excludedDestinations")?;
    config.duplex = true;
    Ok(config)
}

fn set<T>(setting: &mut T, asked: Option<T>) {
    if let Some(asked) = asked {
        *setting = asked;
    }
}

struct Asked<'a>(&'a BTreeMap<String, String>);

impl Asked<'_> {
    fn flag(&self, key: &'static str) -> Result<Option<bool>, AskedForError> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        match value.trim() {
            yes if yes.eq_ignore_ascii_case("true") => Ok(Some(true)),
            no if no.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => Err(AskedForError::Value { key, wanted: "true or false" }),
        }
    }

    fn number<T: FromStr>(&self, key: &'static str) -> Result<Option<T>, AskedForError> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let number = value.trim().parse().ok();
        number.map(Some).ok_or(AskedForError::Value { key, wanted: "a number" })
    }

    /// A window; 0 stands for "not said".
    fn window(&self, key: &'static str) -> Result<Option<NonZeroU32>, AskedForError> {
        let asked: Option<u32> = self.number(key)?;
        Ok(asked.and_then(|prefetch| NonZeroU32::new(prefetch.min(WIDEST_PREFETCH))))
    }

    /// A list as ActiveMQ writes it: `[queue://A.>, topic://B?forceDurable=true]`.
    fn patterns(&self, key: &'static str) -> Result<Vec<DestinationPattern>, AskedForError> {
        self.entries(key, |_| true)
    }

    /// The topics of such a list whose demand is durable whoever asks for it.
    fn forced(&self, key: &'static str) -> Result<Vec<DestinationPattern>, AskedForError> {
        let mut forced = self.entries(key, |entry| entry.ends_with(FORCED))?;
        forced.retain(|pattern| pattern.kind() == DestinationKind::Topic);
        Ok(forced)
    }

    fn entries(
        &self,
        key: &'static str,
        which: impl Fn(&str) -> bool,
    ) -> Result<Vec<DestinationPattern>, AskedForError> {
        let Some(list) = self.0.get(key) else { return Ok(Vec::new()) };
        let list = list.trim();
        let list = list.strip_prefix('[').unwrap_or(list);
        let list = list.strip_suffix(']').unwrap_or(list);
        let mut patterns = Vec::new();
        let entries = list.split(',').map(str::trim);
        for entry in entries.filter(|entry| !entry.is_empty() && which(entry)) {
            if patterns.len() == MOST_PATTERNS {
                return Err(AskedForError::TooManyPatterns { key });
            }
            let entry = entry.split('?').next().unwrap_or_default();
            let (kind, name) = match entry.split_once("://") {
                None | Some(("queue", _)) => (DestinationKind::Queue, entry),
                Some(("topic", _)) => (DestinationKind::Topic, entry),
                Some(("temp-queue", _)) => (DestinationKind::TempQueue, entry),
                Some(("temp-topic", _)) => (DestinationKind::TempTopic, entry),
                Some(_) => {
                    return Err(AskedForError::Value { key, wanted: "a list of destinations" });
                }
            };
            let name = name.split_once("://").map_or(name, |(_, name)| name);
            // Whatever ActiveMQ takes for a name is one here.
            patterns.push(DestinationPattern::of(&Destination::new(kind, name)));
        }
        Ok(patterns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credentials, Secret};

    fn config() -> NetworkConnectorConfig {
        let mut config = crate::testing::config();
        config.name = "to the = north".to_owned();
        config.dynamically_included =
            vec!["queue://orders.>".parse().unwrap(), "topic://prices.*".parse().unwrap()];
        config.excluded = vec!["queue://orders.secret".parse().unwrap()];
        config.set_network_ttl(3);
        config.prefetch_size = NonZeroU32::new(17).unwrap();
        config.consumer_priority_base = -7;
        config.link_timeout = Duration::from_secs(4);
        config
    }

    #[test]
    fn the_far_broker_builds_the_bridge_that_was_asked_for() {
        let read = asked_for(&written(&config(), true)).unwrap();
        assert_eq!(read.name, "to the = north");
        assert_eq!(read.permits(), config().permits());
        assert_eq!((read.message_ttl, read.consumer_ttl), (3, 3));
        assert_eq!(read.prefetch_size.get(), 17);
        assert_eq!(read.consumer_priority_base, -7);
        assert_eq!(read.link_timeout, Duration::from_secs(4));
    }

    #[test]
    fn no_password_leaves_that_is_not_the_far_brokers() {
        let mut config = config();
        let credentials = |name: &str| Credentials {
            user_name: Some(format!("{name} name")),
            password: Some(Secret::new(format!("{name} password"))),
        };
        config.local_credentials = credentials("home");
        assert!(!written(&config, true).contains("assword"));
        config.remote_credentials = credentials("far");
        let duplex = written(&config, true);
        assert!(duplex.contains("password=far password") && !duplex.contains("home"), "{duplex}");
        assert!(!written(&config, false).contains("assword"));
    }

    #[test]
    fn activemqs_spelling_is_understood() {
        let text = "#\n#Sat Nov 21 14:00:00 UTC 2026\nname=NC\nduplex=true\nmessageTTL=1\n\
                    uri=static\\:(tcp\\://a\\:1)\npassword=secret\nadvisoryPrefetchSize=0\n\
                    staticallyIncludedDestinations=[queue\\://A, topic\\://B?forceDurable\\=true]\n\
                    excludedDestinations=[queue\\://C.*, D]\nstarted=false\n";
        let read = asked_for(text).unwrap();
        assert_eq!(read.message_ttl, 1);
        assert_eq!(read.advisory_prefetch_size, None);
        let shown = |patterns: &[DestinationPattern]| {
            patterns.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(&read.statically_included), ["queue://A", "topic://B"]);
        assert_eq!(shown(&read.excluded), ["queue://C.*", "queue://D"]);
        assert_eq!(read.local_credentials, Credentials::default());
    }

    #[test]
    fn a_hostile_peer_gets_bounds_or_a_refusal() {
        let read = asked_for("prefetchSize=4000000000\nconsumerPriorityBase=-9999\nlinkTimeout=0");
        let read = read.unwrap();
        assert_eq!(read.prefetch_size.get(), WIDEST_PREFETCH);
        assert_eq!(read.consumer_priority_base, -128);
        assert_eq!(read.link_timeout, NetworkConnectorConfig::SHORTEST_LINK_TIMEOUT);
        let name = asked_for(&format!("name={}\\n", "x".repeat(1000))).unwrap().name;
        assert_eq!(name.len(), LONGEST_NAME);
        let many = "a,".repeat(MOST_PATTERNS + 1);
        assert!(matches!(
            asked_for(&format!("excludedDestinations={many}")),
            Err(AskedForError::TooManyPatterns { .. })
        ));
        assert!(asked_for("duplex=true\nstaticBridge=perhaps").is_err());
        assert!(asked_for("messageTTL=99999999999").is_err());
        assert!(asked_for("excludedDestinations=[ftp://x]").is_err());
    }
}
