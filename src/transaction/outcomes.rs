//! How transactions ended, for a client that lost its connection before it was told.

use std::collections::{HashMap, VecDeque};

use ferrymq_openwire::ids::ConnectionId;

/// How many commits of one connection are remembered. A session asks for one at a time, so that this
/// is also how many sessions may be in doubt at once.
const MOST_COMMITS: usize = 256;
/// Of how many connections that ended.
const MOST_CONNECTIONS: usize = 4096;
/// How many bytes that may take, names included.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// What a connection takes beside its name and its commits.
const OVERHEAD: usize = 128;

/// What is known of a transaction that is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was committed.
    Committed,
    /// It was not: it was rolled back, or never began.
    NotCommitted,
    /// Nobody knows any more: too many have been committed since.
    Forgotten,
}

/// The latest commits of one connection. A client numbers the transactions of a connection upwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentCommits {
    /// In the order in which they were committed.
    committed: VecDeque<i64>,
    /// The highest that is not among them any more.
    forgotten: Option<i64>,
}

impl RecentCommits {
    /// Those of a connection of which nothing is known.
    pub fn unknown() -> Self {
        Self { committed: VecDeque::new(), forgotten: Some(i64::MAX) }
    }

    /// A transaction was committed.
    pub fn remember(&mut self, transaction: i64) {
        if self.committed.len() == MOST_COMMITS
            && let Some(oldest) = self.committed.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        self.committed.push_back(transaction);
    }

    /// How a transaction ended that is not open.
    pub fn outcome(&self, transaction: i64) -> Outcome {
        if self.committed.contains(&transaction) {
            return Outcome::Committed;
        }
        match self.forgotten {
            Some(forgotten) if transaction <= forgotten => Outcome::Forgotten,
            _ => Outcome::NotCommitted,
        }
    }

    fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }
}

/// The latest commits of connections that have ended, the earliest forgotten first.
///
/// A client that fails over comes back under the same identifier and may ask how a transaction ended
/// whose commit was not answered.
#[derive(Debug, Default)]
pub struct Outcomes {
    ended: HashMap<ConnectionId, (u64, RecentCommits)>,
    /// Numbers and identifiers, earliest first. One whose number is not that in `ended` is void.
    order: VecDeque<(u64, ConnectionId)>,
    next: u64,
    bytes: usize,
}

impl Outcomes {
    /// A connection has ended.
    pub fn keep(&mut self, connection: &ConnectionId, commits: RecentCommits) {
        if commits.is_empty() {
            return;
        }
        self.take(connection);
        self.next += 1;
        self.bytes += size(connection, &commits);
        self.order.push_back((self.next, connection.clone()));
        self.ended.insert(connection.clone(), (self.next, commits));
        while self.ended.len() > MOST_CONNECTIONS || self.bytes > MOST_BYTES {
            let Some((number, earliest)) = self.order.pop_front() else { break };
            if self.ended.get(&earliest).is_some_and(|(current, _)| *current == number) {
                self.take(&earliest);
            }
        }
        // Connections that come and go leave void places behind.
        if self.order.len() > 2 * MOST_CONNECTIONS {
            let ended = &self.ended;
            self.order.retain(|(number, connection)| {
                ended.get(connection).is_some_and(|(current, _)| current == number)
            });
        }
    }

    /// The connection is there again. `None`: nothing is remembered of it.
    pub fn take(&mut self, connection: &ConnectionId) -> Option<RecentCommits> {
        let (_, commits) = self.ended.remove(connection)?;
        self.bytes -= size(connection, &commits);
        Some(commits)
    }
}

fn size(connection: &ConnectionId, commits: &RecentCommits) -> usize {
    let name = connection.value.as_ref().map_or(0, |text| text.as_bytes().len());
    OVERHEAD + 2 * name + commits.committed.len() * size_of::<i64>()
}
