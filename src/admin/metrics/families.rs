//! Which metrics there are.

use std::fmt::Display;

use super::destinations::{Divided, MOST_SERIES, Sum};
use super::exposition::{Exposition, Kind};
use super::links::links;
use crate::admin::stage::Stage;
use crate::connection::FarEnd;
use crate::node::{BrokerStatus, NodeWatch};
use crate::routing::{DestinationSnapshot, LimitSnapshot};

/// All metrics, as text. Before there is a node, only that it is not ready.
pub(in crate::admin) fn metrics(stage: &Stage) -> String {
    let mut text = Exposition::default();
    text.family("ferrymq_ready", Kind::Gauge, "Whether every listener accepts: 1 or 0.")
        .sample(&[], u8::from(stage.is_ready()));
    if let Some(node) = stage.node() {
        destinations(node, &mut text);
        // After the destinations, so that the total is never less than the sum of its parts.
        broker(node, &mut text);
        links(&node.links(), |broker| node.in_doubt(broker), &mut text);
    }
    text.into_text()
}

fn broker(node: &NodeWatch, text: &mut Exposition) {
    let status = node.broker();
    let identity = &status.identity;
    let id = identity.id.to_string();
    text.family("ferrymq_broker_info", Kind::Gauge, "Who the broker is; always 1.").sample(
        &[("name", &identity.name), ("id", &id), ("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    gauge(
        text,
        "ferrymq_start_time_seconds",
        "When the broker started, in seconds since 1970.",
        Thousandths(status.started),
    );
    gauge(text, "ferrymq_memory_used_bytes", "Bytes that messages hold.", status.memory_used);
    gauge(
        text,
        "ferrymq_memory_limit_bytes",
        "Bytes at which producers have to wait.",
        status.memory_limit,
    );
    limits(&status, text);
    let (mut clients, mut brokers, mut in_process) = (0_u64, 0_u64, 0_u64);
    for connection in node.connections() {
        match connection.far_end {
            FarEnd::Client => clients += 1,
            FarEnd::Broker(_) => brokers += 1,
            FarEnd::InProcess(_) => in_process += 1,
        }
    }
    text.family(
        "ferrymq_connections",
        Kind::Gauge,
        "Connections of clients, of other brokers' bridges, and of own bridges (in_process).",
    )
    .sample(&[("kind", "client")], clients)
    .sample(&[("kind", "broker")], brokers)
    .sample(&[("kind", "in_process")], in_process);
    let totals = status.totals;
    for (name, help, value) in [
        ("ferrymq_messages_enqueued_total", "Messages taken in.", totals.enqueued),
        ("ferrymq_messages_dispatched_total", "Messages handed to consumers.", totals.dispatched),
        (
            "ferrymq_messages_acknowledged_total",
            "Messages that consumers acknowledged.",
            totals.settled,
        ),
        ("ferrymq_messages_expired_total", "Messages that expired.", totals.expired),
        (
            "ferrymq_messages_dead_lettered_total",
            "Messages that a consumer refused for good.",
            totals.dead,
        ),
        (
            "ferrymq_messages_duplicate_total",
            "Messages that a bridge brought again and that were not taken again.",
            totals.duplicates,
        ),
        (
            "ferrymq_messages_doubtful_total",
            "Messages of bridges that were taken though the audit could not tell if they were new.",
            totals.doubtful,
        ),
        (
            "ferrymq_audit_forgotten_producers_total",
            "Producers that audits have forgotten because there were too many.",
            totals.forgotten,
        ),
        (
            "ferrymq_messages_parked_total",
            "Messages that had to wait because a destination or the broker was full.",
            totals.parked,
        ),
        (
            "ferrymq_messages_too_large_total",
            "Messages that consumers of topics did not get because their frames are too small.",
            totals.too_large,
        ),
    ] {
        text.family(name, Kind::Counter, help).sample(&[], value);
    }
    let help = "Messages that brokers beyond bridges may have, held for them: at most.";
    gauge(text, "ferrymq_messages_in_doubt", help, status.in_doubt);
    let help = "Bytes of what audits remember of messages that bridges brought.";
    gauge(text, "ferrymq_audit_bytes", help, status.audit_bytes);
}

/// What the broker has only so much of.
fn limits(status: &BrokerStatus, text: &mut Exposition) {
    if let Some(space) = status.store {
        let (used, limit) = (space.used, space.limit);
        gauge(text, "ferrymq_store_used_bytes", "Bytes of the store's files in use.", used);
        if limit < u64::MAX {
            gauge(text, "ferrymq_store_limit_bytes", "Bytes at which the store is full.", limit);
        }
    }
    if let Some(space) = status.spool {
        let (used, limit) = (space.used, space.limit);
        gauge(
            text,
            "ferrymq_temp_used_bytes",
            "Bytes of the temporary store's files in use.",
            used,
        );
        gauge(text, "ferrymq_temp_limit_bytes", "Bytes at which it is full.", limit);
    }
    type Value = fn(&LimitSnapshot) -> u64;
    let families: [(&'static str, Kind, &'static str, Value); 3] = [
        (
            "ferrymq_limit_reached",
            Kind::Gauge,
            "Where a limit keeps messages out now: destinations, or 1 for the broker's.",
            |limit| limit.reached as u64,
        ),
        (
            "ferrymq_limit_waits_total",
            Kind::Counter,
            "Messages that had to wait because a limit was reached.",
            |limit| limit.waited,
        ),
        (
            "ferrymq_limit_refusals_total",
            Kind::Counter,
            "Messages that were refused because a limit was reached.",
            |limit| limit.refused,
        ),
    ];
    for (name, kind, help, value) in families {
        let mut family = text.family(name, kind, help);
        for one in &status.limits {
            family.sample(&[("limit", one.limit.name())], value(one));
        }
    }
}

fn gauge(text: &mut Exposition, name: &'static str, help: &'static str, value: impl Display) {
    text.family(name, Kind::Gauge, help).sample(&[], value);
}

fn destinations(node: &NodeWatch, text: &mut Exposition) {
    let all = node.destinations();
    let divided = Divided::new(&all, MOST_SERIES);
    text.family(
        "ferrymq_destinations",
        Kind::Gauge,
        "Living destinations: with series of their own, or added up as other, temporary, advisory.",
    )
    .sample(&[("series", "own")], divided.own.len())
    .sample(&[("series", "other")], divided.other.destinations)
    .sample(&[("series", "temporary")], divided.temporary.destinations)
    .sample(&[("series", "advisory")], divided.advisory.destinations);
    gauge(
        text,
        "ferrymq_destinations_cut",
        "Lasting destinations that have no series of their own because there are too many.",
        divided.other.destinations,
    );
    let labels: Vec<String> = divided.own.iter().map(|one| one.address.to_string()).collect();
    type Gauge = (&'static str, &'static str, fn(&Sum) -> u64);
    let gauges: [Gauge; 6] = [
        ("ferrymq_destination_waiting_messages", "Messages that wait for a consumer.", |sum| {
            sum.waiting as u64
        }),
        (
            "ferrymq_destination_on_disk_messages",
            "Those of the messages that wait which are on disk only.",
            |sum| sum.on_disk as u64,
        ),
        (
            "ferrymq_destination_damaged_messages",
            "Messages that are damaged on disk and set aside.",
            |sum| sum.set_aside as u64,
        ),
        (
            "ferrymq_destination_in_flight_messages",
            "Messages dispatched and not acknowledged.",
            |sum| sum.in_flight as u64,
        ),
        ("ferrymq_destination_consumers", "Subscriptions, those of bridges included.", |sum| {
            sum.consumers as u64
        }),
        ("ferrymq_destination_memory_used_bytes", "Bytes that its messages hold.", |sum| {
            sum.memory
        }),
    ];
    for (name, help, value) in gauges {
        let mut family = text.family(name, Kind::Gauge, help);
        for (one, label) in divided.own.iter().zip(&labels) {
            family.sample(&[("destination", label)], value(&Sum::of(one)));
        }
        for (label, sum) in divided.sums() {
            family.sample(&[("destination", label)], value(&sum));
        }
    }
    type Counter = (&'static str, &'static str, fn(&DestinationSnapshot) -> u64);
    let counters: [Counter; 7] = [
        ("ferrymq_destination_enqueued_total", "Messages taken in.", |one| one.enqueued),
        ("ferrymq_destination_dispatched_total", "Messages handed to consumers.", |one| {
            one.dispatched
        }),
        (
            "ferrymq_destination_acknowledged_total",
            "Messages that consumers acknowledged.",
            |one| one.settled,
        ),
        ("ferrymq_destination_expired_total", "Messages that expired.", |one| one.expired),
        (
            "ferrymq_destination_dead_lettered_total",
            "Messages that a consumer refused for good.",
            |one| one.dead,
        ),
        (
            "ferrymq_destination_duplicate_total",
            "Messages that a bridge brought again and that were not taken again.",
            |one| one.duplicates,
        ),
        (
            "ferrymq_destination_parked_total",
            "Messages that had to wait because the destination or the broker was full.",
            |one| one.parked,
        ),
    ];
    for (name, help, value) in counters {
        let mut family = text.family(name, Kind::Counter, help);
        for (one, label) in divided.own.iter().zip(&labels) {
            family.sample(&[("destination", label)], value(one));
        }
    }
}

/// A number of milliseconds, written in seconds.
struct Thousandths(i64);

impl Display for Thousandths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.0.max(0);
        write!(f, "{}.{:03}", whole / 1_000, whole % 1_000)
    }
}
