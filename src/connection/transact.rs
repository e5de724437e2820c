//! Steps of transactions, and what is sent and acknowledged in them.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{DataArrayResponse, IntegerResponse, MessageAck, TransactionInfo};
use ferrymq_openwire::ids::{LocalTransactionId, TransactionId, XaTransactionId};
use ferrymq_openwire::message::Message;

use super::peer::{Flow, Outcome, Peer};
use super::produce::ack_of;
use super::producer::LastTarget;
use super::refusal::Refusal;
use super::transactions::{Local, Unparked};
use crate::routing::{PublishError, Route};
use crate::transaction::{self, Prepare};

/// How many local transactions one connection may have open, and how many steps may wait.
const MOST_OPEN: usize = 16_384;

/// Steps, as OpenWire numbers them.
const PREPARE: i8 = 1;
const COMMIT_ONE_PHASE: i8 = 2;
const COMMIT_TWO_PHASE: i8 = 3;
const END: i8 = 7;

/// What a branch is when there is nothing to commit (`XA_RDONLY`).
const READ_ONLY: i32 = 3;

impl Peer {
    /// Takes a step of a transaction; one that ends it waits while messages of it wait for room.
    pub(super) fn transact(&mut self, info: &TransactionInfo) -> Result<Outcome, Refusal> {
        let waits = |id| self.transactions.waits(id);
        if let Some(id) = &info.transaction_id
            && matches!(info.kind, PREPARE | COMMIT_ONE_PHASE | COMMIT_TWO_PHASE | END)
            && waits(id)
        {
            if self.transactions.steps() >= MOST_OPEN {
                return Err(Refusal::limit("too many transactions wait for room"));
            }
            self.transactions.put_off(id.clone(), info.clone());
            return Ok(Outcome::Unanswered);
        }
        if self.lacks_room(info) {
            // It has a moment: see `await_room`.
            self.transactions.lacking = Some(info.clone());
            return Ok(Outcome::Unanswered);
        }
        self.take_step(info)
    }

    /// Whether the store has no room now for what a step would keep.
    pub(super) fn lacks_room(&self, info: &TransactionInfo) -> bool {
        if !self.broker.is_persistent() || !matches!(info.kind, PREPARE..=COMMIT_TWO_PHASE) {
            return false;
        }
        match &info.transaction_id {
            Some(TransactionId::Local(id)) => {
                let local = self.transactions.local.get(&id.value);
                local.is_some_and(|local| self.broker.hindrance(&local.work).is_some())
            }
            Some(TransactionId::Xa(id)) => self.broker.branch_lacks_room(id),
            None => false,
        }
    }

    /// Takes a step that has had a moment for what it lacks.
    pub(super) fn take_lacking(&mut self, step: &TransactionInfo) -> Flow {
        let outcome = self.take_step(step);
        self.answer(step.command_id, step.response_required, outcome)
    }

    fn take_step(&mut self, info: &TransactionInfo) -> Result<Outcome, Refusal> {
        match &info.transaction_id {
            Some(TransactionId::Local(id)) => self.transact_locally(id, info.kind),
            Some(TransactionId::Xa(id)) => self.transact_branch(id, info),
            None if info.kind == RECOVER => Ok(self.recover(info)),
            None => Err(Refusal::state("the step names no transaction")),
        }
    }

    fn transact_locally(&mut self, id: &LocalTransactionId, step: i8) -> Result<Outcome, Refusal> {
        self.check_own(id)?;
        match step {
            0 => self.begin(id)?,
            2 => self.commit(id)?,
            4 => {
                self.transactions.void(&TransactionId::Local(id.clone()));
                // Asked again, it has been rolled back already.
                if let Some(local) = self.transactions.local.remove(&id.value) {
                    self.broker.roll_back(local.work);
                }
            }
            7 => {}
            other => {
                return Err(Refusal::state(format!(
                    "step {other} is not for local transactions such as {id}"
                )));
            }
        }
        Ok(Outcome::Kept)
    }

