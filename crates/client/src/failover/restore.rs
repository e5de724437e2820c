//! What a new broker must be told so that a connection goes on there: a machine without I/O.
//!
//! Every command that the connection sends passes by here, and every answer. What lives in the
//! connection and what was not answered is kept; on a new link it is told again, with the numbers
//! that it had. Acknowledgements are not kept: they are about deliveries that the old broker has
//! taken back. A commit is asked for again at the broker that may have done it, and at no other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    ConsumerInfo, DestinationInfo, ProducerInfo, RemoveInfo, SessionInfo,
};
use ferrymq_openwire::ids::{BrokerId, ConsumerId, ProducerId, SessionId};
use ferrymq_openwire::message::Message;

/// When so many closed producers are kept, those that nothing is owed for are looked for.
const SIFT_AT: usize = 256;
/// No more messages that nobody confirms are kept, however small they are.
const MOST_CACHED: usize = 65_536;

/// What a consumer's or producer's numbers are; its connection goes without saying.
type PartKey = (i64, i64);

/// What lives in a connection and what it waits for.
#[derive(Debug, Default)]
pub(crate) struct RestoreState {
    /// Temporary destinations, in the order in which they were made.
    temporaries: Vec<DestinationInfo>,
    sessions: BTreeMap<i64, SessionInfo>,
    producers: BTreeMap<PartKey, ProducerInfo>,
    consumers: BTreeMap<PartKey, ConsumerInfo>,
    /// Producers that are closed and may have sent what is still to be confirmed.
    closed: BTreeMap<PartKey, ProducerInfo>,
    /// What waits for an answer and is sent again, by its number.
    outstanding: BTreeMap<i32, Command>,
    /// Messages among it count as much.
    outstanding_bytes: usize,
    /// What waits for an answer that can come from no other broker, by its number.
    tied: BTreeMap<i32, Tied>,
    /// Commits among it, by their numbers: the broker that was lost may be asked again, when it is
    /// back, how they ended.
    commits: BTreeMap<i32, Command>,
    /// The broker of the link, or of the last one, if it tells that.
    teller: Option<BrokerId>,
    /// The latest messages that nobody confirms (`trackMessages`).
    cache: VecDeque<Arc<Message>>,
    cached_bytes: usize,
    /// How many bytes of them are kept; absent: none.
    most_cached: Option<usize>,
}

/// Why a request ends with the link that it was sent over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tied {
    /// It acknowledges what the broker takes back.
    Acknowledgement,
    /// It is part of a transaction, which ends with the link.
    Transaction,
    /// It ends a transaction: whether that was done is not known.
    Commit,
}

impl Tied {
    /// What is said to who waits.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Acknowledgement => {
                "the broker was lost before it confirmed the acknowledgement; what was not \
                 acknowledged is delivered again"
            }
            Self::Transaction => {
                "the transaction is rolled back: the broker was lost before it was committed"
            }
            Self::Commit => {
                "the broker was lost while it committed the transaction: whether it did is not \
                 known, since it did not come back, or does not tell"
            }
        }
    }
}

/// `TransactionInfo.type` of the commands that end one.
const COMMIT_ONE_PHASE: i8 = 2;
const COMMIT_TWO_PHASE: i8 = 3;

impl RestoreState {
    /// Keeps as many bytes of messages that nobody confirms, if any.
    pub(crate) fn new(most_cached: Option<usize>) -> Self {
        Self { most_cached, ..Self::default() }
    }

    /// The connection sends this, or would if it had a link.
    pub(crate) fn record(&mut self, command: &Command) {
        match command {
            Command::Message(message) => self.record_message(message),
            Command::SessionInfo(info) => {
                if let Some(id) = &info.session_id {
                    self.sessions.insert(id.value, info.clone());
                }
            }
            Command::ProducerInfo(info) => {
                if let Some(id) = &info.producer_id {
                    self.producers.insert((id.session_id, id.value), ProducerInfo::clone(info));
                }
            }
            Command::ConsumerInfo(info) => {
                if let Some(id) = &info.consumer_id {
                    self.consumers.insert((id.session_id, id.value), ConsumerInfo::clone(info));
                }
            }
            Command::DestinationInfo(info) => self.record_destination(info),
            Command::RemoveInfo(info) => self.record_removal(info),
            Command::TransactionInfo(info) => {
                let tied = match info.kind {
                    COMMIT_ONE_PHASE | COMMIT_TWO_PHASE => Tied::Commit,
                    _ => Tied::Transaction,
                };
                self.tie(command, tied);
                if tied == Tied::Commit && info.response_required && self.teller.is_some() {
                    self.commits.insert(info.command_id, command.clone());
                }
            }
            Command::MessageAck(_) => self.tie(command, Tied::Acknowledgement),
            Command::ConnectionInfo(_) | Command::ShutdownInfo(_) => {}
            other => self.expect(other),
        }
    }

