//! What the author of a topology probably did not mean.
//!
//! Only a network with all brokers and links up is looked at, and what one broker's loss does to
//! it. What depends on time (bursts, back-off, faults) is not: that needs a simulation.

use std::collections::{BTreeMap, BTreeSet};

use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_transport::names::nearest;

use crate::document::problem::{Problem, Severity};
use crate::document::source::{Source, Span};

use super::explain::{Step, reason};
use super::graph::{Crossing, Graph, Hop, Limit};
use super::spec::{BrokerIndex, LinkSpec, ProducerSpec, Topology};

/// What is wrong or doubtful, in the order of the file. Errors mean that some workload of the
/// file cannot do what it is there for.
pub fn check(topology: &Topology, source: &Source) -> Vec<Problem> {
    let mut findings = Findings { source, seen: BTreeMap::new(), problems: Vec::new() };
    let pairs = deliveries(topology, &mut findings);
    idle_consumers(topology, &mut findings);
    replies(topology, &pairs, &mut findings);
    single_points_of_failure(topology, &pairs, &mut findings);
    overload(topology, &pairs, &mut findings);
    backlog(topology, &mut findings);
    islands(topology, &mut findings);
    findings.finish()
}

/// A producer's messages that reach a consumer's broker.
struct Pair<'t> {
    producer: &'t ProducerSpec,
    consumer: BrokerIndex,
    /// The brokers on the way, both ends included.
    way: Vec<BrokerIndex>,
    /// Messages in a second that take it.
    rate: f64,
}

fn deliveries<'t>(topology: &'t Topology, findings: &mut Findings<'_>) -> Vec<Pair<'t>> {
    let mut pairs = Vec::new();
    for producer in &topology.producers {
        let consumers = topology.consumers.iter().filter(|c| c.from.matches(&producer.to));
        let at: BTreeMap<BrokerIndex, &Span> = consumers.map(|c| (c.at, &c.span)).collect();
        if at.is_empty() {
            nobody_consumes(topology, producer, findings);
            continue;
        }
        let view = View::of(topology, &producer.to);
        let mut reached = Vec::new();
        let mut missed = Vec::new();
        for (&consumer, &span) in &at {
            match view.way(producer.at, consumer, None) {
                Some(way) => reached.push((consumer, way)),
                None => missed.push((consumer, span)),
            }
        }
        // A queue's messages are safe as long as somebody gets them; a topic's are for everybody.
        let severity = match producer.to.kind().is_queue() && !reached.is_empty() {
            true => Severity::Warning,
            false => Severity::Error,
        };
        for (consumer, span) in missed {
            let graph = &view.graph;
            let why = reason(topology, graph, &view.steps, &producer.to, producer.at, consumer);
            let what = format!(
                "{} from `{}` does not reach the consumer on `{}`",
                producer.to,
                topology.name_of(producer.at),
                topology.name_of(consumer)
            );
            findings.add(severity, why.span.as_ref().unwrap_or(span), what, Some(why.text));
        }
        let share = if producer.to.kind().is_queue() { reached.len().max(1) as f64 } else { 1.0 };
        for (consumer, way) in reached {
            pairs.push(Pair { producer, consumer, way, rate: producer.rate / share });
        }
    }
    pairs
}

fn nobody_consumes(topology: &Topology, producer: &ProducerSpec, findings: &mut Findings<'_>) {
    let wanted: Vec<String> = topology.consumers.iter().map(|c| c.from.to_string()).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let hint = match nearest(&producer.to.to_string(), &wanted) {
        Some(near) => format!("a consumer wants `{near}`"),
        None => "add a [[consumer]], or let clients of your own consume it".to_owned(),
    };
    let what = format!("nobody consumes {}", producer.to);
    findings.add(Severity::Warning, &producer.span, what, Some(hint));
}