    /// A local transaction belongs to the connection that its identifier names.
    fn check_own(&self, id: &LocalTransactionId) -> Result<(), Refusal> {
        let own = self.client.as_ref().map(|client| client.connection_id());
        if id.connection_id.is_none() || id.connection_id.as_ref() == own {
            return Ok(());
        }
        Err(Refusal::state(format!("transaction {id} is another connection's")))
    }

    fn begin(&mut self, id: &LocalTransactionId) -> Result<(), Refusal> {
        if self.transactions.local.contains_key(&id.value) {
            return Ok(());
        }
        if self.transactions.local.len() >= MOST_OPEN {
            return Err(Refusal::limit(format!("more than {MOST_OPEN} open transactions")));
        }
        let work = self.broker.begin_work()?;
        self.transactions.local.insert(id.value, Local { work, failure: None });
        Ok(())
    }

    /// Commits a local transaction. A client that asks again, over another link, because it was not
    /// answered is told what became of it.
    fn commit(&mut self, id: &LocalTransactionId) -> Result<(), Refusal> {
        let Some(Local { work, failure }) = self.transactions.local.remove(&id.value) else {
            return match self.recent_commits().outcome(id.value) {
                transaction::Outcome::Committed => Ok(()),
                transaction::Outcome::NotCommitted => Err(Refusal::rolled_back(format!(
                    "transaction {id} has not been started, or was rolled back"
                ))),
                transaction::Outcome::Forgotten => Err(Refusal::state(format!(
                    "it is not known any more how transaction {id} ended"
                ))),
            };
        };
        if let Some(failure) = failure {
            self.broker.roll_back(work);
            return Err(Refusal::rolled_back(format!(
                "transaction {id} is rolled back: {failure}"
            )));
        }
        let Some(client) = &self.client else {
            self.broker.roll_back(work);
            return Err(Refusal::state("the connection is not open"));
        };
        let connection = client.connection_id().clone();
        let broker = Arc::clone(&self.broker);
        let committed = broker.commit_local(work, &connection, id.value, self.recent_commits());
        committed.map_err(|reason| {
            Refusal::rolled_back(format!("transaction {id} is rolled back: {reason}"))
        })
    }

    fn recent_commits(&mut self) -> &mut transaction::RecentCommits {
        let Self { broker, client, transactions, .. } = self;
        transactions.commits.get_or_insert_with(|| {
            let client = client.as_ref();
            client.map(|client| broker.recall_commits(client.connection_id())).unwrap_or_default()
        })
    }

    fn transact_branch(
        &mut self,
        id: &XaTransactionId,
        info: &TransactionInfo,
    ) -> Result<Outcome, Refusal> {
        let Some(client) = &self.client else {
            return Err(Refusal::state("the connection is not open"));
        };
        match info.kind {
            0 => self.broker.begin_branch(id, client)?,
            1 => {
                let result = match self.broker.prepare_branch(id)? {
                    Prepare::Ready => 0,
                    Prepare::Nothing => READ_ONLY,
                };
                if info.response_required {
                    // It is a promise: what is prepared outlives the broker.
                    self.held_answers.hold(Command::IntegerResponse(IntegerResponse {
                        correlation_id: info.command_id,
                        result,
                        ..IntegerResponse::default()
                    }));
                }
                return Ok(Outcome::Unanswered);
            }
            2 => self.broker.commit_branch(id, true)?,
            3 => self.broker.commit_branch(id, false)?,
            4 => {
                self.transactions.void(&TransactionId::Xa(id.clone()));
                self.broker.roll_back_branch(id)?;
            }
            RECOVER => return Ok(self.recover(info)),
            6 => self.broker.forget_branch(id)?,
            7 => self.broker.end_branch(id)?,
            other => return Err(Refusal::state(format!("transactions know no step {other}"))),
        }
        Ok(Outcome::Kept)
    }

