//! Branches of distributed transactions: the resource's side of XA.

use std::collections::{HashMap, VecDeque};

use ferrymq_openwire::ids::{ConnectionId, XaTransactionId};

use super::xa_error::{XaCode, XaError};

/// How many branches there may be at once, those included that an operator has ended.
const MOST_BRANCHES: usize = 16_384;
/// How long each part of an identifier may be (`MAXGTRIDSIZE`, `MAXBQUALSIZE` of XA).
const LONGEST_PART: usize = 64;
/// How much of why a branch failed is kept.
const LONGEST_FAILURE: usize = 256;
/// How many commits are remembered, for a coordinator that asks again because it was not answered.
pub const MOST_REMEMBERED: u64 = 4096;

/// Where a branch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It takes work.
    Active,
    /// It takes no more and waits for its coordinator's decision, which may be years away.
    Prepared,
    /// An operator has committed it; its coordinator has still to be told.
    HeuristicallyCommitted,
    /// An operator has rolled it back; its coordinator has still to be told.
    HeuristicallyRolledBack,
}

/// A branch, with its work while it has not ended.
#[derive(Debug)]
pub struct Branch<W> {
    phase: Phase,
    /// In which order branches began.
    number: u64,
    /// The connection that began it: its end rolls the branch back unless it is prepared.
    owner: u64,
    /// That connection's identifier: it may come again over another link.
    connection: ConnectionId,
    /// When it was prepared, or ended by an operator; milliseconds since 1970.
    since: i64,
    /// Why it can only be rolled back.
    failure: Option<String>,
    work: Option<W>,
}

/// A prepared branch without its work, as an operator sees it and a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchSnapshot {
    /// Which.
    pub id: XaTransactionId,
    /// In which order branches began; of those that are there, each has its own.
    pub number: u64,
    /// Where it stands.
    pub phase: Phase,
    /// The connection that began it.
    pub connection: ConnectionId,
    /// When it came to its phase, in milliseconds since 1970.
    pub since: i64,
}

/// What preparing came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Prepare {
    /// Prepared (`XA_OK`).
    Ready,
    /// There is nothing to commit, and the branch is gone (`XA_RDONLY`).
    Nothing,
}

/// How a branch ends: what becomes of its work.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending<W> {
    /// It is to be committed.
    Commit(W),
    /// It is to be rolled back, since that is asked.
    RollBack(W),
    /// It is to be rolled back, although a commit is asked: it had failed.
    Failed(W, XaError),
    /// It was committed before: the answer was lost on its way.
    Already,
}

/// The branches of a broker.
///
/// `W` is what a branch does when it is committed.
#[derive(Debug)]
pub struct Branches<W> {
    branches: HashMap<XaTransactionId, Branch<W>>,
    next: u64,
    /// The latest commits, earliest first.
    committed: VecDeque<XaTransactionId>,
    /// How many commits there have been: the number of the last.
    commits: u64,
}

impl<W> Default for Branches<W> {
    fn default() -> Self {
        Self { branches: HashMap::new(), next: 0, committed: VecDeque::new(), commits: 0 }
    }
}

impl<W> Branches<W> {
    /// Begins a branch, or goes on with one: to join or resume one is the same on the wire.
    pub fn begin(
        &mut self,
        id: &XaTransactionId,
        owner: u64,
        connection: &ConnectionId,
        work: impl FnOnce() -> W,
    ) -> Result<(), XaError> {
        if let Some(branch) = self.branches.get(id) {
            return match branch.phase {
                Phase::Active => Ok(()),
                // A client that failed over tells anew what it has told before.
                Phase::Prepared if branch.connection == *connection => Ok(()),
                _ => Err(branch.out_of_phase(id, "begin")),
            };
        }
        let parts = [&id.global_transaction_id, &id.branch_qualifier];
        if parts.into_iter().flatten().any(|part| part.len() > LONGEST_PART) {
            let reason = format!("a part of the identifier is longer than {LONGEST_PART} bytes");
            return Err(XaError::new(XaCode::Invalid, reason));
        }
        if self.branches.len() >= MOST_BRANCHES {
            let reason = format!("there are {MOST_BRANCHES} transactions already");
            return Err(XaError::new(XaCode::ResourceError, reason));
        }
        self.next += 1;
        let branch = Branch {
            phase: Phase::Active,
            number: self.next,
            owner,
            connection: connection.clone(),
            since: 0,
            failure: None,
            work: Some(work()),
        };
        self.branches.insert(id.clone(), branch);
        Ok(())
    }

    /// The work of a branch, to be added to; none if it is prepared and the connection that began it
    /// tells anew, over another link, what it has told before.
    pub fn work(
        &mut self,
        id: &XaTransactionId,
        connection: &ConnectionId,
    ) -> Result<Option<&mut W>, XaError> {
        let branch = self.branches.get_mut(id).ok_or_else(|| unknown(id))?;
        match branch.phase {
            Phase::Active => Ok(branch.work.as_mut()),
            Phase::Prepared if branch.connection == *connection => Ok(None),
            _ => Err(branch.out_of_phase(id, "work in")),
        }
    }

