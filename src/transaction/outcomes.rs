//! How transactions ended, for a client that lost its connection before it was told.

use std::collections::{HashMap, VecDeque};

use ferrymq_openwire::ids::ConnectionId;

/// How many commits stand on one page.
const PAGE: usize = 16;
/// How many pages of one connection are remembered. A session asks for one commit at a time, so that
/// this is also how many sessions may be in doubt at once: 256, or 241 just after a page was begun.
const MOST_PAGES: u64 = 16;
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
///
/// They stand on pages, so that whoever keeps them elsewhere writes one small page for each commit,
/// in place of an older one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentCommits {
    /// In the order of their numbers. Some may be missing, if what is kept elsewhere had no part in
    /// their commits.
    pages: VecDeque<CommitPage>,
    /// The highest transaction that is not among them any more.
    forgotten: Option<i64>,
}

/// Some commits of one connection, in the order in which they were committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPage {
    /// Which page.
    pub number: u64,
    /// The highest transaction that stands on no page any more.
    pub forgotten: Option<i64>,
    /// The transactions.
    pub committed: Vec<i64>,
}

impl CommitPage {
    /// Its place among those of a connection: the page that it replaces has the same.
    pub fn slot(&self) -> u8 {
        u8::try_from(self.number % MOST_PAGES).unwrap_or_default()
    }
}

impl RecentCommits {
    /// Those of a connection of which nothing is known.
    pub fn unknown() -> Self {
        Self { pages: VecDeque::new(), forgotten: Some(i64::MAX) }
    }

    /// Those of a connection whose pages were kept, in any order.
    pub fn of_pages(pages: impl IntoIterator<Item = CommitPage>) -> Self {
        let mut pages: Vec<CommitPage> = pages.into_iter().collect();
        pages.sort_by_key(|page| page.number);
        let mut commits = Self::default();
        for page in pages {
            commits.make_room(page.number);
            commits.forgotten = commits.forgotten.max(page.forgotten);
            commits.pages.push_back(page);
        }
        commits
    }

    /// A transaction was committed.
    pub fn remember(&mut self, transaction: i64) {
        if self.pages.back().is_none_or(|page| page.committed.len() >= PAGE) {
            let number = self.pages.back().map_or(0, |page| page.number.saturating_add(1));
            self.make_room(number);
            let page = CommitPage { number, forgotten: None, committed: Vec::with_capacity(PAGE) };
            self.pages.push_back(page);
        }
        if let Some(page) = self.pages.back_mut() {
            page.forgotten = self.forgotten;
            page.committed.push(transaction);
        }
    }

    /// The page of the latest commit, as it is now.
    pub fn latest(&self) -> Option<&CommitPage> {
        self.pages.back()
    }

    /// Their pages.
    pub fn pages(&self) -> impl Iterator<Item = &CommitPage> {
        self.pages.iter()
    }

    /// Forgets the pages whose places are needed for those up to this one.
    fn make_room(&mut self, number: u64) {
        while let Some(first) = self.pages.front()
            && first.number.saturating_add(MOST_PAGES) <= number
        {
            self.forgotten = self.forgotten.max(first.committed.iter().max().copied());
            self.pages.pop_front();
        }
    }

    /// How a transaction ended that is not open.
    pub fn outcome(&self, transaction: i64) -> Outcome {
        if self.pages.iter().any(|page| page.committed.contains(&transaction)) {
            return Outcome::Committed;
        }
        match self.forgotten {
            Some(forgotten) if transaction <= forgotten => Outcome::Forgotten,
            _ => Outcome::NotCommitted,
        }
    }

    fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    fn len(&self) -> usize {
        self.pages.iter().map(|page| page.committed.len()).sum()
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
    /// Whether a connection was forgotten: then one that is not among them may be that.
    has_forgotten: bool,
}

impl Outcomes {
    /// A connection has ended; returns those that are forgotten for it.
    pub fn keep(
        &mut self,
        connection: &ConnectionId,
        commits: RecentCommits,
    ) -> Vec<(ConnectionId, RecentCommits)> {
        let mut forgotten = Vec::new();
        if commits.is_empty() {
            return forgotten;
        }
        self.remove(connection);
        self.next += 1;
        self.bytes += size(connection, &commits);
        self.order.push_back((self.next, connection.clone()));
        self.ended.insert(connection.clone(), (self.next, commits));
        while self.ended.len() > MOST_CONNECTIONS || self.bytes > MOST_BYTES {
            let Some((number, earliest)) = self.order.pop_front() else { break };
            if self.ended.get(&earliest).is_some_and(|(current, _)| *current == number)
                && let Some(commits) = self.remove(&earliest)
            {
                self.has_forgotten = true;
                forgotten.push((earliest, commits));
            }
        }
        // Connections that come and go leave void places behind.
        if self.order.len() > 2 * MOST_CONNECTIONS {
            let ended = &self.ended;
            self.order.retain(|(number, connection)| {
                ended.get(connection).is_some_and(|(current, _)| current == number)
            });
        }
        forgotten
    }

    /// The connection is there again: its latest commits.
    pub fn take(&mut self, connection: &ConnectionId) -> RecentCommits {
        match self.remove(connection) {
            Some(commits) => commits,
            None if self.has_forgotten => RecentCommits::unknown(),
            None => RecentCommits::default(),
        }
    }

    /// A connection was forgotten before this broker was started.
    pub fn note_forgotten(&mut self) {
        self.has_forgotten = true;
    }

    fn remove(&mut self, connection: &ConnectionId) -> Option<RecentCommits> {
        let (_, commits) = self.ended.remove(connection)?;
        self.bytes -= size(connection, &commits);
        Some(commits)
    }
}

fn size(connection: &ConnectionId, commits: &RecentCommits) -> usize {
    let name = connection.value.as_ref().map_or(0, |text| text.as_bytes().len());
    OVERHEAD + 2 * name + commits.len() * size_of::<i64>()
}
