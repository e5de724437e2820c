//! A topology as text, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::spec::{BrokerIndex, Topology};

/// Which way the links between two brokers lead, the one that comes first in the file on the
/// left.
#[derive(Debug, Clone, Copy, Default)]
struct Ways {
    right: bool,
    left: bool,
}

/// One line for each two brokers that are linked: `london <=> paris`.
pub fn links(topology: &Topology) -> Vec<String> {
    let mut ways: BTreeMap<(BrokerIndex, BrokerIndex), Ways> = BTreeMap::new();
    for link in &topology.links {
        for &to in &link.to {
            let ends = (link.from.min(to), link.from.max(to));
            let ways = ways.entry(ends).or_default();
            ways.right |= link.from < to || link.connector.duplex;
            ways.left |= link.from > to || link.connector.duplex;
        }
    }
    let width = ways.keys().map(|(left, _)| topology.name_of(*left).len()).max().unwrap_or(0);
    ways.into_iter()
        .map(|((left, right), ways)| {
            let arrow = match ways {
                Ways { right: true, left: true } => "<=>",
                Ways { right: true, .. } => "-->",
                Ways { .. } => "<--",
            };
            format!("{:width$} {arrow} {}", topology.name_of(left), topology.name_of(right))
        })
        .collect()
}

/// One line: `two-sites: 2 brokers, 2 links, 1 producer, 1 consumer`.
pub fn summary(topology: &Topology) -> String {
    let mut text = format!("topology {}", topology.name);
    let counts = [
        (topology.brokers.len(), "broker"),
        (topology.links.len(), "link"),
        (topology.producers.len(), "producer"),
        (topology.consumers.len(), "consumer"),
    ];
    for (position, (count, word)) in counts.into_iter().enumerate() {
        let comma = if position == 0 { ":" } else { "," };
        let plural = if count == 1 { "" } else { "s" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma} {count} {word}{plural}");
    }
    text
}
