//! Branches of distributed transactions, and what is remembered of local ones.

use std::sync::Arc;

use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::ids::{ConnectionId, XaTransactionId};
use ferrymq_openwire::message::Message;

use super::arrival::Arrival;
use super::broker::Broker;
use super::lease::ClientLease;
use super::route::Route;
use super::subscribe::Subscription;
use super::work::{Work, WorkError};
use crate::transaction::{BranchSnapshot, Ending, Prepare, RecentCommits, XaCode, XaError};

/// Why a branch cannot do a thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BranchError {
    /// Its phase does not allow it.
    #[error(transparent)]
    Xa(#[from] XaError),
    /// The thing itself cannot be done.
    #[error(transparent)]
    Work(#[from] WorkError),
}

impl Broker {
    /// Begins a branch, or joins or resumes one.
    pub fn begin_branch(
        &self,
        id: &XaTransactionId,
        client: &ClientLease,
    ) -> Result<(), BranchError> {
        let work = self.begin_work()?;
        let mut branches = self.branches.lock();
        Ok(branches.begin(id, client.number(), client.connection_id(), || work)?)
    }

    /// Sends a message in a branch.
    pub fn send_in_branch(
        &self,
        id: &XaTransactionId,
        client: &ClientLease,
        route: &Route,
        message: Arc<Message>,
        arrival: Arrival,
    ) -> Result<(), BranchError> {
        let mut branches = self.branches.lock();
        match branches.work(id, client.connection_id())? {
            Some(work) => Ok(work.send(route, message, arrival)?),
            None => Ok(()),
        }
    }

    /// Applies an acknowledgement in a branch.
    pub fn hold_in_branch(
        &self,
        id: &XaTransactionId,
        client: &ClientLease,
        subscription: &Subscription,
        ack: &MessageAck,
    ) -> Result<(), BranchError> {
        let mut branches = self.branches.lock();
        match branches.work(id, client.connection_id())? {
            Some(work) => Ok(self.hold(work, subscription, ack)?),
            None => Ok(()),
        }
    }

    /// What a command in a branch failed with was told to nobody: the branch can only be rolled
    /// back.
    pub fn fail_branch(&self, id: &XaTransactionId, why: &str) {
        self.branches.lock().fail(id, why);
    }

    /// A session ends its part of a branch.
    pub fn end_branch(&self, id: &XaTransactionId) -> Result<(), XaError> {
        self.branches.lock().end(id)
    }

    /// Prepares a branch.
    pub fn prepare_branch(&self, id: &XaTransactionId) -> Result<Prepare, XaError> {
        let now = self.clock.now_millis();
        let prepared = self.branches.lock().prepare(id, now, Work::is_empty);
        let prepared = prepared.map_err(|(error, work)| {
            work.into_iter().for_each(|work| self.roll_back(work));
            error
        })?;
        if prepared == Prepare::Ready && self.persistence.is_some() {
            // It would be a promise that the next restart breaks.
            self.roll_back_branch(id)?;
            return Err(XaError::new(
                XaCode::RolledBack,
                "a broker with a store cannot prepare yet: the branch would not outlive it. \
                 It is rolled back; commit in one phase, or keep messages in memory.",
            ));
        }
        Ok(prepared)
    }

    /// Commits a branch.
    pub fn commit_branch(&self, id: &XaTransactionId, one_phase: bool) -> Result<(), XaError> {
        let ending = self.branches.lock().commit(id, one_phase)?;
        self.carry_out_ending(ending)
    }

    /// Rolls a branch back.
    pub fn roll_back_branch(&self, id: &XaTransactionId) -> Result<(), XaError> {
        let ending = self.branches.lock().roll_back(id)?;
        self.carry_out_ending(ending)
    }

    /// Forgets a branch that an operator has ended.
    pub fn forget_branch(&self, id: &XaTransactionId) -> Result<(), XaError> {
        self.branches.lock().forget(id)
    }

    /// What a coordinator that comes back has still to decide on, or to be told of.
    pub fn recover_branches(&self) -> Vec<XaTransactionId> {
        self.branches.lock().recover()
    }

    /// The same with what an operator wants to know.
    pub fn prepared_branches(&self) -> Vec<BranchSnapshot> {
        self.branches.lock().snapshots()
    }

    /// An operator ends a prepared branch in its coordinator's place. The branch is listed until its
    /// coordinator has been told, and forgets it.
    pub fn decide_branch(&self, id: &XaTransactionId, commit: bool) -> Result<(), XaError> {
        let ending = self.branches.lock().decide(id, commit, self.clock.now_millis())?;
        tracing::warn!(%id, commit, "an operator has ended a prepared transaction");
        self.carry_out_ending(ending)
    }

    /// A connection has ended: what it began and did not prepare is rolled back.
    pub fn abandon_branches(&self, client: &ClientLease) {
        let abandoned = self.branches.lock().abandon(client.number());
        for work in abandoned {
            self.roll_back(work);
        }
    }

    /// The latest commits of a connection that comes again over another link.
    ///
    /// What a connection did at a broker with a store before the broker was started anew is not known:
    /// its commits are kept, but not that they were.
    pub fn recall_commits(&self, connection: &ConnectionId) -> RecentCommits {
        let unknown = || match &self.persistence {
            Some(_) => RecentCommits::unknown(),
            None => RecentCommits::default(),
        };
        self.outcomes.lock().take(connection).unwrap_or_else(unknown)
    }

    /// Remembers the latest commits of a connection that has ended.
    pub fn remember_commits(&self, connection: &ConnectionId, commits: RecentCommits) {
        self.outcomes.lock().keep(connection, commits);
    }

    fn carry_out_ending(&self, ending: Ending<Work>) -> Result<(), XaError> {
        match ending {
            Ending::Commit(work) => self.commit(work),
            Ending::RollBack(work) => self.roll_back(work),
            Ending::Failed(work, error) => {
                self.roll_back(work);
                return Err(error);
            }
            Ending::Already => {}
        }
        Ok(())
    }
}

impl From<BranchError> for XaError {
    fn from(error: BranchError) -> Self {
        match error {
            BranchError::Xa(error) => error,
            BranchError::Work(error) => Self::new(XaCode::ResourceError, error.to_string()),
        }
    }
}
