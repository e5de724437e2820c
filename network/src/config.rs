//! What a network connector is told. ActiveMQ's options, in its names; only those that work.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::uri::Uri;

use crate::destination_pattern::DestinationPattern;
use crate::discovery::error::RemotesError;
use crate::discovery::remotes::Remotes;
use crate::rules::permit::Permits;

/// The configuration of one network connector: it bridges its broker to each
/// broker of its list, or that its discovery agent finds.
#[derive(Debug, Clone)]
pub struct NetworkConnectorConfig {
    /// Part of client ids at both ends; no two connectors of a broker share it.
    pub name: String,
    /// Whom to dial, and when again.
    pub remotes: Remotes,
    /// The far broker builds a bridge back over the same link. Default: false.
    pub duplex: bool,
    /// A link over which the far broker does not prove for this long that it lives is given up and
    /// made anew; so is one that is not up after as long. Default: 10 s.
    pub link_timeout: Duration,
    /// How bridges log in at their own broker, and at the remote one unless told otherwise.
    /// Default: without a name.
    pub local_credentials: Credentials,
    /// How bridges log in at the remote broker. Default: without a name.
    pub remote_credentials: Credentials,
    /// One subscription serves all remote consumers of a destination. Default: true.
    pub conduit_subscriptions: bool,
    /// Also those queue consumers that are bridges themselves. Default: false.
    pub conduit_network_queue_subscriptions: bool,
    /// Demand is followed for these only; empty (default): for all.
    pub dynamically_included: Vec<DestinationPattern>,
    /// Forwarded without demand. Default: none.
    pub statically_included: Vec<DestinationPattern>,
    /// Of the included topics, those whose demand is durable whoever asks for it (`forceDurable` of
    /// an included destination). Default: none.
    pub force_durable: Vec<DestinationPattern>,
    /// What durable subscriptions of the remote broker want is asked for when a bridge starts, so
    /// that those made and ended meanwhile are known. Default: true (ActiveMQ's is false: there,
    /// what ended during an outage is kept for ever).
    pub sync_durable_subs: bool,
    /// Durable demand of earlier bridges waits until a remote consumer asks for it. Default: false.
    pub dynamic_only: bool,
    /// Durable demand of earlier bridges is taken up for these only; empty (default): for all.
    pub durable_destinations: Vec<DestinationPattern>,
    /// The names of the broker's other connectors, whose durable demand is theirs. That of a
    /// connector which the broker has no more goes to the one that bridges to the same broker.
    pub other_connectors: Vec<String>,
    /// The addresses that the broker listens on, which discovery does not lead to.
    pub own_addresses: Vec<Endpoint>,
    /// Never forwarded; wins over inclusion. Default: none.
    pub excluded: Vec<DestinationPattern>,
    /// Demand is not listened to; only the static destinations cross. Default: false.
    pub static_bridge: bool,
    /// Temporary destinations cross, so that replies find their way. Default: true.
    pub bridge_temp_destinations: bool,
    /// Bridges that a message may pass; negative: any number, the default (ActiveMQ's is 1, which
    /// strands messages).
    pub message_ttl: i32,
    /// Bridges that demand may pass; negative: any number, the default (ActiveMQ's is 1).
    pub consumer_ttl: i32,
    /// Messages that each demand subscription may have on the way. Default: 1000.
    pub prefetch_size: NonZeroU32,
    /// Advisories that the remote broker may have on the way; `None` (default): as `prefetch_size`.
    pub advisory_prefetch_size: Option<NonZeroU32>,
    /// Demand is served after local consumers, the farther the later. Default: true.
    pub decrease_network_consumer_priority: bool,
    /// Priority of demand one bridge away, where it is decreased. Default: -5.
    pub consumer_priority_base: i8,
    /// Non-persistent messages are confirmed by the remote broker too. Default: true.
    pub always_sync_send: bool,
}

/// A name and a password, either of which may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user_name: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// Text that never shows up in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Why a connector cannot be configured so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConnectorConfigError {
    /// Its address is of no use.
    #[error("network connector \"{connector}\": {source}")]
    Uri {
        /// The connector.
        connector: String,
        /// What is wrong.
        source: RemotesError,
    },
}

/// Options of ActiveMQ's connectors that are known and do not work yet, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("use_virtual_dest_subs", "virtual destinations need no flag"),
    (
        "suppress_duplicate_queue_subscriptions",
        "of several routes to consumers at one broker the nearest has all of a queue's messages, and \
         what it loses the others have at once",
    ),
    (
        "suppress_duplicate_topic_subscriptions",
        "a copy that comes by a second route is dropped where it arrives (`enable_audit` of a \
         destination policy), so that each subscriber gets one, and a lost route loses none",
    ),
    ("destination_filter", "it follows from dynamically_included"),
    ("advisory_ack_percentage", "advisories are acknowledged at 75 %"),
    ("advisory_for_failed_forward", "failed forwards are counted and logged"),
    (
        "check_duplicate_messages_on_duplex",
        "what bridges bring is always audited; `enable_audit` of a destination policy decides",
    ),
    ("use_compression", "bodies cross as they are"),
    ("dispatch_async", "dispatching to a bridge never blocks"),
    ("local_uri", "a bridge reaches its own broker directly"),
    ("broker_name", "it is the name of the broker that owns the connector"),
    ("broker_url", "it is the first address that the broker listens on"),
    ("client_id_token", "client ids are joined with `_`"),
    ("auto_start", "a connector starts with its broker"),
    ("gc_destination_views", "there are no views to collect"),
    ("gc_sweep_time", "there are no views to collect"),
    ("use_broker_names_as_id_seed", "ids of bridges always name both brokers"),
    ("use_broker_name_as_id_sees", "ids of bridges always name both brokers"),
    ("bridge_factory", "it names a Java class; a bridge is what the other options make it"),
    ("ssl_context", "it names a Java object; there are no TLS links yet"),
    ("connection_filter", "it names a Java object; list the brokers that are to be dialled"),
];

