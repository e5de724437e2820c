//! Reads a topology file: what is written becomes brokers, links and workloads.

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use ferrymq_transport::uri::{Composite, Uri};

use crate::config::NetworkConnectorConfig;
use crate::document::load::read;
use crate::document::located::Located;
use crate::document::names::Name;
use crate::document::problem::Problems;
use crate::document::reader::Reader;
use crate::document::source::{Origin, Source, Span};

use super::members::Members;
use super::sections::{
    BrokerSection, CapacitySection, ConsumerSection, GroupSection, Kind, LinkSection,
    ProducerSection, Rate, TopologySection,
};
use super::spec::{
    BrokerIndex, BrokerSpec, ConsumerSpec, LinkSpec, ProducerSpec, Topology, dialled,
};

/// The port of the first broker that names none: OpenWire's.
const FIRST_PORT: u16 = 61616;

/// The hop limits of a connector of an ActiveMQ broker that names none.
const ACTIVEMQ_TTL: i32 = 1;

/// Messages in a second of a producer that names no rate.
const DEFAULT_RATE: f64 = 1.0;

/// Bytes of the bodies of a producer that names no size.
const DEFAULT_SIZE: u64 = 1024;

/// More does not fit a frame of OpenWire's default limit together with its header.
const LARGEST_BODY: u64 = 64 << 20;

/// Brokers that a group may have: more than any machine runs, fewer than would stall `check`.
const LARGEST_GROUP: u16 = 2_000;

/// Reads a topology; every problem of the file is found in one go, as far as they do not hide
/// each other.
pub fn load(source: &Source) -> Result<Topology, Problems> {
    read(source, |file: TopologySection, reader| {
        let mut draft = Draft::default();
        draft.brokers(file.broker, file.broker_group, reader);
        draft.addresses(reader);
        draft.links(file.link, reader);
        draft.producers(file.producer, reader);
        draft.consumers(file.consumer, reader);
        let declared = file.topology.and_then(|head| head.value.name);
        let name = declared.map_or_else(|| name_of(source), |name| name.value.to_string());
        Some(draft.finish(name))
    })
}