    /// The work of a branch, to be looked at.
    pub fn peek(&self, id: &XaTransactionId) -> Option<&W> {
        self.branches.get(id)?.work.as_ref()
    }

    /// Something failed that nobody was told of: the branch can only be rolled back.
    pub fn fail(&mut self, id: &XaTransactionId, why: &str) {
        if let Some(branch) = self.branches.get_mut(id)
            && branch.phase == Phase::Active
        {
            branch.failure.get_or_insert_with(|| why.chars().take(LONGEST_FAILURE).collect());
        }
    }

    /// Checks that a branch may end its association: it is there.
    pub fn end(&self, id: &XaTransactionId) -> Result<(), XaError> {
        self.branches.get(id).map(drop).ok_or_else(|| unknown(id))
    }

    /// Prepares a branch; what fails is given back to be rolled back. `is_empty` says whether there
    /// is nothing to commit; `keep` sees to it that the branch outlives the broker, as far as that
    /// is wanted, or says why it cannot. Asked again, the answer is the same.
    pub fn prepare(
        &mut self,
        id: &XaTransactionId,
        now: i64,
        is_empty: impl FnOnce(&W) -> bool,
        keep: impl FnOnce(&BranchSnapshot, &mut W) -> Result<(), String>,
    ) -> Result<Prepare, (XaError, Option<W>)> {
        let Some(branch) = self.branches.get_mut(id) else { return Err((unknown(id), None)) };
        match branch.phase {
            Phase::Prepared => return Ok(Prepare::Ready),
            Phase::Active => {}
            _ => return Err((branch.out_of_phase(id, "prepare"), None)),
        }
        if let Some(failure) = branch.failure.take() {
            let work = self.branches.remove(id).and_then(|branch| branch.work);
            return Err((rolled_back(id, &failure), work));
        }
        if branch.work.as_ref().is_none_or(is_empty) {
            self.branches.remove(id);
            return Ok(Prepare::Nothing);
        }
        branch.phase = Phase::Prepared;
        branch.since = now;
        let snapshot = branch.snapshot(id);
        let kept = branch.work.as_mut().map(|work| keep(&snapshot, work));
        if let Some(Err(reason)) = kept {
            let work = self.branches.remove(id).and_then(|branch| branch.work);
            return Err((rolled_back(id, &reason), work));
        }
        Ok(Prepare::Ready)
    }

    /// Commits a branch: its work is the caller's to do. `hindrance` says why that cannot be done
    /// now: then a prepared branch stays so and is to be committed later; one in its only phase is
    /// to be rolled back.
    pub fn commit(
        &mut self,
        id: &XaTransactionId,
        one_phase: bool,
        hindrance: impl FnOnce(&W) -> Option<String>,
    ) -> Result<Ending<W>, XaError> {
        let Some(branch) = self.branches.get_mut(id) else {
            let known = self.committed.contains(id);
            return if known { Ok(Ending::Already) } else { Err(unknown(id)) };
        };
        match branch.phase {
            Phase::Prepared => {}
            Phase::Active if one_phase => {}
            _ => return Err(branch.out_of_phase(id, "commit")),
        }
        let failure = branch.failure.take();
        let failure = failure.or_else(|| branch.work.as_ref().and_then(hindrance));
        if let Some(reason) = &failure
            && branch.phase == Phase::Prepared
        {
            let reason = format!("transaction {id} stays prepared, commit it later: {reason}");
            return Err(XaError::new(XaCode::Retry, reason));
        }
        let work = branch.work.take();
        self.branches.remove(id);
        let work = work.ok_or_else(|| unknown(id))?;
        Ok(match failure {
            Some(failure) => Ending::Failed(work, rolled_back(id, &failure)),
            None => {
                self.remember(id.clone());
                Ending::Commit(work)
            }
        })
    }

    fn remember(&mut self, id: XaTransactionId) {
        if self.committed.len() as u64 == MOST_REMEMBERED {
            self.committed.pop_front();
        }
        self.committed.push_back(id);
        self.commits += 1;
    }

    /// The number of the last commit that a coordinator may ask about again: they count from 1. Of
    /// those before it [`MOST_REMEMBERED`] less one are remembered, too.
    pub fn last_commit(&self) -> u64 {
        self.commits
    }

    /// Remembers commits of a time before this one, by their numbers.
    pub fn recall(&mut self, committed: impl IntoIterator<Item = (u64, XaTransactionId)>) {
        let mut committed: Vec<_> = committed.into_iter().collect();
        committed.sort_by_key(|(number, _)| *number);
        let last = committed.last().map_or(0, |(number, _)| *number);
        let remembered = |number: u64| number + MOST_REMEMBERED > last;
        committed.retain(|(number, _)| remembered(*number));
        for (_, id) in committed {
            self.remember(id);
        }
        self.commits = last;
    }

    /// Brings back a branch that had been prepared, with its work if it is not decided.
    pub fn restore(&mut self, branch: BranchSnapshot, work: Option<W>) {
        let BranchSnapshot { id, number, phase, connection, since } = branch;
        self.next = self.next.max(number);
        // No connection has this number: none rolls it back when it ends.
        let owner = 0;
        let branch = Branch { phase, number, owner, connection, since, failure: None, work };
        self.branches.insert(id, branch);
    }

