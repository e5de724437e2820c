//! A broker's answers as tables.

use std::time::Duration;

use serde::Serialize;

use crate::admin::answers::{
    BrokerAnswer, ConnectionAnswer, ConnectionsAnswer, DestinationAnswer, DestinationsAnswer,
    LinkAnswer, LinksAnswer,
};
use crate::cli::columns::Columns;
use crate::cli::plain::{plain, shown};
use crate::cli::quantities::{bytes, duration};

/// The kind of a connection that does not leave the process.
const IN_PROCESS: &str = "in_process";

/// What a broker does: each part as the admin API answered it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) broker: BrokerAnswer,
    pub(super) connections: ConnectionsAnswer,
    pub(super) destinations: DestinationsAnswer,
    pub(super) links: LinksAnswer,
}

impl Report {
    /// The lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.heading();
        lines.extend(self.links());
        lines.extend(self.destinations());
        lines.extend(self.connections());
        lines
    }

    fn heading(&self) -> Vec<String> {
        let broker = &self.broker;
        let listening: Vec<String> = broker.listening.iter().map(|url| shown(url)).collect();
        vec![
            format!(
                "broker {} is {}, up for {} (FerryMQ {})",
                shown(&broker.broker.name),
                shown(&broker.state),
                age(broker.uptime_ms),
                shown(&broker.version)
            ),
            format!("listening on  {}", listening.join(" ")),
            format!(
                "memory        {} of {}",
                bytes(broker.memory_used_bytes),
                bytes(broker.memory_limit_bytes)
            ),
            format!(
                "messages      {} in, {} dispatched, {} acknowledged, {} expired, {} dead",
                broker.messages.enqueued,
                broker.messages.dispatched,
                broker.messages.acknowledged,
                broker.messages.expired,
                broker.messages.dead_lettered
            ),
        ]
    }

    fn links(&self) -> Vec<String> {
        let mut table = Columns::new(&[
            "LINK",
            "STATE",
            "#FOR",
            "#PROVEN",
            "#NEXT TRY",
            "#FORWARDED",
            "#IN FLIGHT",
            "#IN DOUBT",
            "#DEMANDS",
            "REASON",
        ]);
        for link in &self.links.links {
            table.row(vec![
                title(link),
                shown(&link.state),
                age(link.in_state_ms),
                link.proven_ms_ago.map(|ago| format!("{} ago", age(ago))).unwrap_or_default(),
                link.next_try_in_ms
                    .map(|left| format!("{:.1} s", Duration::from_millis(left).as_secs_f64()))
                    .unwrap_or_default(),
                link.forwarded.to_string(),
                link.in_flight.to_string(),
                link.in_doubt.to_string(),
                link.demands.to_string(),
                link.reason.as_deref().map(plain).unwrap_or_default(),
            ]);
        }
        section(&table, self.links.links.len(), self.links.links.len() as u64)
    }

    fn destinations(&self) -> Vec<String> {
        let mut table = Columns::new(&[
            "DESTINATION",
            "#WAITING",
            "#IN FLIGHT",
            "#CONSUMERS",
            "#ENQUEUED",
            "#ACKNOWLEDGED",
            "#MEMORY",
        ]);
        let DestinationsAnswer { total, destinations } = &self.destinations;
        for DestinationAnswer {
            address,
            waiting,
            in_flight,
            consumers,
            memory_used_bytes,
            messages,
            ..
        } in destinations
        {
            table.row(vec![
                shown(address),
                waiting.to_string(),
                in_flight.to_string(),
                consumers.to_string(),
                messages.enqueued.to_string(),
                messages.acknowledged.to_string(),
                bytes(*memory_used_bytes),
            ]);
        }
        section(&table, destinations.len(), *total)
    }

    fn connections(&self) -> Vec<String> {
        let mut table = Columns::new(&[
            "CONNECTION",
            "FROM",
            "KIND",
            "#FOR",
            "#CONSUMERS",
            "#PRODUCERS",
            "#IN",
            "#OUT",
        ]);
        let now = self
            .broker
            .started_unix_ms
            .saturating_add(i64::try_from(self.broker.uptime_ms).unwrap_or(i64::MAX));
        let ConnectionsAnswer { total, connections } = &self.connections;
        for connection in connections {
            let since = now.saturating_sub(connection.since_unix_ms);
            table.row(vec![
                called(connection),
                shown(&connection.remote),
                shown(&connection.kind),
                age(u64::try_from(since).unwrap_or(0)),
                connection.consumers.to_string(),
                connection.producers.to_string(),
                connection.messages_in.to_string(),
                connection.messages_out.to_string(),
            ]);
        }
        section(&table, connections.len(), *total)
    }
}

/// A table after an empty line; nothing where there is nothing.
fn section(table: &Columns, rows: usize, total: u64) -> Vec<String> {
    if total == 0 {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines(rows));
    let left_out = total.saturating_sub(rows as u64);
    if left_out > 0 {
        lines.push(format!("… and {left_out} more"));
    }
    lines
}

