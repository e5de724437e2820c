//! Ends of local transactions, and what is remembered of them for clients that were not told.

use ferrymq_openwire::ids::ConnectionId;
use ferrymq_store::contract::Batch;

use super::broker::Broker;
use super::kept_error::KeptError;
use super::kept_outcomes::{self, FoundOutcomes};
use super::persistence::Persistence;
use super::work::Work;
use crate::transaction::RecentCommits;

/// Why a local transaction is rolled back in place of being committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRoom(String);

impl Broker {
    /// Commits local transaction `number` of a connection, or rolls it back where the store has no
    /// room for it. `commits` are the latest of the connection.
    ///
    /// With a store, that it was committed is kept with what it did. Of a transaction that did
    /// nothing which is kept, that is not kept either: nothing of it is left when the broker is
    /// started anew.
    pub fn commit_local(
        &self,
        work: Work,
        connection: &ConnectionId,
        number: i64,
        commits: &mut RecentCommits,
    ) -> Result<(), NoRoom> {
        if let Some(reason) = self.hindrance(&work) {
            self.note_no_room_for(&work);
            self.roll_back(work);
            return Err(NoRoom(reason));
        }
        commits.remember(number);
        self.commit(work, |batch| {
            if let Some(page) = commits.latest() {
                kept_outcomes::keep_page(connection, page, batch);
            }
        });
        Ok(())
    }

    /// The latest commits of a connection that comes again over another link, also after the broker
    /// was started anew.
    pub fn recall_commits(&self, connection: &ConnectionId) -> RecentCommits {
        if self.persistence.is_some() && !kept_outcomes::can_be_kept(connection) {
            return RecentCommits::unknown();
        }
        self.outcomes.lock().take(connection)
    }

    /// Takes up what was kept of how transactions ended.
    pub(super) fn recover_outcomes(&self, persistence: &Persistence) -> Result<(), KeptError> {
        let FoundOutcomes { branches, connections, has_forgotten } = persistence.outcomes()?;
        self.branches.lock().recall(branches);
        if has_forgotten {
            self.outcomes.lock().note_forgotten();
        }
        for (connection, commits) in connections {
            self.remember_commits(&connection, commits);
        }
        Ok(())
    }

    /// Remembers the latest commits of a connection that has ended without a word: it may come
    /// again.
    pub fn remember_commits(&self, connection: &ConnectionId, commits: RecentCommits) {
        let forgotten = self.outcomes.lock().keep(connection, commits);
        if let Some(persistence) = &self.persistence
            && !forgotten.is_empty()
        {
            let mut batch = Batch::new();
            for (connection, commits) in &forgotten {
                kept_outcomes::forget_connection(connection, commits, &mut batch);
            }
            kept_outcomes::keep_forgotten(&mut batch);
            persistence.submit(&mut batch);
        }
    }

    /// Forgets the commits of a connection that was closed: it was told of all that it asked for.
    pub fn forget_commits(&self, connection: &ConnectionId, commits: &RecentCommits) {
        if let Some(persistence) = &self.persistence {
            let mut batch = Batch::new();
            kept_outcomes::forget_connection(connection, commits, &mut batch);
            if !batch.is_empty() {
                persistence.submit(&mut batch);
            }
        }
    }
}