    /// Rolls a branch back: its work is the caller's to undo.
    pub fn roll_back(&mut self, id: &XaTransactionId) -> Result<Ending<W>, XaError> {
        let branch = self.branches.get_mut(id).ok_or_else(|| unknown(id))?;
        if !matches!(branch.phase, Phase::Active | Phase::Prepared) {
            return Err(branch.out_of_phase(id, "roll back"));
        }
        let work = branch.work.take();
        self.branches.remove(id);
        work.map(Ending::RollBack).ok_or_else(|| unknown(id))
    }

    /// Forgets a branch that an operator has ended; returns what it was.
    pub fn forget(&mut self, id: &XaTransactionId) -> Result<BranchSnapshot, XaError> {
        let branch = self.branches.get(id).ok_or_else(|| unknown(id))?;
        if matches!(branch.phase, Phase::Active | Phase::Prepared) {
            return Err(branch.out_of_phase(id, "forget"));
        }
        let snapshot = branch.snapshot(id);
        self.branches.remove(id);
        Ok(snapshot)
    }

    /// What a coordinator that comes back has still to decide on, or to be told of, in the order in
    /// which it began.
    pub fn recover(&self) -> Vec<XaTransactionId> {
        self.undecided().map(|(id, _)| id.clone()).collect()
    }

    /// The same for an operator.
    pub fn snapshots(&self) -> Vec<BranchSnapshot> {
        self.undecided().map(|(id, branch)| branch.snapshot(id)).collect()
    }

    fn undecided(&self) -> impl Iterator<Item = (&XaTransactionId, &Branch<W>)> {
        let mut undecided: Vec<_> =
            self.branches.iter().filter(|(_, branch)| branch.phase != Phase::Active).collect();
        undecided.sort_by_key(|(_, branch)| branch.number);
        undecided.into_iter()
    }

    /// An operator ends a prepared branch in its coordinator's place, which is told when it asks.
    /// Returns what becomes of the work, and what the branch is now. `hindrance` says why it cannot
    /// be committed now.
    pub fn decide(
        &mut self,
        id: &XaTransactionId,
        commit: bool,
        now: i64,
        hindrance: impl FnOnce(&W) -> Option<String>,
    ) -> Result<(Ending<W>, BranchSnapshot), XaError> {
        let branch = self.branches.get_mut(id).ok_or_else(|| unknown(id))?;
        if branch.phase != Phase::Prepared {
            return Err(branch.out_of_phase(id, "decide on"));
        }
        if let Some(reason) = branch.work.as_ref().filter(|_| commit).and_then(hindrance) {
            return Err(XaError::new(XaCode::Retry, format!("{id} stays prepared: {reason}")));
        }
        let work = branch.work.take().ok_or_else(|| unknown(id))?;
        branch.since = now;
        (branch.phase, branch.failure) = if commit {
            (Phase::HeuristicallyCommitted, None)
        } else {
            (Phase::HeuristicallyRolledBack, None)
        };
        let snapshot = branch.snapshot(id);
        Ok((if commit { Ending::Commit(work) } else { Ending::RollBack(work) }, snapshot))
    }

    /// A connection has ended: the work of its branches that are not prepared, to be undone.
    pub fn abandon(&mut self, owner: u64) -> Vec<W> {
        let gone = |_: &XaTransactionId, branch: &mut Branch<W>| {
            branch.owner == owner && branch.phase == Phase::Active
        };
        let mut gone: Vec<Branch<W>> =
            self.branches.extract_if(gone).map(|(_, branch)| branch).collect();
        gone.sort_by_key(|branch| branch.number);
        gone.into_iter().filter_map(|branch| branch.work).collect()
    }
}

impl<W> Branch<W> {
    fn snapshot(&self, id: &XaTransactionId) -> BranchSnapshot {
        BranchSnapshot {
            id: id.clone(),
            number: self.number,
            phase: self.phase,
            connection: self.connection.clone(),
            since: self.since,
        }
    }

    /// Why a step is not for this phase.
    fn out_of_phase(&self, id: &XaTransactionId, step: &str) -> XaError {
        let (code, is) = match self.phase {
            Phase::Active => (XaCode::Protocol, "has not been prepared"),
            Phase::Prepared => (XaCode::Protocol, "is prepared"),
            Phase::HeuristicallyCommitted => {
                (XaCode::HeuristicallyCommitted, "was committed by an operator")
            }
            Phase::HeuristicallyRolledBack => {
                (XaCode::HeuristicallyRolledBack, "was rolled back by an operator")
            }
        };
        XaError::new(code, format!("cannot {step} transaction {id}: it {is}"))
    }
}

fn unknown(id: &XaTransactionId) -> XaError {
    XaError::new(XaCode::Unknown, format!("transaction {id} has not been started"))
}

fn rolled_back(id: &XaTransactionId, failure: &str) -> XaError {
    XaError::new(XaCode::RolledBack, format!("transaction {id} is rolled back: {failure}"))
}