    fn record_message(&mut self, message: &Arc<Message>) {
        if message.transaction_id().is_some() {
            if message.response_required {
                self.tied.insert(message.command_id, Tied::Transaction);
            }
        } else if message.response_required {
            self.outstanding_bytes += message.size();
            self.outstanding.insert(message.command_id, Command::Message(Arc::clone(message)));
        } else if let Some(most) = self.most_cached {
            self.cached_bytes += message.size();
            self.cache.push_back(Arc::clone(message));
            while self.cached_bytes > most || self.cache.len() > MOST_CACHED {
                let Some(oldest) = self.cache.pop_front() else { break };
                self.cached_bytes -= oldest.size().min(self.cached_bytes);
            }
        }
    }

    fn record_destination(&mut self, info: &DestinationInfo) {
        self.temporaries.retain(|known| known.destination != info.destination);
        if info.operation_type == 0 {
            self.temporaries.push(info.clone());
        } else {
            self.expect(&Command::DestinationInfo(info.clone()));
        }
    }

    fn record_removal(&mut self, info: &RemoveInfo) {
        match info.object_id.as_deref() {
            Some(Command::ConsumerId(id)) => self.forget_consumer(id),
            Some(Command::ProducerId(id)) => {
                let key = (id.session_id, id.value);
                if let Some(producer) = self.producers.remove(&key) {
                    self.close_producer(key, producer);
                }
            }
            Some(Command::SessionId(id)) => {
                self.sessions.remove(&id.value);
                self.consumers.retain(|key, _| key.0 != id.value);
                let left: Vec<PartKey> =
                    self.producers.keys().filter(|key| key.0 == id.value).copied().collect();
                for key in left {
                    if let Some(producer) = self.producers.remove(&key) {
                        self.close_producer(key, producer);
                    }
                }
            }
            // The connection's own end is for nobody to repeat.
            _ => {}
        }
    }

    fn close_producer(&mut self, key: PartKey, producer: ProducerInfo) {
        if self.outstanding.is_empty() && self.cache.is_empty() {
            self.closed.clear();
            return;
        }
        self.closed.insert(key, producer);
        if self.closed.len() >= SIFT_AT {
            let owed: std::collections::BTreeSet<PartKey> =
                self.messages().filter_map(|message| sender(message)).collect();
            self.closed.retain(|key, _| owed.contains(key));
        }
    }

    fn messages(&self) -> impl Iterator<Item = &Arc<Message>> {
        let outstanding = self.outstanding.values().filter_map(|command| match command {
            Command::Message(message) => Some(message),
            _ => None,
        });
        outstanding.chain(&self.cache)
    }

    fn expect(&mut self, command: &Command) {
        if let Some(id) = command.command_id().filter(|_| command.response_required()) {
            self.outstanding.insert(id, command.clone());
        }
    }

    fn tie(&mut self, command: &Command, tied: Tied) {
        if let Some(id) = command.command_id().filter(|_| command.response_required()) {
            self.tied.insert(id, tied);
        }
    }

    /// The broker has answered this command.
    pub(crate) fn answered(&mut self, id: i32) {
        match self.outstanding.remove(&id) {
            Some(Command::Message(message)) => {
                self.outstanding_bytes -= message.size().min(self.outstanding_bytes);
            }
            Some(_) => {}
            None => {
                self.tied.remove(&id);
                self.commits.remove(&id);
            }
        }
    }

    /// The broker has refused this command: what it would have made is not made anew. Names the
    /// consumer that it was about.
    pub(crate) fn refused(&mut self, id: i32) -> Option<ConsumerId> {
        self.answered(id);
        self.temporaries.retain(|info| info.command_id != id);
        self.producers.retain(|_, info| info.command_id != id);
        let key = self.consumers.iter().find(|(_, info)| info.command_id == id)?.0;
        let key = *key;
        self.consumers.remove(&key).and_then(|info| info.consumer_id)
    }

    /// The consumer is no more.
    pub(crate) fn forget_consumer(&mut self, id: &ConsumerId) {
        self.consumers.remove(&(id.session_id, id.value));
    }

