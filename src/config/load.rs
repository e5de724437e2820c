//! Puts a broker's configuration together, from a file, from flags, and from defaults.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use ferrymq_discovery::announce::Announce;
use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_network::document::addresses::{ListenAddress, PeersAddress};
use ferrymq_network::document::load::{read, read_flag};
use ferrymq_network::document::located::Located;
use ferrymq_network::document::names::Name;
use ferrymq_network::document::problem::{Problem, Problems};
use ferrymq_network::document::reader::Reader;
use ferrymq_network::document::source::{Source, Span};
use ferrymq_network::document::units::ByteSize;
use ferrymq_openwire::destination::DestinationKind;
use ferrymq_transport::endpoint::Endpoint;

use super::admin::{AdminConfig, AdminListen, HostName};
use super::broker::{
    AuditPolicy, BrokerConfig, DeadLetterSettings, DestinationPolicy, Limits, RedeliverySettings,
    ReplaySettings, TransportConnectorConfig,
};
use super::cluster_clients::{ClusterClients, NameFilter};
use super::findings::to_itself;
use super::host_name::host_name;
use super::policy_order::specificity;
use super::sections::{
    AdminSection, BrokerFile, DeadLetterSection, NetworkConnectorSection, PolicySection,
    RedeliverySection, ReplaySection, StoreSection, TransportConnectorSection, VirtualTopicSection,
};
use super::store::{DataDir, StoreConfig, SyncStrategy};
use super::virtual_topic::VirtualTopic;

/// Where a broker listens that nobody told: OpenWire's port, and only for this machine.
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 61616;

/// What flags say beside a file, or without one; they win over it.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// The broker's name.
    pub name: Option<String>,
    /// The addresses to listen on, in place of the file's.
    pub listen: Vec<String>,
    /// Addresses of network connectors, beside the file's.
    pub network: Vec<String>,
    /// Where the admin API answers, in place of the file's address.
    pub admin: Option<String>,
}

/// The configuration that a file, where there is one, and flags add up to.
pub fn load(file: Option<&Source>, flags: &Flags) -> Result<BrokerConfig, Problems> {
    load_with_findings(file, flags).map(|(config, _)| config)
}

/// The same, with what can be run, but probably is not meant.
pub fn load_with_findings(
    file: Option<&Source>,
    flags: &Flags,
) -> Result<(BrokerConfig, Vec<Problem>), Problems> {
    let mut places = Vec::new();
    let mut config = match file {
        Some(source) => read(source, |file: BrokerFile, reader| {
            let uris = file.network_connector.iter().map(|section| &section.value.uri.span);
            places.extend(uris.map(|span| source.place(span)));
            Some(from_file(file, reader))
        })?,
        None => BrokerConfig {
            name: String::new(),
            listen: Vec::new(),
            network_connectors: Vec::new(),
            limits: Limits::default(),
            store: None,
            virtual_topics: vec![VirtualTopic::default()],
            admin: AdminConfig::default(),
        },
    };
    apply(flags, &mut config)?;
    if config.name.is_empty() {
        config.name = host_name();
    }
    if config.listen.is_empty() {
        let endpoint = Endpoint::tcp(DEFAULT_HOST, DEFAULT_PORT);
        let (name, clients) = ("openwire".to_owned(), ClusterClients::default());
        config.listen.push(TransportConnectorConfig { name, endpoint, announce: None, clients });
    }
    let flagged = flags.network.iter().map(|value| (Source::flag("--network", value), value.len()));
    places.extend(flagged.map(|(source, length)| source.place(&(0..length))));
    let findings = to_itself(&config, &places);
    Ok((config, findings))
}

