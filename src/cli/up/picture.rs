//! A running topology at one moment, as it is shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::connector::{LinkState, LinkStatus};
use ferrymq_network::topology::spec::Topology;
use tokio::time::Instant;

use crate::cli::columns::Columns;
use crate::cli::quantities::{bytes, duration};
use crate::node::{Node, NodeStatus};
use crate::routing::DestinationSnapshot;

use super::workload::{Progress, Standing};

/// What is looked at to make pictures.
pub(super) struct Scene<'r> {
    /// What the file says.
    pub(super) topology: &'r Topology,
    /// The brokers that run here.
    pub(super) nodes: &'r [Node],
    /// The producers and consumers that run here, by what they are called.
    pub(super) workloads: &'r [(String, Arc<Progress>)],
    /// When everything ran.
    pub(super) start: Instant,
}

/// A running topology at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    name: String,
    running: Duration,
    brokers: Vec<BrokerRow>,
    links: Vec<LinkRow>,
    workloads: Vec<WorkloadRow>,
}

#[derive(Debug, Clone, PartialEq)]
struct BrokerRow {
    name: String,
    url: String,
    connections: usize,
    waiting: usize,
    in_flight: usize,
    memory: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct LinkRow {
    /// `london -> paris`.
    title: String,
    state: String,
    forwarded: u64,
    in_flight: usize,
    demands: usize,
    refused: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct WorkloadRow {
    title: String,
    standing: Standing,
    messages: u64,
}

impl Scene<'_> {
    /// What it looks like now.
    pub(super) fn picture(&self) -> Picture {
        let now = Instant::now();
        let statuses: Vec<NodeStatus> = self.nodes.iter().map(Node::status).collect();
        let names: BTreeMap<String, &str> = self
            .topology
            .brokers
            .iter()
            .map(|broker| (broker.dialled().bare().to_string(), broker.name.as_str()))
            .collect();
        let links = statuses.iter().flat_map(|status| {
            status.links.iter().map(|link| LinkRow::of(&status.name, link, &names, now))
        });
        let workloads = self.workloads.iter().map(|(title, progress)| WorkloadRow {
            title: title.clone(),
            standing: progress.standing(),
            messages: progress.messages(),
        });
        Picture {
            name: self.topology.name.clone(),
            running: now.duration_since(self.start),
            brokers: self.nodes.iter().zip(&statuses).map(BrokerRow::of).collect(),
            links: links.collect(),
            workloads: workloads.collect(),
        }
    }
}

impl BrokerRow {
    fn of((node, status): (&Node, &NodeStatus)) -> Self {
        let addresses: Vec<String> =
            node.listening().iter().map(|endpoint| endpoint.bare().to_string()).collect();
        // What the broker tells about itself is settled late and in groups: no news to anybody.
        let own = |destination: &&DestinationSnapshot| {
            destination.address.name().as_bytes().starts_with(b"ActiveMQ.Advisory.")
        };
        let destinations = || status.destinations.iter().filter(|destination| !own(destination));
        Self {
            name: status.name.clone(),
            url: addresses.join(" "),
            connections: status.connections,
            waiting: destinations().map(|destination| destination.waiting).sum(),
            in_flight: destinations().map(|destination| destination.in_flight).sum(),
            memory: status.memory,
        }
    }
}

impl LinkRow {
    fn of(owner: &str, link: &LinkStatus, names: &BTreeMap<String, &str>, now: Instant) -> Self {
        let remote = match (&link.remote_broker, names.get(&link.remote_uri)) {
            (Some(remote), _) => &remote.name,
            (None, Some(name)) => *name,
            (None, None) => &link.remote_uri,
        };
        let state = match &link.state {
            LinkState::Live { since } => {
                format!("live for {}", duration(now.duration_since(*since)))
            }
            LinkState::WaitingToRetry { reason, until } => {
                let left = until.saturating_duration_since(now).as_secs_f64().ceil();
                format!("down, next try in {left:.0} s: {reason}")
            }
            state => state.to_string(),
        };
        Self {
            title: format!("{owner} -> {remote}"),
            state,
            forwarded: link.forwarded,
            in_flight: link.in_flight,
            demands: link.demands,
            refused: link.refused,
        }
    }