fn idle_consumers(topology: &Topology, findings: &mut Findings<'_>) {
    if topology.producers.is_empty() {
        return;
    }
    for consumer in &topology.consumers {
        if !topology.producers.iter().any(|producer| consumer.from.matches(&producer.to)) {
            let what = format!("nothing is sent to {}", consumer.from);
            findings.add(Severity::Warning, &consumer.span, what, None);
        }
    }
}

/// Requests that arrive, but whose replies to a temporary queue do not.
fn replies(topology: &Topology, pairs: &[Pair<'_>], findings: &mut Findings<'_>) {
    let temporary = Destination::new(DestinationKind::TempQueue, "reply");
    let view = View::of(topology, &temporary);
    let mut seen = BTreeSet::new();
    for Pair { producer, consumer, .. } in pairs {
        let returns = || view.way(*consumer, producer.at, None).is_some();
        if !seen.insert((*consumer, producer.at)) || returns() {
            continue;
        }
        let why = reason(topology, &view.graph, &view.steps, &temporary, *consumer, producer.at);
        let what = format!(
            "requests from `{}` to `{}` would get no reply",
            topology.name_of(producer.at),
            topology.name_of(*consumer)
        );
        let span = why.span.unwrap_or_else(|| producer.span.clone());
        findings.add(Severity::Warning, &span, what, Some(why.text));
    }
}

fn single_points_of_failure(topology: &Topology, pairs: &[Pair<'_>], findings: &mut Findings<'_>) {
    let mut cut: BTreeMap<BrokerIndex, Vec<&Pair<'_>>> = BTreeMap::new();
    let mut views: BTreeMap<&Destination, View<'_>> = BTreeMap::new();
    for pair in pairs {
        let destination = &pair.producer.to;
        let view = views.entry(destination).or_insert_with(|| View::of(topology, destination));
        for &broker in pair.way.iter().filter(|b| **b != pair.producer.at && **b != pair.consumer) {
            if view.way(pair.producer.at, pair.consumer, Some(broker)).is_none() {
                cut.entry(broker).or_default().push(pair);
            }
        }
    }
    for (broker, pairs) in cut {
        let (Some(spec), Some(pair)) = (topology.broker(broker), pairs.first()) else { continue };
        let what = format!("`{}` is a single point of failure", spec.name);
        let mut text = format!(
            "without it {} does not get from `{}` to `{}`",
            pair.producer.to,
            topology.name_of(pair.producer.at),
            topology.name_of(pair.consumer)
        );
        match pairs.len() - 1 {
            0 => {}
            1 => text.push_str(", and another way is cut"),
            others => text.push_str(&format!(", and {others} other ways are cut")),
        }
        findings.add(Severity::Warning, &spec.span, what, Some(text));
    }
}

fn overload(topology: &Topology, pairs: &[Pair<'_>], findings: &mut Findings<'_>) {
    let mut load: BTreeMap<BrokerIndex, f64> = BTreeMap::new();
    for pair in pairs {
        for &broker in &pair.way {
            *load.entry(broker).or_default() += pair.rate;
        }
    }
    for (broker, load) in load {
        let Some(spec) = topology.broker(broker) else { continue };
        if let Some(capacity) = spec.messages_per_second.filter(|capacity| load > *capacity) {
            let what = format!("`{}` would carry more than it can", spec.name);
            let hint = format!("about {load:.0} messages a second pass it, it can {capacity:.0}");
            findings.add(Severity::Warning, &spec.span, what, Some(hint));
        }
    }
}

/// Queues that get more than their consumers take.
fn backlog(topology: &Topology, findings: &mut Findings<'_>) {
    let mut sent: BTreeMap<&Destination, (f64, &Span)> = BTreeMap::new();
    // What has an end may well be meant to pile up first.
    let endless = topology.producers.iter().filter(|producer| producer.count.is_none());
    for producer in endless.filter(|producer| producer.to.kind().is_queue()) {
        sent.entry(&producer.to).or_insert((0.0, &producer.span)).0 += producer.rate;
    }
    for (destination, (sent, span)) in sent {
        let consumers: Vec<_> =
            topology.consumers.iter().filter(|c| c.from.matches(destination)).collect();
        let taken: Option<f64> = consumers.iter().map(|consumer| consumer.rate).sum();
        if let Some(taken) = taken.filter(|taken| !consumers.is_empty() && sent > *taken) {
            let what = format!("{destination} grows without end");
            let hint = format!("{sent} messages a second are sent, {taken} are consumed");
            findings.add(Severity::Warning, span, what, Some(hint));
        }
    }
}

fn islands(topology: &Topology, findings: &mut Findings<'_>) {
    if topology.brokers.len() < 2 {
        return;
    }
    let linked: BTreeSet<BrokerIndex> =
        topology.links.iter().flat_map(|link| link.to.iter().copied().chain([link.from])).collect();
    for (index, broker) in topology.brokers.iter().enumerate() {
        if !linked.contains(&BrokerIndex(index)) {
            let what = format!("no link has anything to do with `{}`", broker.name);
            findings.add(Severity::Warning, &broker.span, what, None);
        }
    }
}

/// The network as one destination sees it.
struct View<'t> {
    steps: Vec<Step<'t>>,
    graph: Graph,
}

impl<'t> View<'t> {
    fn of(topology: &'t Topology, destination: &Destination) -> Self {
        let mut steps = Vec::new();
        let mut hops = Vec::new();
        for link in &topology.links {
            let crossing = crossing(link, destination);
            for &to in &link.to {
                let back = link.connector.duplex.then_some((to, link.from));
                for (from, to) in [(link.from, to)].into_iter().chain(back) {
                    steps.push(Step { link, to });
                    hops.push(Hop {
                        from: from.0,
                        to: to.0,
                        crossing,
                        message_ttl: limit(link.connector.message_ttl),
                        consumer_ttl: limit(link.connector.consumer_ttl),
                    });
                }
            }
        }
        Self { steps, graph: Graph::new(topology.brokers.len(), hops) }
    }

    /// The brokers on a shortest way, both ends included.
    fn way(
        &self,
        from: BrokerIndex,
        to: BrokerIndex,
        without: Option<BrokerIndex>,
    ) -> Option<Vec<BrokerIndex>> {
        let hops = self.graph.route(from.0, to.0, without.map(|broker| broker.0))?;
        let steps = hops.into_iter().filter_map(|hop| self.steps.get(hop));
        Some([from].into_iter().chain(steps.map(|step| step.to)).collect())
    }
}

fn crossing(link: &LinkSpec, destination: &Destination) -> Crossing {
    let permits = link.connector.permits();
    if !permits.verdict(destination).may_cross() {
        return Crossing::Barred;
    }
    let always = permits.statically_included.iter().any(|pattern| pattern.matches(destination));
    if always { Crossing::Always } else { Crossing::OnDemand }
}

fn limit(ttl: i32) -> Limit {
    u32::try_from(ttl).map_or(Limit::None, Limit::Hops)
}

/// Findings on their way to the reader; many of a kind at one place (a group's) are cut short.
struct Findings<'s> {
    source: &'s Source,
    seen: BTreeMap<(usize, Severity), usize>,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    /// More findings of one severity at one place are counted, not listed.
    const LISTED: usize = 4;

    fn add(&mut self, severity: Severity, span: &Span, what: String, hint: Option<String>) {
        let place = self.source.place(span);
        let problem = Problem { severity, place, what, hint };
        if self.problems.contains(&problem) {
            return;
        }
        let seen = self.seen.entry((span.start, severity)).or_default();
        *seen += 1;
        if *seen <= Self::LISTED {
            self.problems.push(problem);
        }
    }

    fn finish(mut self) -> Vec<Problem> {
        for ((start, severity), seen) in std::mem::take(&mut self.seen) {
            if seen > Self::LISTED {
                let what = format!("{} more like this", seen - Self::LISTED);
                let place = self.source.place(&(start..start));
                self.problems.push(Problem { severity, place, what, hint: None });
            }
        }
        self.problems.sort_by_key(|problem| (problem.place.line, problem.severity));
        self.problems
    }
}