fn from_file(file: BrokerFile, reader: &mut Reader<'_>) -> BrokerConfig {
    let mut name = String::new();
    let mut use_virtual_topics = true;
    let mut store = None;
    if let Some(Located { value: broker, .. }) = file.broker {
        use_virtual_topics = broker.use_virtual_topics.is_none_or(|use_them| use_them.value);
        name = broker.name.map(|name| name.value.to_string()).unwrap_or_default();
        store = store_of(broker.persistent, broker.data_dir, reader);
    }
    let mut segment = None;
    if let Some(section) = file.store {
        match &mut store {
            Some(store) => segment = keep_as(section.value, store, reader),
            None => reader.report(
                &section.span,
                "a store without a folder",
                Some("set `data_dir` in [broker]".into()),
            ),
        }
    }
    let mut limits =
        Limits { policies: policies(file.destination_policy, reader), ..Limits::default() };
    let usage = file.system_usage.map(|usage| usage.value);
    let limits_of_disk = usage.as_ref().map(|usage| (&usage.store_limit, &usage.temp_limit));
    let (kept, spooled) = limits_of_disk.unwrap_or((&None, &None));
    for limit in [kept, spooled].into_iter().flatten() {
        match &mut store {
            Some(store) => {
                store.limit = kept.as_ref().map_or(store.limit, |limit| limit.value.0);
                store.temp_limit = spooled.as_ref().map_or(store.temp_limit, |limit| limit.value.0);
            }
            None => reader.report(
                &limit.span,
                "a limit for a store that is not there",
                Some("set `data_dir` in [broker]".into()),
            ),
        }
    }
    if let Some(store) = &mut store {
        divide(store, segment, reader);
    }
    if let Some(usage) = &usage {
        limits.send_fail_if_no_space =
            usage.send_fail_if_no_space.as_ref().is_some_and(|fail| fail.value);
        if let Some(after) = &usage.send_fail_if_no_space_after_timeout {
            limits.send_fail_if_no_space_after_timeout = after.value;
        }
    }
    if let Some(memory) = usage.and_then(|usage| usage.memory_limit) {
        if memory.0 == 0 {
            reader.report(&memory.span, "a broker without memory cannot take messages", None);
        }
        limits.memory = memory.0;
    }
    let mut virtual_topics = virtual_topics(file.virtual_topic, reader);
    if !use_virtual_topics {
        virtual_topics.clear();
    }
    BrokerConfig {
        name,
        listen: transport_connectors(file.transport_connector, reader),
        network_connectors: network_connectors(file.network_connector, reader),
        limits,
        store,
        virtual_topics,
        admin: file.admin.map(|admin| admin_config(admin.value)).unwrap_or_default(),
    }
}

/// Whether there is a store, and where.
fn store_of(
    persistent: Option<Located<bool>>,
    directory: Option<Located<DataDir>>,
    reader: &mut Reader<'_>,
) -> Option<StoreConfig> {
    let wanted = persistent.map(|persistent| persistent.value);
    match (wanted, directory) {
        (Some(false), Some(directory)) => {
            reader.report(
                &directory.span,
                "a folder for messages that are not kept",
                Some("leave it out, or set `persistent = true`".into()),
            );
            None
        }
        (_, Some(directory)) => Some(StoreConfig::at(directory.value.0)),
        (Some(true), None) => Some(StoreConfig::at(StoreConfig::DEFAULT_DIRECTORY)),
        _ => None,
    }
}

/// How it is kept; the length of a file, if that is said.
fn keep_as(
    section: StoreSection,
    store: &mut StoreConfig,
    reader: &mut Reader<'_>,
) -> Option<Located<ByteSize>> {
    if let Some(sync) = section.sync {
        store.sync = sync.value;
    }
    if let Some(interval) = section.sync_interval {
        if store.sync != SyncStrategy::Interval {
            reader.report(
                &interval.span,
                "an interval that nothing goes by",
                Some("set `sync = \"interval\"`".into()),
            );
        }
        store.sync_interval = interval.value;
    }
    section.segment_size
}

/// The lengths of a store's files: small enough for its limit, so that there are always some that can
/// be given back.
fn divide(store: &mut StoreConfig, segment: Option<Located<ByteSize>>, reader: &mut Reader<'_>) {
    let (least, most) = (16 << 10, 1 << 30);
    let Some(size) = segment else {
        let eighth = u32::try_from(store.limit / 8).unwrap_or(u32::MAX);
        store.segment_bytes = store.segment_bytes.min(eighth.max(least));
        return;
    };
    match u32::try_from(size.value.0) {
        Ok(bytes) if (least..=most).contains(&bytes) => store.segment_bytes = bytes,
        _ => return reader.report(&size.span, "a size from 16KiB to 1GiB is needed", None),
    }
    let part = store.limit / StoreConfig::SEGMENTS;
    if size.value.0 > part {
        let needed = size.value.0 * StoreConfig::SEGMENTS;
        reader.report(
            &size.span,
            format!("a segment may have a fifth of `store_limit`, which is {part} bytes"),
            Some(format!("set a smaller one, or `store_limit` to {needed} bytes at least")),
        );
    }
}

