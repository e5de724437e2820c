//! Metrics of links.

use std::collections::BTreeSet;

use ferrymq_network::connector::{LinkState, LinkStatus, MadeBy};
use ferrymq_openwire::ids::BrokerId;
use tokio::time::Instant;

use super::exposition::{Exposition, Kind};

/// How many links that other brokers made have series of their own.
const MOST_ACCEPTED: usize = 200;

/// A link and the labels of its series.
struct Labelled<'l> {
    status: &'l LinkStatus,
    connector: &'l str,
    remote: String,
}

impl Labelled<'_> {
    fn labels(&self) -> [(&'static str, &str); 2] {
        [("connector", self.connector), ("remote_uri", &self.remote)]
    }
}

/// Links are as many as the configuration lists, each with an address of its own. Those that other
/// brokers made come from another port each time: they go by the other broker's name, so that their
/// labels stay, and there is an end to them.
fn labelled(links: &[LinkStatus]) -> Vec<Labelled<'_>> {
    let mut seen = BTreeSet::new();
    let mut accepted = 0;
    let mut labelled = Vec::new();
    for status in links {
        let remote = match status.made_by {
            MadeBy::Connector => status.remote_uri.clone(),
            MadeBy::Peer => {
                accepted += 1;
                let name = status.remote_broker.as_ref().map_or("", |remote| remote.name.as_str());
                format!("accepted from {name}")
            }
        };
        let new = seen.insert((status.connector.clone(), remote.clone()));
        if new && accepted <= MOST_ACCEPTED {
            labelled.push(Labelled { status, connector: &status.connector, remote });
        }
    }
    labelled
}

/// All families of links.
/// `in_doubt` counts what a far broker may have.
pub(super) fn links(
    links: &[LinkStatus],
    in_doubt: impl Fn(&BrokerId) -> usize,
    text: &mut Exposition,
) {
    let links = labelled(links);
    let mut info = text.family(
        "ferrymq_link_info",
        Kind::Gauge,
        "The broker at the far end, as it last introduced itself; always 1.",
    );
    for link in &links {
        let remote = link.status.remote_broker.as_ref().map_or("", |remote| remote.name.as_str());
        let [connector, uri] = link.labels();
        info.sample(&[connector, uri, ("remote_broker", remote)], 1);
    }
    type Row = (&'static str, Kind, &'static str, fn(&LinkStatus) -> u64);
    let rows: [Row; 8] = [
        ("ferrymq_link_up", Kind::Gauge, "Whether messages cross: 1 or 0.", |link| {
            u64::from(matches!(link.state, LinkState::Live { .. }))
        }),
        ("ferrymq_link_demands", Kind::Gauge, "Destinations with demand beyond it.", |link| {
            link.demands as u64
        }),
        (
            "ferrymq_link_in_flight_messages",
            Kind::Gauge,
            "Messages that the remote broker has not confirmed.",
            |link| link.in_flight as u64,
        ),
        (
            "ferrymq_link_forwarded_total",
            Kind::Counter,
            "Messages that the remote broker has.",
            |link| link.forwarded,
        ),
        (
            "ferrymq_link_refused_total",
            Kind::Counter,
            "Refusals by the remote broker, each try counted.",
            |link| link.refused,
        ),
        (
            "ferrymq_link_given_up_total",
            Kind::Counter,
            "Messages given to the dead letters after refusals.",
            |link| link.given_up,
        ),
        (
            "ferrymq_link_duplicates_total",
            Kind::Counter,
            "Copies that overlapping demands brought and that did not cross.",
            |link| link.duplicates,
        ),
        (
            "ferrymq_link_held_total",
            Kind::Counter,
            "Messages that could not cross and returned to their queues.",
            |link| link.held,
        ),
    ];
    for (name, kind, help, value) in rows {
        let mut family = text.family(name, kind, help);
        for link in &links {
            family.sample(&link.labels(), value(link.status));
        }
    }
    let mut family = text.family(
        "ferrymq_link_in_doubt_messages",
        Kind::Gauge,
        "Messages that the remote broker may have from before, held until it was asked: at most.",
    );
    for link in &links {
        let remote = link.status.remote_broker.as_ref();
        family.sample(&link.labels(), remote.map_or(0, |remote| in_doubt(&remote.id)));
    }
    bytes(&links, text);
    reasons(&links, text);
    times(&links, text);
}

fn bytes(links: &[Labelled<'_>], text: &mut Exposition) {
    let mut family = text.family(
        "ferrymq_link_bytes_total",
        Kind::Counter,
        "Bytes that the link has carried, by direction: sent or received.",
    );
    for link in links {
        let [connector, uri] = link.labels();
        let status = link.status;
        for (direction, bytes) in [("sent", status.bytes_sent), ("received", status.bytes_received)]
        {
            family.sample(&[connector, uri, ("direction", direction)], bytes);
        }
    }
}

/// Reasons are words from short lists, so that labels stay few whatever a peer says.
fn reasons(links: &[Labelled<'_>], text: &mut Exposition) {
    let mut family = text.family(
        "ferrymq_link_refusals_total",
        Kind::Counter,
        "Refusals by the remote broker, each try counted, by reason.",
    );
    for link in links {
        let [connector, uri] = link.labels();
        for (reason, count) in &link.status.refused_by {
            family.sample(&[connector, uri, ("reason", reason)], count);
        }
    }
    let mut family = text.family(
        "ferrymq_link_demand_ignored_total",
        Kind::Counter,
        "Consumers beyond the link that were announced and not followed, by the verdict on them.",
    );
    for link in links {
        let [connector, uri] = link.labels();
        for (reason, count) in &link.status.ignored_by {
            family.sample(&[connector, uri, ("reason", reason)], count);
        }
    }
}

fn times(links: &[Labelled<'_>], text: &mut Exposition) {
    type Row = (&'static str, &'static str, fn(&LinkStatus, Instant) -> Option<f64>);
    let rows: [Row; 3] = [
        (
            "ferrymq_link_proven_age_seconds",
            "Since the remote broker last answered through its core; absent without a live link.",
            |link, now| link.proven.map(|at| now.saturating_duration_since(at).as_secs_f64()),
        ),
        (
            "ferrymq_link_heard_age_seconds",
            "Since the remote broker last sent anything; absent without a link.",
            |link, now| link.heard.map(|at| now.saturating_duration_since(at).as_secs_f64()),
        ),
        (
            "ferrymq_link_next_try_seconds",
            "Until the next attempt of a link that is down; absent where none is waited for.",
            |link, now| match link.state {
                LinkState::WaitingToRetry { until, .. } => {
                    Some(until.saturating_duration_since(now).as_secs_f64())
                }
                _ => None,
            },
        ),
    ];
    let now = Instant::now();
    for (name, help, value) in rows {
        let mut family = text.family(name, Kind::Gauge, help);
        for link in links {
            if let Some(value) = value(link.status, now) {
                family.sample(&link.labels(), format_args!("{value:.3}"));
            }
        }
    }
}
