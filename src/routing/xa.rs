//! Branches of distributed transactions.

use std::sync::Arc;

use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::ids::XaTransactionId;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::Batch;

use super::arrival::Arrival;
use super::broker::Broker;
use super::kept_outcomes;
use super::lease::ClientLease;
use super::persistence::Origin;
use super::prepared::KeptBranch;
use super::route::Route;
use super::subscribe::Subscription;
use super::work::{Work, WorkError};
use crate::transaction::{BranchSnapshot, Ending, Prepare, XaCode, XaError};

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

    /// Prepares a branch: with a store, it is kept with all that it did, and outlives the broker.
    pub fn prepare_branch(&self, id: &XaTransactionId) -> Result<Prepare, XaError> {
        let now = self.clock.now_millis();
        let keep = |branch: &BranchSnapshot, work: &mut Work| self.keep_branch(branch, work);
        let prepared = self.branches.lock().prepare(id, now, Work::is_empty, keep);
        prepared.map_err(|(error, work)| {
            work.into_iter().for_each(|work| self.roll_back(work));
            error
        })
    }

    fn keep_branch(&self, branch: &BranchSnapshot, work: &mut Work) -> Result<(), String> {
        let Some(persistence) = &self.persistence else { return Ok(()) };
        if let Some(reason) = self.hindrance(work) {
            self.note_no_room_for(work);
            return Err(reason);
        }
        let tag = work.tag.tag();
        let mut held: Vec<Origin> = Vec::new();
        for queue in work.queues.values() {
            held.extend(queue.held(tag));
        }
        for (subscriber, _) in &work.durables {
            held.extend(subscriber.held(tag));
        }
        // That it is prepared is kept in any case.
        let bytes = held.len().saturating_mul(size_of::<Origin>());
        if !self.has_room_to_keep(bytes) {
            return Err(format!("the store has no room for the {bytes} bytes of what it holds"));
        }
        let mut batch = Batch::new();
        let kept = KeptBranch::keep(branch, &held, work.persistent_messages(), &mut batch);
        work.kept = Some(kept.map_err(|error| error.to_string())?);
        persistence.submit(&mut batch);
        // It is asked again when it ends.
        work.room.get_mut().take();
        Ok(())
    }

    /// Whether the store has no room now for what a branch would keep.
    pub fn branch_lacks_room(&self, id: &XaTransactionId) -> bool {
        self.branches.lock().peek(id).is_some_and(|work| self.hindrance(work).is_some())
    }

    /// Commits a branch.
    pub fn commit_branch(&self, id: &XaTransactionId, one_phase: bool) -> Result<(), XaError> {
        let mut branches = self.branches.lock();
        let ending = branches.commit(id, one_phase, |work| self.hindrance(work))?;
        let number = branches.last_commit();
        drop(branches);
        self.carry_out_ending(ending, |batch| kept_outcomes::keep_branch(number, id, batch))
    }

    /// Rolls a branch back.
    pub fn roll_back_branch(&self, id: &XaTransactionId) -> Result<(), XaError> {
        let ending = self.branches.lock().roll_back(id)?;
        self.carry_out_ending(ending, |_| ())
    }

    /// Forgets a branch that an operator has ended.
    pub fn forget_branch(&self, id: &XaTransactionId) -> Result<(), XaError> {
        let branch = self.branches.lock().forget(id)?;
        if let Some(persistence) = &self.persistence {
            let mut batch = Batch::new();
            KeptBranch::decided(&branch).forget(&mut batch);
            persistence.submit(&mut batch);
        }
        Ok(())
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
        let now = self.clock.now_millis();
        let mut branches = self.branches.lock();
        let (mut ending, branch) = branches.decide(id, commit, now, |work| self.hindrance(work))?;
        drop(branches);
        tracing::warn!(%id, commit, "an operator has ended a prepared transaction");
        if let Ending::Commit(work) | Ending::RollBack(work) = &mut ending {
            work.decided = Some(branch);
        }
        self.carry_out_ending(ending, |_| ())
    }

    /// A connection has ended: what it began and did not prepare is rolled back.
    pub fn abandon_branches(&self, client: &ClientLease) {
        let abandoned = self.branches.lock().abandon(client.number());
        for work in abandoned {
            self.roll_back(work);
        }
    }

    fn carry_out_ending(
        &self,
        ending: Ending<Work>,
        record: impl FnOnce(&mut Batch),
    ) -> Result<(), XaError> {
        match ending {
            Ending::Commit(work) => self.commit(work, record),
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