fn virtual_topics(
    sections: Vec<Located<VirtualTopicSection>>,
    reader: &mut Reader<'_>,
) -> Vec<VirtualTopic> {
    if sections.is_empty() {
        return vec![VirtualTopic::default()];
    }
    let mut rules = Vec::new();
    for Located { value: section, .. } in sections {
        let mut rule = VirtualTopic::default();
        if let Some(Located { value: name, span }) = section.name {
            let whole = if name.contains("://") { name } else { format!("topic://{name}") };
            match DestinationPattern::parse(&whole) {
                Ok(pattern) if pattern.kind() == DestinationKind::Topic => rule.name = pattern,
                Ok(_) => reader.report(&span, "only topics can be virtual topics", None),
                Err(error) => reader.report(&span, error.to_string(), None),
            }
        }
        if let Some(Located { value: prefix, span }) = section.prefix {
            let levels =
                |text: &str| text.split('.').all(|level| !level.is_empty() && level != ">");
            if !prefix.strip_suffix('.').is_some_and(levels) {
                reader.report(&span, "a prefix is made of levels, each followed by a dot", None);
            }
            rule.prefix = prefix;
        }
        if let Some(Located { value: postfix, span }) = section.postfix {
            let plain = |level: &str| !matches!(level, "" | "*" | ">");
            let levels = |text: &str| text.split('.').all(plain);
            if !postfix.is_empty() && !postfix.strip_prefix('.').is_some_and(levels) {
                reader.report(&span, "a postfix is made of levels, each preceded by a dot", None);
            }
            rule.postfix = postfix;
        }
        rule.selector_aware = section.selector_aware.is_some_and(|aware| aware.value);
        rule.local = section.local.is_some_and(|local| local.value);
        rules.push(rule);
    }
    rules
}

fn admin_config(section: AdminSection) -> AdminConfig {
    let names = section.host_names.map(|names| names.value).unwrap_or_default();
    AdminConfig {
        listen: section.address.map_or(AdminListen::Default, |address| address.value),
        host_names: names.into_iter().map(|HostName(name)| name).collect(),
        announce: section.announce.map_or(AdminListen::Default, |announce| announce.value),
        discovery_registry: section.discovery_registry.is_some_and(|serve| serve.value),
        served: None,
    }
}

fn transport_connectors(
    sections: Vec<Located<TransportConnectorSection>>,
    reader: &mut Reader<'_>,
) -> Vec<TransportConnectorConfig> {
    let mut names = Unique::new("transport connector");
    let mut connectors: Vec<TransportConnectorConfig> = Vec::new();
    for Located { value: section, span } in sections {
        let name = names.take(section.name.as_ref(), "openwire", &span, reader);
        let clients = cluster_clients(&section, reader);
        let Located { value: ListenAddress(endpoint), span } = section.uri;
        if let Some(what) = taken(&endpoint, &connectors) {
            reader.report(&span, what, None);
        }
        let announce = section.discovery_uri.and_then(|uri| match Announce::new(&uri.value.0) {
            Ok(announce) => Some(announce),
            Err(error) => {
                reader.report(&uri.span, error.to_string(), None);
                None
            }
        });
        connectors.push(TransportConnectorConfig { name, endpoint, announce, clients });
    }
    connectors
}

fn cluster_clients(section: &TransportConnectorSection, reader: &mut Reader<'_>) -> ClusterClients {
    let is_on =
        |option: &Option<Located<bool>>| option.as_ref().is_some_and(|located| located.value);
    let filter = section.update_cluster_filter.as_ref().and_then(|filter| {
        NameFilter::parse(&filter.value)
            .map_err(|problem| reader.report(&filter.span, problem, None))
            .ok()
    });
    ClusterClients {
        update: is_on(&section.update_cluster_clients),
        rebalance: is_on(&section.rebalance_cluster_clients),
        update_on_remove: is_on(&section.update_cluster_clients_on_remove),
        filter,
        rate: section
            .rebalance_rate
            .as_ref()
            .map_or(ClusterClients::default().rate, |rate| rate.value.get()),
    }
}