/// The options of ActiveMQ's connectors that do not work here, each with the reason.
pub fn unsupported_options() -> &'static [(&'static str, &'static str)] {
    UNSUPPORTED
}

/// Why an option of ActiveMQ's connectors does not work here; `None` if it is not one of those.
/// Takes either spelling, `snake_case` or `camelCase`.
pub fn unsupported(option: &str) -> Option<&'static str> {
    let spelled = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let wanted = spelled(option);
    UNSUPPORTED.iter().find(|(name, _)| spelled(name) == wanted).map(|(_, reason)| *reason)
}

impl NetworkConnectorConfig {
    const DEFAULT_PREFETCH: NonZeroU32 = match NonZeroU32::new(1000) {
        Some(prefetch) => prefetch,
        None => NonZeroU32::MIN,
    };

    const DEFAULT_LINK_TIMEOUT: Duration = Duration::from_secs(10);
    /// Shorter than this, [`link_timeout`](Self::link_timeout) would take busy brokers for dead.
    pub const SHORTEST_LINK_TIMEOUT: Duration = Duration::from_millis(200);

    /// A connector with the defaults: `uri` is that of a discovery agent, such as
    /// `static:(tcp://host:port,…)?options`, or `tcp://host:port`.
    pub fn new(name: impl Into<String>, uri: &Uri) -> Result<Self, ConnectorConfigError> {
        let name = name.into();
        let remotes = Remotes::new(uri)
            .map_err(|source| ConnectorConfigError::Uri { connector: name.clone(), source })?;
        Ok(Self::with(name, remotes))
    }

    /// A connector that a peer asks for over its own link: it dials nobody.
    pub(crate) fn of_peer(name: String) -> Self {
        Self::with(name, Remotes::of_nobody())
    }

    fn with(name: String, remotes: Remotes) -> Self {
        Self {
            name,
            remotes,
            duplex: false,
            link_timeout: Self::DEFAULT_LINK_TIMEOUT,
            local_credentials: Credentials::default(),
            remote_credentials: Credentials::default(),
            conduit_subscriptions: true,
            conduit_network_queue_subscriptions: false,
            dynamically_included: Vec::new(),
            statically_included: Vec::new(),
            force_durable: Vec::new(),
            sync_durable_subs: true,
            dynamic_only: false,
            durable_destinations: Vec::new(),
            other_connectors: Vec::new(),
            own_addresses: Vec::new(),
            excluded: Vec::new(),
            static_bridge: false,
            bridge_temp_destinations: true,
            message_ttl: -1,
            consumer_ttl: -1,
            prefetch_size: Self::DEFAULT_PREFETCH,
            advisory_prefetch_size: None,
            decrease_network_consumer_priority: true,
            consumer_priority_base: -5,
            always_sync_send: true,
        }
    }

    /// Sets both hop limits, as ActiveMQ's `networkTTL`.
    pub fn set_network_ttl(&mut self, hops: i32) {
        self.message_ttl = hops;
        self.consumer_ttl = hops;
    }

    /// Whether durable demand is compared with what the remote broker tells of.
    pub fn synchronises_durables(&self) -> bool {
        self.sync_durable_subs && !self.dynamic_only && !self.static_bridge
    }

    /// The rule about destinations.
    pub fn permits(&self) -> Permits {
        Permits {
            dynamically_included: self.dynamically_included.clone(),
            statically_included: self.statically_included.clone(),
            excluded: self.excluded.clone(),
            temporary: self.bridge_temp_destinations,
        }
    }

    /// The prefetch of demand subscriptions as the wire has it.
    pub(crate) fn prefetch(&self) -> i32 {
        on_the_wire(self.prefetch_size)
    }

    /// The prefetch of the advisory consumer as the wire has it.
    pub(crate) fn advisory_prefetch(&self) -> i32 {
        on_the_wire(self.advisory_prefetch_size.unwrap_or(self.prefetch_size))
    }
}

fn on_the_wire(prefetch: NonZeroU32) -> i32 {
    i32::try_from(prefetch.get()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_no_use_names_the_connector() {
        let error = NetworkConnectorConfig::new("north", &"failover:(tcp://a:1)".parse().unwrap());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("network connector \"north\": `failover:`"), "{error}");
    }

    #[test]
    fn options_that_do_not_work_say_why_in_either_spelling() {
        assert!(unsupported("localUri").unwrap().contains("directly"));
        assert_eq!(unsupported("useCompression"), unsupported("use_compression"));
        assert!(unsupported("useCompression").is_some());
        assert_eq!(unsupported("prefetch_size"), None);
    }

    #[test]
    fn passwords_are_not_shown() {
        let mut config = crate::testing::config();
        config.remote_credentials.password = Some(Secret::new("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn one_number_sets_both_hop_limits() {
        let mut config = crate::testing::config();
        config.set_network_ttl(3);
        assert_eq!((config.message_ttl, config.consumer_ttl), (3, 3));
    }
}
