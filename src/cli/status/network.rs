//! A network as tables.

use std::time::Duration;

use crate::admin::walk::{NetworkMap, Seen, SeenBroker, SeenLink};
use crate::cli::columns::Columns;
use crate::cli::plain::{plain, shown};
use crate::cli::quantities::duration;

/// The lines for people.
pub(super) fn lines(map: &NetworkMap) -> Vec<String> {
    let live = map.links.iter().filter(|seen| seen.link.state == "live").count();
    let known = match map.brokers.len() {
        1 => "1 broker".to_owned(),
        many => format!("{many} brokers"),
    };
    let mut lines = vec![format!("{known}, {live} of {} links live", map.links.len())];
    for name in &map.shared_names {
        let ids: Vec<String> = map
            .brokers
            .iter()
            .filter(|seen| seen.broker.name == *name)
            .map(|seen| shown(&seen.broker.id))
            .collect();
        lines.push(format!(
            "warning: {} brokers call themselves {}: {}",
            ids.len(),
            shown(name),
            ids.join(" and ")
        ));
    }
    if map.cut_short {
        lines.push("warning: the walk ended before it had asked everyone".to_owned());
    }
    lines.push(String::new());
    lines.extend(brokers(map));
    if !map.links.is_empty() {
        lines.push(String::new());
        lines.extend(links(map));
    }
    lines
}

fn brokers(map: &NetworkMap) -> Vec<String> {
    let mut table = Columns::new(&[
        "BROKER",
        "SOFTWARE",
        "STATE",
        "#UP FOR",
        "#CONNECTIONS",
        "ADMIN",
        "REASON",
    ]);
    for SeenBroker { broker, product, asked_at, seen, reason, status } in &map.brokers {
        let state = match (seen, status) {
            (Seen::Answered, Some(status)) => shown(&status.state),
            (Seen::Answered, None) | (Seen::Silent, _) => "silent".to_owned(),
            (Seen::NotAsked, _) => "not asked".to_owned(),
        };
        let up = status.as_ref().map(|status| age(status.uptime_ms)).unwrap_or_default();
        let connections = status.as_ref().map(|status| status.connections.to_string());
        table.row(vec![
            shown(&broker.name),
            product.as_deref().map_or_else(|| "unknown".to_owned(), shown),
            state,
            up,
            connections.unwrap_or_default(),
            asked_at.as_deref().map(shown).unwrap_or_default(),
            reason.as_deref().map(plain).unwrap_or_default(),
        ]);
    }
    table.lines(map.brokers.len())
}

fn links(map: &NetworkMap) -> Vec<String> {
    let mut table = Columns::new(&[
        "LINK",
        "CONNECTOR",
        "STATE",
        "#FOR",
        "#NEXT TRY",
        "#FORWARDED",
        "#IN FLIGHT",
        "REASON",
    ]);
    for SeenLink { from, link } in &map.links {
        let remote = link.remote_broker.as_ref().map_or(&link.remote_uri, |remote| &remote.name);
        let next = link.next_try_in_ms.map(Duration::from_millis);
        table.row(vec![
            format!("{} -> {}", shown(&from.name), shown(remote)),
            shown(&link.connector),
            shown(&link.state),
            age(link.in_state_ms),
            next.map(|left| format!("{:.1} s", left.as_secs_f64())).unwrap_or_default(),
            link.forwarded.to_string(),
            link.in_flight.to_string(),
            link.reason.as_deref().map(plain).unwrap_or_default(),
        ]);
    }
    table.lines(map.links.len())
}

fn age(millis: u64) -> String {
    duration(Duration::from_millis(millis))
}