fn network_connectors(
    sections: Vec<Located<NetworkConnectorSection>>,
    reader: &mut Reader<'_>,
) -> Vec<NetworkConnectorConfig> {
    let mut names = Unique::new("network connector");
    let mut connectors = Vec::new();
    for Located { value: section, span } in sections {
        let name = names.take(section.name.as_ref(), "network", &span, reader);
        match NetworkConnectorConfig::new(name, &section.uri.0) {
            Ok(mut connector) => {
                section.options.apply(&mut connector, reader);
                connectors.push(connector);
            }
            Err(error) => reader.report(&section.uri.span, error.to_string(), None),
        }
    }
    connectors
}

fn policies(
    sections: Vec<Located<PolicySection>>,
    reader: &mut Reader<'_>,
) -> Vec<DestinationPolicy> {
    let mut seen = BTreeSet::new();
    let mut policies = Vec::new();
    for Located { value: section, .. } in sections {
        let pattern = section.pattern;
        if !seen.insert(pattern.value.clone()) {
            let what = format!("a second policy for {}", pattern.value);
            reader.report(&pattern.span, what, Some("put them together".to_owned()));
        }
        let memory_limit = section.memory_limit.map(|limit| limit.0);
        policies.push(DestinationPolicy {
            memory_limit,
            store_limit: section.store_limit.map(|limit| limit.0),
            send_fail_if_no_space: section.send_fail_if_no_space.map(|fail| fail.value),
            send_fail_if_no_space_after_timeout: section
                .send_fail_if_no_space_after_timeout
                .map(|after| after.value),
            audit: AuditPolicy {
                enable_audit: section.enable_audit.map(|enable| enable.value),
                max_queue_audit_depth: section.max_queue_audit_depth.map(count),
                max_audit_depth: section.max_audit_depth.map(count),
                max_producers_to_audit: section.max_producers_to_audit.map(count),
            },
            in_doubt_hold: section.in_doubt_hold.map(|hold| hold.value),
            replay: section.replay.map(|replay| replay_settings(replay.value)).unwrap_or_default(),
            redelivery: section
                .redelivery
                .map(|redelivery| redelivery_settings(redelivery.value, reader))
                .unwrap_or_default(),
            dead_letter: section
                .dead_letter
                .map(|letters| dead_letter_settings(letters.value, reader))
                .unwrap_or_default(),
            ..DestinationPolicy::new(pattern.value)
        });
    }
    policies.sort_by_key(|policy| specificity(&policy.pattern));
    policies
}

fn redelivery_settings(section: RedeliverySection, reader: &mut Reader<'_>) -> RedeliverySettings {
    if let Some(most) = &section.maximum_redeliveries
        && most.value < -1
    {
        reader.report(
            &most.span,
            "no number of attempts".to_owned(),
            Some("-1 is for ever".into()),
        );
    }
    if let Some(factor) = &section.back_off_multiplier
        && !(factor.value >= 1.0 && factor.value.is_finite())
    {
        let hint = "a factor from 1.0 on".to_owned();
        reader.report(&factor.span, "delays cannot grow by that".to_owned(), Some(hint));
    }
    RedeliverySettings {
        maximum_redeliveries: section.maximum_redeliveries.map(|most| most.value),
        initial_redelivery_delay: section.initial_redelivery_delay.map(|delay| delay.value),
        redelivery_delay: section.redelivery_delay.map(|delay| delay.value),
        use_exponential_back_off: section.use_exponential_back_off.map(|on| on.value),
        back_off_multiplier: section.back_off_multiplier.map(|factor| factor.value),
        maximum_redelivery_delay: section.maximum_redelivery_delay.map(|delay| delay.value),
    }
}

fn dead_letter_settings(section: DeadLetterSection, reader: &mut Reader<'_>) -> DeadLetterSettings {
    if let Some(place) = &section.dead_letter_queue
        && place.value.is_wildcard()
    {
        let what = "dead letters need one place, not a pattern".to_owned();
        reader.report(&place.span, what, None);
    }
    DeadLetterSettings {
        dead_letter_queue: section.dead_letter_queue.map(|place| place.value.address().clone()),
        individual: section.individual.map(|on| on.value),
        queue_prefix: section.queue_prefix.map(|text| text.value),
        queue_suffix: section.queue_suffix.map(|text| text.value),
        topic_prefix: section.topic_prefix.map(|text| text.value),
        topic_suffix: section.topic_suffix.map(|text| text.value),
        use_queue_for_queue_messages: section.use_queue_for_queue_messages.map(|on| on.value),
        use_queue_for_topic_messages: section.use_queue_for_topic_messages.map(|on| on.value),
        process_expired: section.process_expired.map(|on| on.value),
        process_non_persistent: section.process_non_persistent.map(|on| on.value),
        expiration: section.expiration.map(|time| time.value),
        enable_audit: section.enable_audit.map(|on| on.value),
    }
}