    /// The state without what changes by itself from one second to the next.
    fn settled_state(&self) -> &str {
        if self.state.starts_with("live") {
            return "live";
        }
        match (self.state.starts_with("down"), self.state.split_once(": ")) {
            (true, Some((_, reason))) => reason,
            _ => &self.state,
        }
    }
}

impl WorkloadRow {
    fn standing(&self) -> String {
        match &self.standing {
            Standing::Connecting => "connecting".to_owned(),
            Standing::Working => "at work".to_owned(),
            Standing::Down(reason) => format!("down: {reason}"),
            Standing::Done => "done".to_owned(),
        }
    }
}

impl Picture {
    /// The whole picture, in at most `room` lines.
    pub(super) fn lines(&self, earlier: Option<&Self>, room: usize) -> Vec<String> {
        let mut brokers =
            Columns::new(&["BROKER", "URL", "#CONNECTIONS", "#WAITING", "#IN FLIGHT", "#MEMORY"]);
        for row in &self.brokers {
            brokers.row(vec![
                row.name.clone(),
                row.url.clone(),
                row.connections.to_string(),
                row.waiting.to_string(),
                row.in_flight.to_string(),
                bytes(row.memory),
            ]);
        }
        let mut links =
            Columns::new(&["LINK", "#FORWARDED", "#IN FLIGHT", "#DEMANDS", "#REFUSED", "STATE"]);
        for row in &self.links {
            links.row(vec![
                row.title.clone(),
                row.forwarded.to_string(),
                row.in_flight.to_string(),
                row.demands.to_string(),
                row.refused.to_string(),
                row.state.clone(),
            ]);
        }
        let mut workloads = Columns::new(&["WORKLOAD", "#MESSAGES", "#PER SECOND", "STATE"]);
        for row in &self.workloads {
            workloads.row(vec![
                row.title.clone(),
                row.messages.to_string(),
                self.per_second(row, earlier).map_or_else(String::new, |rate| format!("{rate:.0}")),
                row.standing(),
            ]);
        }
        let tables = [
            (brokers, self.brokers.len()),
            (links, self.links.len()),
            (workloads, self.workloads.len()),
        ];
        let filled = tables.iter().filter(|(_, rows)| *rows > 0).count().max(1);
        // Besides its rows, a table takes a heading and an empty line.
        let most = (room.saturating_sub(1) / filled).saturating_sub(2).max(2);
        let all: usize = tables.iter().map(|(_, rows)| rows + 2).sum();
        let mut lines =
            vec![format!("{}: up for {}. Ctrl-C stops it.", self.name, duration(self.running))];
        for (table, rows) in tables {
            if rows > 0 {
                lines.push(String::new());
                lines.extend(table.lines(if all < room { rows } else { most }));
            }
        }
        if lines.len() > room {
            lines.truncate(room.saturating_sub(1));
            lines.push("… the terminal is too low for the rest".to_owned());
        }
        lines
    }

    /// What is worth a line of its own since `earlier`: states that changed.
    pub(super) fn changes(&self, earlier: Option<&Self>) -> Vec<String> {
        let mut changes = Vec::new();
        for (index, row) in self.links.iter().enumerate() {
            let before = earlier.and_then(|earlier| earlier.links.get(index));
            let same = before.is_some_and(|before| before.settled_state() == row.settled_state());
            if !same {
                changes.push(format!("link {}: {}", row.title, row.state));
            }
        }
        for (index, row) in self.workloads.iter().enumerate() {
            let before = earlier.and_then(|earlier| earlier.workloads.get(index));
            if before.is_none_or(|before| before.standing != row.standing) {
                changes.push(format!("{}: {}", row.title, row.standing()));
            }
        }
        changes
    }

