//! What the node shows, put into the API's words.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrymq_network::BrokerIdentity;
use ferrymq_network::connector::{LinkState, LinkStatus, MadeBy};
use tokio::time::Instant;

use super::answers::{
    BridgeTo, BridgedFrom, BrokerAnswer, BrokerName, ConnectionAnswer, ConnectionsAnswer,
    DestinationAnswer, DestinationsAnswer, LinkAnswer, LinksAnswer, MessageCounts, NetworkAnswer,
    SubscriptionAnswer, SubscriptionsAnswer, TransactionAnswer, TransactionsAnswer,
};
use crate::connection::{ConnectionSnapshot, FarEnd};
use crate::node::NodeWatch;
use crate::routing::{DestinationSnapshot, DurableSnapshot, Totals};
use crate::transaction::{BranchSnapshot, Phase};

/// The broker as a whole; `state` is the node's.
pub(super) fn broker(node: &NodeWatch, state: &str) -> BrokerAnswer {
    let status = node.broker();
    BrokerAnswer {
        broker: name(&status.identity),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: state.to_owned(),
        listening: status.listening.iter().map(|endpoint| endpoint.bare().to_string()).collect(),
        started_unix_ms: status.started,
        uptime_ms: millis(status.uptime),
        memory_used_bytes: status.memory_used,
        memory_limit_bytes: status.memory_limit,
        in_doubt: status.in_doubt as u64,
        audit_bytes: status.audit_bytes as u64,
        connections: status.connections as u64,
        destinations: status.destinations as u64,
        links: node.links().len() as u64,
        messages: counts(&status.totals),
    }
}

/// The first `limit` connections.
pub(super) fn connections(node: &NodeWatch, limit: usize) -> ConnectionsAnswer {
    let all = node.connections();
    ConnectionsAnswer {
        total: all.len() as u64,
        connections: all.iter().take(limit).map(connection).collect(),
    }
}

fn connection(snapshot: &ConnectionSnapshot) -> ConnectionAnswer {
    let (kind, broker) = match &snapshot.far_end {
        FarEnd::Client => ("client", None),
        FarEnd::Broker(broker) => ("broker", Some(broker)),
        FarEnd::InProcess(broker) => ("in_process", broker.as_ref()),
    };
    ConnectionAnswer {
        remote: snapshot.remote.clone(),
        kind: kind.to_owned(),
        client_id: snapshot.client_id.clone(),
        broker: broker.map(name),
        since_unix_ms: snapshot.since,
        consumers: snapshot.consumers as u64,
        producers: snapshot.producers as u64,
        messages_in: snapshot.messages_in,
        messages_out: snapshot.messages_out,
        pending_commands: snapshot.pending as u64,
    }
}

/// The first `limit` destinations, in order of what waits at them.
pub(super) fn destinations(node: &NodeWatch, limit: usize) -> DestinationsAnswer {
    let mut all = node.destinations();
    // They come by address, and stay so where equally much waits.
    all.sort_by_key(|destination| std::cmp::Reverse(destination.waiting));
    DestinationsAnswer {
        total: all.len() as u64,
        destinations: all.iter().take(limit).map(destination).collect(),
    }
}

fn destination(snapshot: &DestinationSnapshot) -> DestinationAnswer {
    let address = &snapshot.address;
    let totals = Totals {
        enqueued: snapshot.enqueued,
        dispatched: snapshot.dispatched,
        settled: snapshot.settled,
        expired: snapshot.expired,
        dead: snapshot.dead,
        duplicates: snapshot.duplicates,
        doubtful: snapshot.doubtful,
        forgotten: snapshot.forgotten,
        parked: snapshot.parked,
        too_large: snapshot.too_large,
    };
    DestinationAnswer {
        address: address.to_string(),
        kind: address.kind().prefix().trim_end_matches("://").to_owned(),
        name: address.name().to_string(),
        waiting: snapshot.waiting as u64,
        on_disk: snapshot.on_disk as u64,
        damaged: snapshot.set_aside as u64,
        in_flight: snapshot.in_flight as u64,
        consumers: snapshot.consumers as u64,
        memory_used_bytes: snapshot.memory,
        messages: counts(&totals),
    }
}

/// The first `limit` durable subscriptions, in order of what waits for them.
pub(super) fn subscriptions(node: &NodeWatch, limit: usize) -> SubscriptionsAnswer {
    let mut all = node.durable_subscriptions();
    all.sort_by_key(|subscription| std::cmp::Reverse(subscription.waiting));
    SubscriptionsAnswer {
        total: all.len() as u64,
        subscriptions: all.iter().take(limit).map(subscription).collect(),
    }
}

fn subscription(snapshot: &DurableSnapshot) -> SubscriptionAnswer {
    SubscriptionAnswer {
        client_id: snapshot.name.client.to_string(),
        name: snapshot.name.name.to_string(),
        address: snapshot.address.to_string(),
        selector: snapshot.selector.as_ref().map(ToString::to_string),
        consumer: snapshot.consumer.as_ref().map(ToString::to_string),
        network: snapshot.network,
        waiting: snapshot.waiting as u64,
        on_disk: snapshot.on_disk as u64,
        damaged: snapshot.set_aside as u64,
        in_flight: snapshot.in_flight as u64,
        enqueued: snapshot.enqueued,
        dispatched: snapshot.dispatched,
        acknowledged: snapshot.settled,
    }
}

/// The first `limit` branches that wait for their coordinators.
pub(super) fn transactions(node: &NodeWatch, limit: usize) -> TransactionsAnswer {
    let (all, now) = (node.prepared_branches(), node.now_millis());
    TransactionsAnswer {
        total: all.len() as u64,
        transactions: all.iter().take(limit).map(|branch| transaction(branch, now)).collect(),
    }
}