fn replay_settings(section: ReplaySection) -> ReplaySettings {
    ReplaySettings {
        replay_when_no_consumers: section.replay_when_no_consumers.map(|on| on.value),
        replay_delay: section.replay_delay.map(|delay| delay.value),
        rate_limit: section.rate_limit.map(|limit| limit.value),
        rate_duration: section.rate_duration.map(|duration| duration.value),
        selector_aware: section.selector_aware.map(|aware| aware.value),
    }
}

fn count(number: Located<NonZeroU32>) -> usize {
    usize::try_from(number.value.get()).unwrap_or(usize::MAX)
}

fn apply(flags: &Flags, config: &mut BrokerConfig) -> Result<(), Problems> {
    if let Some(name) = &flags.name {
        let name: Name = read_flag(&Source::flag("--name", name))?;
        config.name = name.to_string();
    }
    if !flags.listen.is_empty() {
        config.listen.clear();
    }
    for (value, number) in flags.listen.iter().zip(1..) {
        let source = Source::flag("--listen", value);
        let ListenAddress(endpoint) = read_flag(&source)?;
        if let Some(what) = taken(&endpoint, &config.listen) {
            return Err(Problems::one(&source, &(0..value.len()), what, None));
        }
        let name = if number == 1 { "openwire".to_owned() } else { format!("openwire-{number}") };
        let clients = ClusterClients::default();
        config.listen.push(TransportConnectorConfig { name, endpoint, announce: None, clients });
    }
    if let Some(value) = &flags.admin {
        config.admin.listen = read_flag(&Source::flag("--admin", value))?;
    }
    for value in &flags.network {
        let source = Source::flag("--network", value);
        let PeersAddress(uri) = read_flag(&source)?;
        let names: BTreeSet<&str> =
            config.network_connectors.iter().map(|connector| connector.name.as_str()).collect();
        let connector = NetworkConnectorConfig::new(numbered("network", &names), &uri)
            .map_err(|error| Problems::one(&source, &(0..value.len()), error.to_string(), None))?;
        config.network_connectors.push(connector);
    }
    Ok(())
}

/// Why an address cannot be listened on beside the others, if so.
fn taken(endpoint: &Endpoint, others: &[TransportConnectorConfig]) -> Option<String> {
    let same = |other: &&TransportConnectorConfig| {
        let other = &other.endpoint;
        endpoint.port != 0 && other.port == endpoint.port && other.host == endpoint.host
    };
    others.iter().find(same).map(|other| format!("`{}` listens there already", other.name))
}

/// Names that may be given once.
struct Unique {
    what: &'static str,
    taken: BTreeSet<String>,
}

impl Unique {
    fn new(what: &'static str) -> Self {
        Self { what, taken: BTreeSet::new() }
    }

    /// The name as written, or `default` with a number where that is taken.
    fn take(
        &mut self,
        written: Option<&Located<Name>>,
        default: &str,
        span: &Span,
        reader: &mut Reader<'_>,
    ) -> String {
        let name = match written {
            Some(name) => name.to_string(),
            None => numbered(default, &self.taken.iter().map(String::as_str).collect()),
        };
        if !self.taken.insert(name.clone()) {
            let span = written.map_or(span, |name| &name.span);
            let what = format!("a second {} is called `{name}`", self.what);
            reader.report(span, what, Some("names are unique in a broker".to_owned()));
        }
        name
    }
}

/// The name itself, or with the first number that makes it a new one.
fn numbered(name: &str, taken: &BTreeSet<&str>) -> String {
    if !taken.contains(name) {
        return name.to_owned();
    }
    let numbers = 2..=taken.len().saturating_add(2);
    let mut names = numbers.map(|number| format!("{name}-{number}"));
    names.find(|name| !taken.contains(name.as_str())).unwrap_or_else(|| name.to_owned())
}