/// `to-paris -> paris` (`its to-london -> paris` for the way back over a link of paris), or with the address while nobody has answered there.
fn title(link: &LinkAnswer) -> String {
    let remote = link.remote_broker.as_ref().map_or(&link.remote_uri, |remote| &remote.name);
    let whose = if link.made_by == "peer" { "its " } else { "" };
    format!("{whose}{} -> {}", shown(&link.connector), shown(remote))
}

fn called(connection: &ConnectionAnswer) -> String {
    match (&connection.broker, &connection.client_id) {
        (Some(broker), _) if connection.kind == IN_PROCESS => {
            format!("own bridge to {}", shown(&broker.name))
        }
        (Some(broker), _) => format!("bridge of {}", shown(&broker.name)),
        (None, Some(client)) => shown(client),
        (None, None) => "(not opened)".to_owned(),
    }
}

fn age(millis: u64) -> String {
    duration(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::admin::answers::{BrokerName, MessageCounts};

    fn report() -> Report {
        let broker = BrokerAnswer {
            broker: BrokerName {
                name: "london".to_owned(),
                id: "ID:london-1".to_owned(),
                url: "tcp://127.0.0.1:61616".to_owned(),
                admin: None,
            },
            version: "1.2.3".to_owned(),
            state: "ready".to_owned(),
            listening: vec!["tcp://127.0.0.1:61616".to_owned()],
            started_unix_ms: 1_000,
            uptime_ms: 125_000,
            memory_used_bytes: 1_536,
            memory_limit_bytes: 512 << 20,
            in_doubt: 4,
            audit_bytes: 0,
            connections: 1,
            destinations: 2,
            links: 1,
            messages: MessageCounts { enqueued: 5, dispatched: 3, ..MessageCounts::default() },
        };
        let connection = ConnectionAnswer {
            remote: "127.0.0.1:4000".to_owned(),
            kind: "client".to_owned(),
            client_id: Some("evil\u{1b}[2J".to_owned()),
            broker: None,
            since_unix_ms: 66_000,
            consumers: 1,
            producers: 0,
            messages_in: 0,
            messages_out: 3,
            pending_commands: 0,
        };
        let destination = DestinationAnswer {
            address: "queue://orders".to_owned(),
            kind: "queue".to_owned(),
            name: "orders".to_owned(),
            waiting: 2,
            on_disk: 0,
            damaged: 0,
            in_flight: 3,
            consumers: 1,
            memory_used_bytes: 1_536,
            messages: MessageCounts { enqueued: 5, ..MessageCounts::default() },
        };
        let link = LinkAnswer {
            connector: "to-paris".to_owned(),
            remote_uri: "tcp://paris:61616".to_owned(),
            made_by: "connector".to_owned(),
            proven_ms_ago: Some(2_000),
            remote_broker: None,
            state: "waiting_to_retry".to_owned(),
            reason: Some("connection refused".to_owned()),
            since_unix_ms: 120_000,
            in_state_ms: 6_000,
            next_try_in_ms: Some(1_500),
            forwarded: 0,
            in_flight: 0,
            in_doubt: 4,
            demands: 0,
            refused: 0,
            refused_by_reason: BTreeMap::new(),
            demand_ignored_by_reason: BTreeMap::new(),
            bytes_sent: 0,
            bytes_received: 0,
            heard_ms_ago: None,
            given_up: 0,
            duplicates: 0,
            held: 0,
            last_error: Some("connection refused".to_owned()),
        };
        Report {
            broker,
            connections: ConnectionsAnswer { total: 1, connections: vec![connection] },
            destinations: DestinationsAnswer { total: 2, destinations: vec![destination] },
            links: LinksAnswer { links: vec![link] },
        }
    }

    #[test]
    fn a_report_shows_the_broker_its_links_destinations_and_connections() {
        let expected = "\
broker london is ready, up for 2 min 5 s (FerryMQ 1.2.3)
listening on  tcp://127.0.0.1:61616
memory        1.5 KiB of 512 MiB
messages      5 in, 3 dispatched, 0 acknowledged, 0 expired, 0 dead

LINK                           STATE             FOR   PROVEN  NEXT TRY  FORWARDED  IN FLIGHT  IN DOUBT  DEMANDS  REASON
to-paris -> tcp://paris:61616  waiting_to_retry  6 s  2 s ago     1.5 s          0          0         4        0  connection refused

DESTINATION     WAITING  IN FLIGHT  CONSUMERS  ENQUEUED  ACKNOWLEDGED   MEMORY
queue://orders        2          3          1         5             0  1.5 KiB
… and 1 more

CONNECTION  FROM            KIND          FOR  CONSUMERS  PRODUCERS  IN  OUT
evil\u{fffd}[2J    127.0.0.1:4000  client  1 min 0 s          1          0   0    3";
        assert_eq!(report().lines().join("\n"), expected);
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let mut report = report();
        report.links.links.clear();
        report.destinations = DestinationsAnswer { total: 0, destinations: Vec::new() };
        report.connections = ConnectionsAnswer { total: 0, connections: Vec::new() };
        assert_eq!(report.lines().len(), 4);
    }
}