    /// The link is gone: these requests end with it. Commits that its broker may be asked for again
    /// are not among them.
    pub(crate) fn interrupted(&mut self) -> Vec<(i32, Tied)> {
        let ended = std::mem::take(&mut self.tied).into_iter();
        ended.filter(|(id, _)| !self.commits.contains_key(id)).collect()
    }

    /// There is a link, to this broker if it tells how transactions ended. Commits that were not
    /// answered are asked for again where they were asked for; anywhere else nobody knows, and these
    /// requests end.
    pub(crate) fn meet(&mut self, teller: Option<BrokerId>) -> Vec<(i32, Tied)> {
        let same = teller.is_some() && teller == self.teller;
        self.teller = teller;
        if same {
            self.tied.extend(self.commits.keys().map(|id| (*id, Tied::Commit)));
            return Vec::new();
        }
        let lost = std::mem::take(&mut self.commits);
        lost.into_keys().map(|id| (id, Tied::Commit)).collect()
    }

    /// How many bytes of messages wait to be confirmed.
    pub(crate) fn outstanding_bytes(&self) -> usize {
        self.outstanding_bytes
    }

    /// How many commands wait for an answer.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.len() + self.tied.len()
    }

    /// What a new broker is told once it has let the client in. `next` is the number of the next
    /// command: numbers wrap, and what was sent first goes first.
    pub(crate) fn replay(&self, next: i32) -> Vec<Command> {
        let mut replay = Vec::new();
        replay.extend(self.temporaries.iter().cloned().map(Command::DestinationInfo));
        for (number, session) in &self.sessions {
            replay.push(Command::SessionInfo(session.clone()));
            let parts = (*number, i64::MIN)..=(*number, i64::MAX);
            let producers = self.producers.range(parts.clone());
            replay.extend(producers.map(|(_, info)| Command::from(info.clone())));
            let consumers = self.consumers.range(parts);
            replay.extend(consumers.map(|(_, info)| Command::from(info.clone())));
        }
        let cached = self.cache.iter().cloned().map(Command::Message);
        let asked = self.outstanding.values().chain(self.commits.values()).cloned();
        let mut owed: Vec<Command> = asked.chain(cached).collect();
        owed.sort_by_key(|command| command.command_id().unwrap_or(next).wrapping_sub(next));
        self.replay_for_closed(&mut replay, owed);
        replay
    }

    /// What closed producers still owe needs them, and their sessions, for as long as it takes.
    fn replay_for_closed(&self, replay: &mut Vec<Command>, owed: Vec<Command>) {
        let mut needed: BTreeMap<PartKey, &ProducerInfo> = BTreeMap::new();
        for command in &owed {
            if let Command::Message(message) = command
                && let Some(key) = sender(message)
                && let Some(info) = self.closed.get(&key)
            {
                needed.insert(key, info);
            }
        }
        let mut sessions: Vec<SessionId> = Vec::new();
        for info in needed.values() {
            let Some(id) = &info.producer_id else { continue };
            let session =
                SessionId { connection_id: id.connection_id.clone(), value: id.session_id };
            if !self.sessions.contains_key(&id.session_id) && !sessions.contains(&session) {
                replay.push(Command::SessionInfo(SessionInfo {
                    session_id: Some(session.clone()),
                    ..SessionInfo::default()
                }));
                sessions.push(session);
            }
            let info = ProducerInfo { response_required: false, ..(*info).clone() };
            replay.push(Command::from(info));
        }
        // A request goes in any case: who waits for it shall learn what the broker makes of it.
        replay.extend(owed.into_iter().filter(|command| match command {
            Command::Message(message) if !message.response_required => {
                sender(message).is_some_and(|key| {
                    self.producers.contains_key(&key) || needed.contains_key(&key)
                })
            }
            _ => true,
        }));
        let producers = needed.values().filter_map(|info| info.producer_id.clone());
        replay.extend(producers.map(|id| removal(Command::ProducerId(id))));
        replay.extend(sessions.into_iter().map(|id| removal(Command::SessionId(id))));
    }
}

fn removal(object: Command) -> Command {
    Command::RemoveInfo(RemoveInfo {
        object_id: Some(Box::new(object)),
        last_delivered_sequence_id: -1,
        ..RemoveInfo::default()
    })
}

fn sender(message: &Message) -> Option<PartKey> {
    let ProducerId { session_id, value, .. } = message.producer_id()?;
    Some((session_id, value))
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