    fn recover(&self, info: &TransactionInfo) -> Outcome {
        let branches = self.broker.recover_branches();
        if info.response_required {
            self.outbox.push(Command::DataArrayResponse(DataArrayResponse {
                correlation_id: info.command_id,
                data: Some(branches.into_iter().map(|id| Some(id.into())).collect()),
                ..DataArrayResponse::default()
            }));
        }
        Outcome::Unanswered
    }

    /// Takes the steps that need not wait any more.
    pub(super) fn take_steps(&mut self) -> Flow {
        while self.transactions.lacking.is_none()
            && let Some(step) = self.transactions.next_step()
        {
            let (id, wanted) = (step.command_id, step.response_required);
            let outcome = self.transact(&step);
            if let flow @ (Flow::End | Flow::Refused) = self.answer(id, wanted, outcome) {
                return flow;
            }
        }
        Flow::Continue
    }

    /// Takes a message that is part of a transaction, or parks it while its destination is full.
    pub(super) fn produce_in(&mut self, within: TransactionId, message: Arc<Message>) -> Flow {
        let (id, wanted) = (message.command_id, message.response_required);
        let outcome = self.find_target(&message).and_then(|()| self.check_open(&within));
        if let Err(refusal) = outcome {
            return self.answer_in(&within, id, wanted, Err(refusal));
        }
        let Some(LastTarget { producer, windowed, route }) = self.last_target.take() else {
            return Flow::Continue;
        };
        let behind = !self.parked.is_empty() && route.targets().any(|to| self.parked.holds(to));
        let outcome = if behind || route.is_full_of_committed() {
            self.patience(&route, route.shortage_of_committed().as_ref()).map(|until| {
                self.transactions.park(&within);
                self.park(&route, windowed, message, Some(within.clone()), until);
                Outcome::Unanswered
            })
        } else {
            self.accept_in(&within, &route, windowed, message)
        };
        if outcome.is_ok() {
            self.last_target = Some(LastTarget { producer, windowed, route });
        }
        self.answer_in(&within, id, wanted, outcome)
    }

    /// What waited for room is taken into its transaction, unless that has been rolled back.
    pub(super) fn accept_parked_in(
        &mut self,
        within: &TransactionId,
        route: &Route,
        windowed: bool,
        message: Arc<Message>,
    ) -> Result<Outcome, Refusal> {
        match self.transactions.unpark(within) {
            Unparked::Void => Ok(Outcome::Done),
            Unparked::Wanted => {
                let wanted = message.response_required;
                let outcome = self.accept_in(within, route, windowed, message);
                self.note_failure(within, wanted, &outcome);
                outcome
            }
        }
    }

    /// What waited for room has nowhere to go any more.
    pub(super) fn fail_parked_in(
        &mut self,
        within: &TransactionId,
        wanted: bool,
        error: &PublishError,
    ) -> Result<Outcome, Refusal> {
        if self.transactions.unpark(within) == Unparked::Void {
            return Ok(Outcome::Done);
        }
        let outcome = Err(error.clone().into());
        self.note_failure(within, wanted, &outcome);
        outcome
    }

    fn accept_in(
        &mut self,
        within: &TransactionId,
        route: &Route,
        windowed: bool,
        message: Arc<Message>,
    ) -> Result<Outcome, Refusal> {
        let ack = (windowed && !message.response_required).then(|| ack_of(&message));
        let arrival = self.arrival();
        match (within, &self.client) {
            (TransactionId::Local(id), _) => {
                let local = self.transactions.local.get_mut(&id.value);
                local.ok_or_else(|| not_open(id))?.work.send(route, message, arrival)?;
            }
            (TransactionId::Xa(id), Some(client)) => {
                self.broker.send_in_branch(id, client, route, message, arrival)?;
            }
            (TransactionId::Xa(_), None) => {}
        }
        self.entry.count_message();
        if let Some(ack) = ack {
            self.outbox.push(Command::ProducerAck(ack));
        }
        Ok(Outcome::Done)
    }