    /// One line of counters: of each link and workload, or of all together where they are many.
    pub(super) fn counters(&self) -> String {
        const SHOWN: usize = 12;
        let waiting: usize = self.brokers.iter().map(|row| row.waiting).sum();
        if self.links.len() + self.workloads.len() > SHOWN {
            let forwarded: u64 = self.links.iter().map(|row| row.forwarded).sum();
            let handled: u64 = self.workloads.iter().map(|row| row.messages).sum();
            return format!(
                "waiting {waiting}, forwarded {forwarded} over {} links, sent and received \
                 {handled} by {} clients",
                self.links.len(),
                self.workloads.len()
            );
        }
        let mut parts = vec![format!("waiting {waiting}")];
        parts.extend(self.links.iter().map(|row| format!("{} {}", row.title, row.forwarded)));
        parts.extend(self.workloads.iter().map(|row| format!("{} {}", row.title, row.messages)));
        parts.join(", ")
    }

    /// How long everything has been running.
    pub(super) fn running(&self) -> Duration {
        self.running
    }

    fn per_second(&self, row: &WorkloadRow, earlier: Option<&Self>) -> Option<f64> {
        let earlier = earlier?;
        let before = earlier.workloads.iter().find(|before| before.title == row.title)?;
        let seconds = self.running.saturating_sub(earlier.running).as_secs_f64();
        let messages = row.messages.saturating_sub(before.messages) as f64;
        (seconds > 0.0).then_some(messages / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seconds: u64, state: &str, sent: u64) -> Picture {
        Picture {
            name: "pair".to_owned(),
            running: Duration::from_secs(seconds),
            brokers: vec![BrokerRow {
                name: "a".to_owned(),
                url: "tcp://127.0.0.1:61616".to_owned(),
                connections: 3,
                waiting: 2,
                in_flight: 0,
                memory: 2048,
            }],
            links: vec![LinkRow {
                title: "a -> b".to_owned(),
                state: state.to_owned(),
                forwarded: 7,
                in_flight: 1,
                demands: 1,
                refused: 0,
            }],
            workloads: vec![WorkloadRow {
                title: "queue://q from a".to_owned(),
                standing: Standing::Working,
                messages: sent,
            }],
        }
    }

    #[test]
    fn a_picture_is_three_tables() {
        let before = picture(10, "live for 9 s", 100);
        let now = picture(12, "live for 11 s", 120);
        assert_eq!(
            now.lines(Some(&before), 40),
            [
                "pair: up for 12 s. Ctrl-C stops it.",
                "",
                "BROKER  URL                    CONNECTIONS  WAITING  IN FLIGHT  MEMORY",
                "a       tcp://127.0.0.1:61616            3        2          0   2 KiB",
                "",
                "LINK    FORWARDED  IN FLIGHT  DEMANDS  REFUSED  STATE",
                "a -> b          7          1        1        0  live for 11 s",
                "",
                "WORKLOAD          MESSAGES  PER SECOND  STATE",
                "queue://q from a       120          10  at work",
            ]
        );
        assert_eq!(now.counters(), "waiting 2, a -> b 7, queue://q from a 120");
    }

    #[test]
    fn a_picture_is_no_higher_than_the_terminal() {
        let mut now = picture(12, "live", 120);
        now.links = vec![now.links[0].clone(); 50];
        now.workloads = vec![now.workloads[0].clone(); 50];
        for room in 1..60 {
            assert!(now.lines(None, room).len() <= room, "{room}: {:#?}", now.lines(None, room));
        }
        assert_eq!(picture(1, "live", 1).lines(None, 10).len(), 10, "all of it fits");
    }

    #[test]
    fn only_what_changes_is_reported() {
        let live = picture(1, "live for 1 s", 0);
        assert_eq!(live.changes(None), ["link a -> b: live for 1 s", "queue://q from a: at work"]);
        assert_eq!(picture(2, "live for 2 s", 9).changes(Some(&live)), [""; 0]);
        let down = picture(3, "down, next try in 3 s: refused", 9);
        assert_eq!(down.changes(Some(&live)), ["link a -> b: down, next try in 3 s: refused"]);
        let still = picture(4, "down, next try in 2 s: refused", 9);
        assert_eq!(still.changes(Some(&down)), [""; 0]);
    }
}