fn name_of(source: &Source) -> String {
    let Origin::File(file) = source.origin() else { return "topology".to_owned() };
    let stem = std::path::Path::new(file).file_stem();
    stem.map_or_else(|| "topology".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// A topology that is being put together.
#[derive(Debug, Default)]
struct Draft {
    members: Members,
    brokers: Vec<DraftBroker>,
    links: Vec<LinkSpec>,
    producers: Vec<ProducerSpec>,
    consumers: Vec<ConsumerSpec>,
}

#[derive(Debug)]
struct DraftBroker {
    name: String,
    kind: Kind,
    /// `None` until the ports are given out.
    endpoint: Option<Located<Endpoint>>,
    messages_per_second: Option<f64>,
    span: Span,
}

impl Draft {
    fn brokers(
        &mut self,
        brokers: Vec<Located<BrokerSection>>,
        groups: Vec<Located<GroupSection>>,
        reader: &mut Reader<'_>,
    ) {
        for broker in brokers {
            let index = BrokerIndex(self.brokers.len());
            self.members.declare(&broker.name, vec![index], reader);
            let Located { value: broker, .. } = broker;
            let kind = broker.kind.as_ref().map_or(Kind::FerryMq, |kind| kind.value);
            let span = broker.name.span.clone();
            let name = broker.name.value.to_string();
            let messages_per_second = rate_of(broker.capacity.as_deref());
            let endpoint = endpoint_of(broker, kind, reader);
            self.brokers.push(DraftBroker { name, kind, endpoint, messages_per_second, span });
        }
        for group in groups {
            if group.count.value == 0 || group.count.value > LARGEST_GROUP {
                let what = format!("a group has from 1 to {LARGEST_GROUP} brokers");
                reader.report(&group.count.span, what, None);
                continue;
            }
            let mut indices = Vec::new();
            for number in 1..=group.count.value {
                let index = BrokerIndex(self.brokers.len());
                let name = format!("{}-{number}", *group.name);
                self.members.declare_as(name.clone(), &group.name, vec![index], reader);
                indices.push(index);
                self.brokers.push(DraftBroker {
                    name,
                    kind: Kind::FerryMq,
                    endpoint: None,
                    messages_per_second: rate_of(group.capacity.as_deref()),
                    span: group.name.span.clone(),
                });
            }
            self.members.declare(&group.name, indices, reader);
        }
    }

    /// Refuses addresses that two brokers have, and gives ports to the brokers that name none.
    fn addresses(&mut self, reader: &mut Reader<'_>) {
        let mut ports: BTreeMap<u16, Vec<(&str, &str)>> = BTreeMap::new();
        for broker in &self.brokers {
            let Some(endpoint) = &broker.endpoint else { continue };
            let owners = ports.entry(endpoint.port).or_default();
            let clash = owners.iter().find(|(_, host)| overlap(host, &endpoint.host));
            if let Some((owner, _)) = clash {
                let what = format!("`{owner}` has this address, too");
                reader.report(&endpoint.span, what, Some("give each its own port".to_owned()));
            }
            owners.push((&broker.name, &endpoint.host));
        }
        let ports: BTreeSet<u16> = ports.into_keys().collect();
        let mut free = (FIRST_PORT..=u16::MAX).filter(|port| !ports.contains(port));
        for broker in self.brokers.iter_mut().filter(|broker| broker.endpoint.is_none()) {
            let Some(port) = free.next() else {
                let what = format!("no port from {FIRST_PORT} is left for `{}`", broker.name);
                reader.report(&broker.span, what, Some("name its address: `listen`".to_owned()));
                return;
            };
            let value = Endpoint::tcp("127.0.0.1", port);
            broker.endpoint = Some(Located { value, span: broker.span.clone() });
        }
    }

    fn links(&mut self, links: Vec<Located<LinkSection>>, reader: &mut Reader<'_>) {
        let mut names: BTreeMap<(BrokerIndex, String), ()> = BTreeMap::new();
        for Located { value: link, span } in links {
            let from = self.members.find(&link.from, reader);
            let mut to: Vec<BrokerIndex> = Vec::new();
            for name in &link.to.0 {
                for target in self.members.find(name, reader) {
                    if to.contains(&target) {
                        let what = format!("`{name}` is in the list twice");
                        reader.report(&name.span, what, None);
                    } else {
                        to.push(target);
                    }
                }
            }
            for from in from {
                // A group may be linked with itself: then everybody to everybody else.
                let others: Vec<BrokerIndex> =
                    to.iter().copied().filter(|target| *target != from).collect();
                if to.is_empty() {
                    // Nobody of that name: that was said.
                    continue;
                }
                if others.is_empty() {
                    let what = format!("the link leads from `{}` to itself", *link.from);
                    reader.report(&link.to.span, what, None);
                    continue;
                }
                let written = |name: &Located<Name>| name.to_string();
                let name = link.name.as_ref().map(written).unwrap_or_else(|| {
                    let names: Vec<String> = link.to.0.iter().map(written).collect();
                    format!("to-{}", names.join("-"))
                });
                if names.insert((from, name.clone()), ()).is_some() {
                    let span = link.name.as_ref().map_or(&span, |name| &name.span);
                    let what = format!("`{}` has a link called `{name}` already", *link.from);
                    let hint = "give each link of a broker its own `name`".to_owned();
                    reader.report(span, what, Some(hint));
                    continue;
                }
                let uri = self.uri_of(&others);
                let mut connector = match NetworkConnectorConfig::new(name, &uri) {
                    Ok(connector) => connector,
                    Err(error) => {
                        reader.report(&link.to.span, error.to_string(), None);
                        continue;
                    }
                };
                if self.brokers.get(from.0).is_some_and(|owner| owner.kind == Kind::ActiveMq) {
                    connector.set_network_ttl(ACTIVEMQ_TTL);
                }
                link.options.apply(&mut connector, reader);
                let span = span.clone();
                self.links.push(LinkSpec { from, to: others, connector, span });
            }
        }
    }

    /// `static:(…)` with the addresses of these brokers.
    fn uri_of(&self, brokers: &[BrokerIndex]) -> Uri {
        let endpoints = brokers.iter().filter_map(|index| self.brokers.get(index.0));
        let members = endpoints.filter_map(|broker| {
            let endpoint = &broker.endpoint.as_ref()?.value;
            Some(Uri::Endpoint(dialled(broker.kind, endpoint)))
        });
        let members = members.collect();
        Uri::Composite(Composite { scheme: "static".to_owned(), members, options: Options::new() })
    }

    fn producers(&mut self, producers: Vec<Located<ProducerSection>>, reader: &mut Reader<'_>) {
        for Located { value: producer, span } in producers {
            let size = producer.size.as_ref().map_or(DEFAULT_SIZE, |size| size.0);
            if let Some(written) = producer.size.filter(|size| size.0 > LARGEST_BODY) {
                reader.report(&written.span, "a body has at most 64MiB", None);
            }
            for at in self.members.find(&producer.at, reader) {
                self.producers.push(ProducerSpec {
                    at,
                    to: producer.to.0.clone(),
                    rate: producer.rate.as_ref().map_or(DEFAULT_RATE, |rate| rate.0),
                    size,
                    count: producer.count.as_ref().map(|count| count.value),
                    span: span.clone(),
                });
            }
        }
    }

    fn consumers(&mut self, consumers: Vec<Located<ConsumerSection>>, reader: &mut Reader<'_>) {
        for Located { value: consumer, span } in consumers {
            for at in self.members.find(&consumer.at, reader) {
                self.consumers.push(ConsumerSpec {
                    at,
                    from: consumer.from.0.clone(),
                    rate: consumer.rate.as_ref().map(|rate| rate.0),
                    span: span.clone(),
                });
            }
        }
    }

    fn finish(self, name: String) -> Topology {
        let brokers = self.brokers.into_iter().filter_map(|broker| {
            Some(BrokerSpec {
                name: broker.name,
                kind: broker.kind,
                endpoint: broker.endpoint?.value,
                messages_per_second: broker.messages_per_second,
                span: broker.span,
            })
        });
        Topology {
            name,
            brokers: brokers.collect(),
            links: self.links,
            producers: self.producers,
            consumers: self.consumers,
        }
    }
}

fn rate_of(capacity: Option<&CapacitySection>) -> Option<f64> {
    let rate: &Located<Rate> = capacity?.messages_per_second.as_ref()?;
    Some(rate.value.0)
}

/// The address of a broker: what its kind asks for, and nothing else.
fn endpoint_of(
    broker: BrokerSection,
    kind: Kind,
    reader: &mut Reader<'_>,
) -> Option<Located<Endpoint>> {
    let listen = broker.listen.map(|l| Located { value: l.value.0, span: l.span });
    let url = broker.url.map(|url| Located { value: url.value.0, span: url.span });
    let (wanted, other) = match kind {
        Kind::FerryMq => (listen, url),
        Kind::ActiveMq => (url, listen),
    };
    if let Some(other) = &other {
        let (what, hint) = match kind {
            Kind::FerryMq => ("`url` is for brokers of kind \"activemq\"", "write `listen`"),
            Kind::ActiveMq => ("`listen` is for brokers of kind \"ferrymq\"", "write `url`"),
        };
        reader.report(&other.span, what, Some(hint.to_owned()));
    }
    if wanted.is_none() && other.is_none() && kind == Kind::ActiveMq {
        let what = format!("`url` is missing: where is `{}` reached?", *broker.name);
        reader.report(&broker.name.span, what, Some("write `url = \"tcp://HOST:PORT\"`".into()));
    }
    if let Some(endpoint) = wanted.as_ref().filter(|endpoint| endpoint.port == 0) {
        let what = "the links of a topology need a port that is known beforehand";
        reader.report(
            &endpoint.span,
            what,
            Some("leave out `listen` for the next free one".into()),
        );
    }
    wanted
}

/// Whether two hosts cannot be listened on with the same port.
fn overlap(one: &str, other: &str) -> bool {
    let everywhere = |host: &str| matches!(host, "0.0.0.0" | "::");
    one == other || everywhere(one) || everywhere(other)
}