    /// Applies an acknowledgement that is part of a transaction.
    pub(super) fn acknowledge_in(
        &mut self,
        within: &TransactionId,
        ack: &MessageAck,
    ) -> Result<(), Refusal> {
        let outcome = self.hold(within, ack);
        self.note_failure(within, ack.response_required, &outcome);
        outcome
    }

    fn hold(&mut self, within: &TransactionId, ack: &MessageAck) -> Result<(), Refusal> {
        self.check_open(within)?;
        let Some(consumer) = ack.consumer_id.as_ref().and_then(|id| self.consumers.get(id)) else {
            return Ok(());
        };
        let subscription = &consumer.subscription;
        match (within, &self.client) {
            (TransactionId::Local(id), _) => {
                let local = self.transactions.local.get_mut(&id.value);
                let work = &mut local.ok_or_else(|| not_open(id))?.work;
                self.broker.hold(work, subscription, ack)?;
            }
            (TransactionId::Xa(id), Some(client)) => {
                self.broker.hold_in_branch(id, client, subscription, ack)?;
            }
            (TransactionId::Xa(_), None) => {}
        }
        Ok(())
    }

    /// Whether a local transaction is open; of branches the broker says so itself.
    fn check_open(&self, within: &TransactionId) -> Result<(), Refusal> {
        match within {
            TransactionId::Local(id) => {
                self.check_own(id)?;
                let open = self.transactions.local.contains_key(&id.value);
                if open { Ok(()) } else { Err(not_open(id)) }
            }
            TransactionId::Xa(_) => Ok(()),
        }
    }

    fn answer_in(
        &mut self,
        within: &TransactionId,
        id: i32,
        wanted: bool,
        outcome: Result<Outcome, Refusal>,
    ) -> Flow {
        self.note_failure(within, wanted, &outcome);
        self.answer(id, wanted, outcome)
    }

    /// A command in a transaction that failed, and whose sender is not there to be told, fails the
    /// whole: its commit must not succeed without a part of it.
    fn note_failure<T>(
        &mut self,
        within: &TransactionId,
        wanted: bool,
        outcome: &Result<T, Refusal>,
    ) {
        let Err(refusal) = outcome else { return };
        if wanted {
            return;
        }
        match within {
            TransactionId::Local(id) => {
                if let Some(local) = self.transactions.local.get_mut(&id.value) {
                    local.failure.get_or_insert_with(|| refusal.message().to_owned());
                }
            }
            TransactionId::Xa(id) => self.broker.fail_branch(id, refusal.message()),
        }
    }

    /// The peer closes its connection: it will not ask any more how its transactions ended.
    pub(super) fn forget_commits(&mut self) {
        if let Some(client) = &self.client {
            let connection = client.connection_id();
            let commits = self.transactions.commits.take();
            let commits = commits.unwrap_or_else(|| self.broker.recall_commits(connection));
            self.broker.forget_commits(connection, &commits);
        }
    }

    /// Rolls back what is open, when the connection ends; what is prepared stays.
    pub(super) fn end_transactions(&mut self) {
        self.transactions.void_all();
        let mut open: Vec<(i64, Local)> = self.transactions.local.drain().collect();
        open.sort_by_key(|(number, _)| *number);
        for (_, local) in open {
            self.broker.roll_back(local.work);
        }
        if let Some(client) = &self.client {
            self.broker.abandon_branches(client);
            if let Some(commits) = self.transactions.commits.take() {
                self.broker.remember_commits(client.connection_id(), commits);
            }
        }
    }
}

/// Asks for all prepared branches.
const RECOVER: i8 = 5;

fn not_open(id: &LocalTransactionId) -> Refusal {
    Refusal::state(format!("transaction {id} has not been started"))
}
