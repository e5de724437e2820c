//! Puts a broker's configuration together, from a file, from flags, and from defaults.

use std::collections::BTreeSet;

use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::document::connector_options::Defaults;
use ferrymq_network::document::located::Located;
use ferrymq_network::document::names::Name;
use ferrymq_network::document::problem::Problems;
use ferrymq_network::document::reader::{Reader, read, read_flag};
use ferrymq_network::document::source::{Source, Span};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::uri::Uri;

use super::broker::{BrokerConfig, DestinationPolicy, Limits, TransportConnectorConfig};
use super::host_name::host_name;
use super::policy_order::specificity;
use super::sections::{
    BrokerFile, NetworkConnectorSection, PolicySection, TransportConnectorSection,
};

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
}

/// The configuration that a file, where there is one, and flags add up to.
pub fn load(file: Option<&Source>, flags: &Flags) -> Result<BrokerConfig, Problems> {
    let mut config = match file {
        Some(source) => read(source, |file: BrokerFile, reader| Some(from_file(file, reader)))?,
        None => BrokerConfig {
            name: String::new(),
            listen: Vec::new(),
            network_connectors: Vec::new(),
            limits: Limits::default(),
        },
    };
    apply(flags, &mut config)?;
    if config.name.is_empty() {
        config.name = host_name();
    }
    if config.listen.is_empty() {
        let endpoint = Endpoint::tcp(DEFAULT_HOST, DEFAULT_PORT);
        config.listen.push(TransportConnectorConfig { name: "openwire".to_owned(), endpoint });
    }
    Ok(config)
}

fn from_file(file: BrokerFile, reader: &mut Reader<'_>) -> BrokerConfig {
    let mut name = String::new();
    if let Some(Located { value: broker, .. }) = file.broker {
        name = broker.name.map(|name| name.value.to_string()).unwrap_or_default();
        if let Some(persistent) = broker.persistent.filter(|persistent| persistent.value) {
            reader.report(
                &persistent.span,
                "the message store comes later",
                Some("set `persistent = false`: messages are kept in memory until then".into()),
            );
        }
    }
    let mut limits = Limits { policies: policies(file.destination_policy, reader), ..Limits::default() };
    if let Some(memory) = file.system_usage.and_then(|usage| usage.value.memory_limit) {
        if memory.0 == 0 {
            reader.report(&memory.span, "a broker without memory cannot take messages", None);
        }
        limits.memory = memory.0;
    }
    BrokerConfig {
        name,
        listen: transport_connectors(file.transport_connector, reader),
        network_connectors: network_connectors(file.network_connector, reader),
        limits,
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
        if let Err((what, hint)) = check_listen(&section.uri, &connectors) {
            reader.report(&section.uri.span, what, hint);
        }
        connectors.push(TransportConnectorConfig { name, endpoint: section.uri.value });
    }
    connectors
}

fn network_connectors(
    sections: Vec<Located<NetworkConnectorSection>>,
    reader: &mut Reader<'_>,
) -> Vec<NetworkConnectorConfig> {
    let mut names = Unique::new("network connector");
    let mut connectors = Vec::new();
    for Located { value: section, span } in sections {
        let name = names.take(section.name.as_ref(), "network", &span, reader);
        if let Err((what, hint)) = check_network(&section.uri) {
            reader.report(&section.uri.span, what, hint);
        }
        let mut connector = NetworkConnectorConfig::new(name, section.uri.value);
        section.options.apply(Defaults::FerryMq, &mut connector, reader);
        connectors.push(connector);
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
        policies.push(DestinationPolicy { pattern: pattern.value, memory_limit });
    }
    policies.sort_by_key(|policy| specificity(&policy.pattern));
    policies
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
        let endpoint: Endpoint = read_flag(&source)?;
        check_listen(&endpoint, &config.listen).map_err(|error| wrong(&source, error))?;
        let name = if number == 1 { "openwire".to_owned() } else { format!("openwire-{number}") };
        config.listen.push(TransportConnectorConfig { name, endpoint });
    }
    for value in &flags.network {
        let source = Source::flag("--network", value);
        let uri: Uri = read_flag(&source)?;
        check_network(&uri).map_err(|error| wrong(&source, error))?;
        let taken: BTreeSet<&str> =
            config.network_connectors.iter().map(|connector| connector.name.as_str()).collect();
        let name = numbered("network", &taken);
        config.network_connectors.push(NetworkConnectorConfig::new(name, uri));
    }
    Ok(())
}

type Wrong = (String, Option<String>);

fn wrong(source: &Source, (what, hint): Wrong) -> Problems {
    Problems::one(source, &(0..source.text().len()), what, hint)
}

/// What can be said of an address to listen on before it is tried.
fn check_listen(endpoint: &Endpoint, others: &[TransportConnectorConfig]) -> Result<(), Wrong> {
    if endpoint.scheme != "tcp" {
        let hint = format!("write `tcp://{}`", endpoint.authority());
        return Err((format!("`{}` cannot be listened on yet", endpoint.scheme), Some(hint)));
    }
    let same = others.iter().find(|other| {
        endpoint.port != 0
            && other.endpoint.port == endpoint.port
            && other.endpoint.host == endpoint.host
    });
    match same {
        Some(other) => Err((format!("`{}` listens there already", other.name), None)),
        None => Ok(()),
    }
}

/// What can be said of a network connector's address before it is tried.
fn check_network(uri: &Uri) -> Result<(), Wrong> {
    let scheme = uri.scheme();
    if !matches!(scheme, "static" | "tcp") {
        let hint = Some("write `static:(tcp://HOST:PORT,…)`".to_owned());
        return Err((format!("`{scheme}` cannot be used by a network connector yet"), hint));
    }
    match uri.endpoints().iter().find(|endpoint| endpoint.scheme != "tcp") {
        Some(endpoint) => {
            let hint = Some(format!("write `tcp://{}`", endpoint.authority()));
            Err((format!("`{}` cannot be dialled yet", endpoint.scheme), hint))
        }
        None => Ok(()),
    }
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