fn transaction(branch: &BranchSnapshot, now: i64) -> TransactionAnswer {
    let state = match branch.phase {
        Phase::Active => "active",
        Phase::Prepared => "prepared",
        Phase::HeuristicallyCommitted => "heuristically_committed",
        Phase::HeuristicallyRolledBack => "heuristically_rolled_back",
    };
    TransactionAnswer {
        id: branch.id.to_string(),
        state: state.to_owned(),
        connection_id: branch.connection.to_string(),
        since_unix_ms: branch.since,
        in_state_ms: u64::try_from(now.saturating_sub(branch.since)).unwrap_or(0),
    }
}

/// All links.
pub(super) fn links(node: &NodeWatch) -> LinksAnswer {
    let (now, now_unix) = (Instant::now(), node.now_millis());
    let answer = |status: &LinkStatus| {
        let remote = status.remote_broker.as_ref();
        let in_doubt = remote.map_or(0, |remote| node.in_doubt(&remote.id));
        LinkAnswer { in_doubt: in_doubt as u64, ..link(status, now, now_unix) }
    };
    LinksAnswer { links: node.links().iter().map(answer).collect() }
}

fn link(status: &LinkStatus, now: Instant, now_unix: i64) -> LinkAnswer {
    let in_state = millis(now.saturating_duration_since(status.since));
    LinkAnswer {
        connector: status.connector.clone(),
        remote_uri: status.remote_uri.clone(),
        made_by: match status.made_by {
            MadeBy::Connector => "connector".to_owned(),
            MadeBy::Peer => "peer".to_owned(),
        },
        remote_broker: status.remote_broker.as_ref().map(name),
        state: state(&status.state).to_owned(),
        proven_ms_ago: status.proven.map(|at| millis(now.saturating_duration_since(at))),
        reason: reason(&status.state),
        since_unix_ms: now_unix.saturating_sub(i64::try_from(in_state).unwrap_or(i64::MAX)),
        in_state_ms: in_state,
        next_try_in_ms: next_try(&status.state, now),
        forwarded: status.forwarded,
        in_flight: status.in_flight as u64,
        in_doubt: 0,
        demands: status.demands as u64,
        refused: status.refused,
        refused_by_reason: by_reason(&status.refused_by),
        demand_ignored_by_reason: by_reason(&status.ignored_by),
        bytes_sent: status.bytes_sent,
        bytes_received: status.bytes_received,
        heard_ms_ago: status.heard.map(|at| millis(now.saturating_duration_since(at))),
        given_up: status.given_up,
        duplicates: status.duplicates,
        held: status.held,
        last_error: status.last_error.clone(),
    }
}

fn by_reason(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

/// Why a link is down, where it is.
fn reason(state: &LinkState) -> Option<String> {
    match state {
        LinkState::WaitingToRetry { reason, .. }
        | LinkState::Standby { reason }
        | LinkState::GivenUp { reason } => Some(reason.clone()),
        _ => None,
    }
}

/// Until the next attempt, where one is waited for.
pub(super) fn next_try(state: &LinkState, now: Instant) -> Option<u64> {
    match state {
        LinkState::WaitingToRetry { until, .. } => {
            Some(millis(until.saturating_duration_since(now)))
        }
        _ => None,
    }
}

fn state(state: &LinkState) -> &'static str {
    match state {
        LinkState::Connecting => "connecting",
        LinkState::Handshaking => "handshaking",
        LinkState::Live { .. } => "live",
        LinkState::WaitingToRetry { .. } => "waiting_to_retry",
        LinkState::Standby { .. } => "standby",
        LinkState::GivenUp { .. } => "given_up",
        LinkState::Stopped => "stopped",
    }
}

/// The network as this broker knows it.
pub(super) fn network(node: &NodeWatch) -> NetworkAnswer {
    let now = Instant::now();
    let bridges_to = node.links().into_iter().map(|status| BridgeTo {
        state: state(&status.state).to_owned(),
        reason: reason(&status.state),
        in_state_ms: millis(now.saturating_duration_since(status.since)),
        next_try_in_ms: next_try(&status.state, now),
        forwarded: status.forwarded,
        in_flight: status.in_flight as u64,
        remote_broker: status.remote_broker.as_ref().map(name),
        remote_product: status.remote_product,
        connector: status.connector,
        remote_uri: status.remote_uri,
    });
    let bridged_from = node.connections().into_iter().filter_map(|connection| {
        let FarEnd::Broker(broker) = &connection.far_end else { return None };
        Some(BridgedFrom {
            broker: name(broker),
            product: connection.product,
            remote: connection.remote,
            since_unix_ms: connection.since,
        })
    });
    NetworkAnswer {
        broker: name(&node.broker().identity),
        bridges_to: bridges_to.collect(),
        bridged_from: bridged_from.collect(),
    }
}

pub(super) fn name(identity: &BrokerIdentity) -> BrokerName {
    BrokerName {
        name: identity.name.clone(),
        id: identity.id.to_string(),
        url: identity.url.clone(),
        admin: identity.admin.clone(),
    }
}

fn counts(totals: &Totals) -> MessageCounts {
    MessageCounts {
        enqueued: totals.enqueued,
        dispatched: totals.dispatched,
        acknowledged: totals.settled,
        expired: totals.expired,
        dead_lettered: totals.dead,
        duplicates: totals.duplicates,
        doubtful: totals.doubtful,
        audit_forgotten_producers: totals.forgotten,
        too_large: totals.too_large,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
