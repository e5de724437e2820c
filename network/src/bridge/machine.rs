//! A bridge as a plain machine: commands and time in, commands and events out.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, ConnectionError, ConsumerControl, ConsumerInfo, MessageDispatch, RemoveInfo,
    ShutdownInfo,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::throwable::Throwable;
use tokio::time::Instant;

use super::advised::News;
use super::effects::{Effects, Event};
use super::forwarder::{ForwardCounts, RemoteFailing};
use super::introduction;
use super::liveness::Due;
use super::outgoing::Outgoing;
use super::phase::{BridgeEnd, Phase};
use super::refusal::shown;
use super::settings::{BridgeSettings, EndIds};
use super::window::NOTHING_DELIVERED;
use super::work::Work;
use crate::demand::table::DemandChange;
use crate::local_broker::BrokerIdentity;

/// How long a stopping bridge waits for what the remote broker has not confirmed.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// One bridge, from a fresh link to the remote broker until its end.
///
/// Feed it what arrives ([`handle_local`](Self::handle_local),
/// [`handle_remote`](Self::handle_remote)), the passing of time
/// ([`handle_tick`](Self::handle_tick) at [`next_tick`](Self::next_tick)) and the loss of a link;
/// after any number of those, [`take_effects`](Self::take_effects) and carry them out. Time must
/// not run backwards. The two directions are independent: no input is ever waited for.
///
/// After its end it ignores all input; its last effects say farewell at both ends.
#[derive(Debug)]
pub struct Bridge {
    settings: BridgeSettings,
    phase: Phase,
    local: Outgoing,
    remote: Outgoing,
    events: Vec<Event>,
    /// The request whose response the opening waits for.
    awaited: Option<i32>,
    /// Durable subscriptions of bridges that the local broker told of while it was opened.
    kept: Vec<ConsumerInfo>,
    /// Those that the remote broker told of, until they are looked at.
    theirs: Option<Vec<ConsumerInfo>>,
    /// Exists from the moment that the remote broker is known.
    work: Option<Box<Work>>,
}

/// Where a bridge's numbers stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BridgeCounts {
    /// What became of messages.
    pub forwards: ForwardCounts,
    /// Messages that the remote broker has not confirmed.
    pub in_flight: usize,
    /// Demand subscriptions.
    pub demands: usize,
    /// When the remote broker answered last.
    pub proven: Option<Instant>,
}

impl Bridge {
    /// A bridge over a link to a remote broker that was just made.
    pub fn new(settings: BridgeSettings, now: Instant) -> Self {
        let until = now + settings.config.link_timeout;
        Self {
            settings,
            phase: Phase::WaitingForBrokerInfo { until },
            local: Outgoing::default(),
            remote: Outgoing::default(),
            events: Vec::new(),
            awaited: None,
            kept: Vec::new(),
            theirs: None,
            work: None,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Its numbers.
    pub fn counts(&self) -> BridgeCounts {
        let Some(work) = &self.work else { return BridgeCounts::default() };
        BridgeCounts {
            forwards: work.forwarder.counts(),
            in_flight: work.forwarder.in_flight() + work.settling.in_flight(),
            demands: work.demand.len(),
            proven: work.liveness.proven(),
        }
    }

    /// When [`handle_tick`](Self::handle_tick) has something to do.
    pub fn next_tick(&self) -> Option<Instant> {
        let work = self.work.as_ref();
        let forwarder = work.and_then(|work| work.forwarder.next_tick());
        let liveness = work.and_then(|work| work.liveness.next_tick());
        match self.phase {
            Phase::Over { .. } => None,
            _ => [self.phase.until(), forwarder, liveness].into_iter().flatten().min(),
        }
    }

    /// Moves out what is to be done; `effects` keeps its capacity.
    pub fn take_effects(&mut self, effects: &mut Effects) {
        if let Some(work) = &mut self.work {
            work.forwarder.flush(&mut self.local);
            self.events.append(&mut work.forwarder.refusals);
            work.remove_left_destinations(&mut self.local);
        }
        self.finish_draining();
        effects.to_local.append(&mut self.local.commands);
        effects.to_remote.append(&mut self.remote.commands);
        effects.events.append(&mut self.events);
    }

    /// The local broker sent a command.
    pub fn handle_local(&mut self, command: Command, now: Instant) {
        if self.is_over() {
            return;
        }
        match command {
            Command::MessageDispatch(dispatch) => self.dispatched(dispatch, now),
            Command::Response(response) => {
                self.local_answered(response.correlation_id, Ok(()), now)
            }
            Command::ExceptionResponse(refusal) => {
                let answer = Err(shown(refusal.exception.as_ref()));
                self.local_answered(refusal.correlation_id, answer, now);
            }
            Command::ConnectionError(error) => {
                self.end(BridgeEnd::LocalRefused(shown(error.exception.as_ref())));
            }
            Command::BrokerSubscriptionInfo(kept) => {
                self.kept = kept.subscription_infos.into_iter().flatten().flatten().collect();
            }
            Command::ShutdownInfo(_) => {
                self.end(BridgeEnd::LocalLost("it is shutting down".to_owned()));
            }
            // Its own introduction, and what is meant for clients.
            _ => {}
        }
    }

    /// The remote broker sent a command.
    pub fn handle_remote(&mut self, command: Command, now: Instant) {
        if self.is_over() {
            return;
        }
        match command {
            Command::BrokerInfo(info) => self.introduced(&info, now),
            Command::Response(response) => self.remote_answered(response.correlation_id, now),
            Command::IntegerResponse(answer) => {
                self.remote_said(answer.correlation_id, answer.result, now);
            }
            Command::ExceptionResponse(refusal) => {
                self.remote_refused(refusal.correlation_id, refusal.exception.as_ref(), now);
            }
            Command::BrokerSubscriptionInfo(theirs) => {
                self.theirs =
                    Some(theirs.subscription_infos.into_iter().flatten().flatten().collect());
                self.synchronise();
            }
            Command::MessageDispatch(advisory) => {
                self.advised(advisory.destination, advisory.message, now);
            }
            // ActiveMQ's bridge at the other end of a duplex link forwards its advisories.
            Command::Message(advisory) => self.advised(advisory.destination(), Some(advisory), now),
            Command::ConnectionError(error) => {
                self.end(BridgeEnd::RemoteRefused(shown(error.exception.as_ref())));
            }
            Command::ShutdownInfo(_) => self.end(BridgeEnd::RemoteShutDown),
            // What brokers tell their clients about clusters and credit.
            _ => {}
        }
    }

    /// Time has passed.
    pub fn handle_tick(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        if let Some(work) = &mut self.work {
            work.forwarder.tick(now, &mut self.remote);
        }
        self.prove(now);
        if self.phase.until().is_none_or(|until| now < until) {
            return;
        }
        let seconds = self.settings.config.link_timeout.as_secs();
        match self.phase {
            Phase::WaitingForBrokerInfo { .. } => self.end(BridgeEnd::RemoteSilent { seconds }),
            Phase::OpeningLocal { .. } => self.end(BridgeEnd::LocalSilent { seconds }),
            // Perhaps it takes messages all the same; what is in doubt stays so.
            Phase::Settling { .. } => self.give_up_settling(now),
            Phase::OpeningRemote { .. } => self.end(BridgeEnd::RemoteUnconfirmed { seconds }),
            Phase::Draining { .. } => self.end(BridgeEnd::Stopped),
            Phase::Live { .. } | Phase::Over { .. } => {}
        }
    }

    /// A link broke, or whatever else ends the bridge from outside.
    pub fn fail(&mut self, end: BridgeEnd) {
        if !self.is_over() {
            self.end(end);
        }
    }

    /// Stops: begins nothing new, and ends when all that was forwarded is confirmed, or soon.
    pub fn stop(&mut self, now: Instant) {
        match (&self.phase, &mut self.work) {
            (Phase::Over { .. } | Phase::Draining { .. }, _) => {}
            (Phase::Live { .. } | Phase::OpeningRemote { .. }, Some(work)) => {
                let until = now + STOP_LIMIT;
                work.forwarder.drain(&mut self.local);
                work.liveness.rest();
                self.phase = Phase::Draining { until };
            }
            _ => self.end(BridgeEnd::Stopped),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Asks the remote broker for proof that it lives, and ends when none comes.
    fn prove(&mut self, now: Instant) {
        let (Phase::Live { .. }, Some(work)) = (&self.phase, &mut self.work) else { return };
        match work.liveness.due(now) {
            Due::Nothing => {}
            Due::Question => work.liveness.ask(now, &mut self.remote),
            // It holds our messages, and reads nothing before there is room for them. If its link
            // is dead, the transport's keep-alives tell.
            Due::Verdict if work.forwarder.in_flight() > 0 && !self.settings.remote_reads_on => {
                work.liveness.extend(now);
            }
            Due::Verdict => {
                let seconds = self.settings.config.link_timeout.as_secs();
                self.end(BridgeEnd::RemoteDeaf { seconds });
            }
        }
    }

    /// The remote broker says who it is.
    fn introduced(&mut self, info: &BrokerInfo, now: Instant) {
        if !matches!(self.phase, Phase::WaitingForBrokerInfo { .. }) {
            return;
        }
        let Some(remote) = BrokerIdentity::of(info) else {
            return self.end(BridgeEnd::RemoteUnnamed);
        };
        if remote.id == self.settings.local.id {
            let local = &self.settings.local;
            let is_this = remote.name == local.name && remote.url == local.url;
            let BrokerIdentity { name, url, .. } = remote;
            return self.end(match is_this {
                true => BridgeEnd::Loopback,
                false => BridgeEnd::SameIdentifier { name, url },
            });
        }
        let work = Work::new(&self.settings, remote.clone());
        let ids = &work.local_ids;
        let request = introduction::to_local(&self.settings, &remote, ids, &mut self.local);
        self.awaited = Some(request);
        self.work = Some(Box::new(work));
        self.events.push(Event::RemoteKnown(remote.clone()));
        let until = now + self.settings.config.link_timeout;
        self.phase = Phase::OpeningLocal { remote, until };
    }

    fn local_answered(&mut self, command: i32, answer: Result<(), String>, now: Instant) {
        if let Phase::OpeningLocal { remote, .. } = &self.phase
            && self.awaited == Some(command)
        {
            let remote = remote.clone();
            return match answer {
                Ok(()) => self.open_remote(remote, now),
                Err(reason) => self.end(BridgeEnd::LocalRefused(reason)),
            };
        }
        let Some(work) = &mut self.work else { return };
        if let Phase::Settling { .. } = self.phase {
            work.settling.local_answered(command, answer.is_err(), &mut self.local);
            return self.go_on_if_settled(now);
        }
        if work.forwarder.ended(command, &mut self.remote) {
            work.forget_topics_that_crossed();
        } else if let Some(number) = work.subscribing.remove(&command)
            && let Err(reason) = answer
        {
            let discarded = work.forwarder.discard(number);
            if work.demand.simplify(number, &mut work.changes) {
                return self.apply_changes();
            }
            work.demand.forget(number);
            if let Some(destination) = discarded {
                self.events.push(Event::DemandRefused { destination, reason });
            }
        }
    }

    /// The local end is open: tell the remote broker who is here, and ask it about what it may have.
    fn open_remote(&mut self, remote: BrokerIdentity, now: Instant) {
        let Some(work) = &mut self.work else { return };
        introduction::to_remote(&self.settings, &work.remote_ids, &mut self.remote);
        let doubted = self.kept.extract_if(.., |info| info.subscription_name.is_none());
        let permits = &self.settings.permits;
        let queues = doubted.filter_map(|info| info.destination);
        let queues = queues.filter(|queue| permits.verdict(queue).may_cross());
        work.settling.begin(queues, &mut self.local);
        let until = now + self.settings.config.link_timeout;
        self.phase = Phase::Settling { remote, until };
        self.go_on_if_settled(now);
    }

    /// The remote broker answered a question about a message.
    fn remote_said(&mut self, command: i32, answer: i32, now: Instant) {
        let Some(work) = &mut self.work else { return };
        if work.settling.answered(command, answer, &mut self.local)
            && let Phase::Settling { until, .. } = &mut self.phase
        {
            *until = now + self.settings.config.link_timeout;
            self.go_on_if_settled(now);
        }
    }

    fn give_up_settling(&mut self, now: Instant) {
        if let Some(work) = &mut self.work {
            work.settling.abandon(&mut self.local);
        }
        self.go_on_if_settled(now);
    }

    fn go_on_if_settled(&mut self, now: Instant) {
        let settled = self.work.as_ref().is_some_and(|work| work.settling.is_done());
        if let Phase::Settling { remote, .. } = &self.phase
            && settled
        {
            self.listen(remote.clone(), now);
        }
    }

    /// Nothing is in doubt: listen to demand, and follow what is static.
    fn listen(&mut self, remote: BrokerIdentity, now: Instant) {
        let Some(work) = &mut self.work else { return };
        self.awaited = introduction::listen(&self.settings, &work.remote_ids, &mut self.remote);
        if self.awaited.is_none() {
            work.liveness.ask(now, &mut self.remote);
        }
        let until = now + self.settings.config.link_timeout;
        self.phase = Phase::OpeningRemote { remote, until };
        for pattern in &self.settings.config.statically_included {
            let permitted = self.settings.permits.verdict(pattern.address());
            if permitted.may_cross() {
                work.demand.stand(pattern, &mut work.changes);
            }
        }
        work.restore(&std::mem::take(&mut self.kept), &self.settings);
        self.apply_changes();
        self.synchronise();
    }

    /// Compares durable demand with what the remote broker told of, once the bridge serves.
    fn synchronise(&mut self) {
        let follows = self.settings.config.synchronises_durables();
        let serves = matches!(self.phase, Phase::OpeningRemote { .. } | Phase::Live { .. });
        if let (true, true, Some(work)) = (follows, serves, &mut self.work)
            && let Some(theirs) = self.theirs.take()
        {
            let events = &mut self.events;
            work.synchronise(&theirs, &self.settings, &mut self.local, events);
            self.apply_changes();
        }
    }

    fn remote_answered(&mut self, command: i32, now: Instant) {
        let Some(work) = &mut self.work else { return };
        if work.liveness.answered(command, now) || self.awaited == Some(command) {
            return self.confirm(now);
        }
        work.forwarder.confirmed(command, &mut self.remote);
    }

    fn remote_refused(&mut self, command: i32, exception: Option<&Throwable>, now: Instant) {
        if self.awaited == Some(command) {
            return self.end(BridgeEnd::RemoteRefused(shown(exception)));
        }
        let Some(work) = &mut self.work else { return };
        if work.liveness.answered(command, now) {
            return self.confirm(now);
        }
        let events = &mut self.events;
        let outcome = work.forwarder.refused(command, exception, now, events);
        if let Err(RemoteFailing(reason)) = outcome {
            self.end(BridgeEnd::RemoteFailing(reason));
        }
    }

    /// The remote broker has taken the whole opening.
    fn confirm(&mut self, now: Instant) {
        if let Phase::OpeningRemote { remote, .. } = &self.phase {
            self.events.push(Event::Live(remote.clone()));
            self.awaited = None;
            if let Some(work) = &mut self.work {
                work.liveness.begin(now);
            }
            self.phase = Phase::Live { remote: remote.clone(), since: now };
        }
    }

    fn dispatched(&mut self, dispatch: MessageDispatch, now: Instant) {
        let Some(work) = &mut self.work else { return };
        if let Phase::Settling { .. } = self.phase {
            work.settling.dispatched(&dispatch, &mut self.local, &mut self.remote);
            return self.go_on_if_settled(now);
        }
        let overlap = work.demand.topics_overlap();
        work.forwarder.dispatched(dispatch, overlap, &mut self.remote, &mut self.events);
    }

    fn advised(
        &mut self,
        topic: Option<Destination>,
        advisory: Option<Arc<Message>>,
        now: Instant,
    ) {
        if matches!(self.phase, Phase::Draining { .. }) {
            return;
        }
        // An advisory proves as well as the response that the remote broker took the opening.
        self.confirm(now);
        let Some(work) = &mut self.work else { return };
        if let Some(ack) = work.advisory_acks.count(topic, advisory.as_deref()) {
            self.remote.push(Command::from(ack));
        }
        let Some(message) = advisory else { return };
        match News::of(&message) {
            News::Consumer(info) => {
                work.consumer_came(&info, &mut self.local, &mut self.events);
            }
            News::ConsumerGone(consumer) => work.demand.remove(&consumer, &mut work.changes),
            News::Unsubscribed(durable) => work.unsubscribed(&durable),
            News::Temporary(info) => work.temporary(info, &self.settings, &mut self.local),
            News::Nothing => {}
        }
        self.apply_changes();
    }

    /// Makes and ends subscriptions as demand asks.
    fn apply_changes(&mut self) {
        let Some(work) = &mut self.work else { return };
        let (local, events) = (&mut self.local, &mut self.events);
        let mut successor = None;
        let mut changes = std::mem::take(&mut work.changes).into_iter().peekable();
        while let Some(change) = changes.next() {
            match change {
                DemandChange::Subscribe(mut info) => {
                    work.forwarder.open(&info);
                    if matches!(changes.peek(), Some(DemandChange::Supersede(_))) {
                        successor = wait_for_predecessor(&mut info);
                    }
                    events.extend(info.destination.clone().map(Event::DemandAdded));
                    let number = info.consumer_id.as_ref().map(|consumer| consumer.value);
                    let request = local.request(Command::ConsumerInfo(info));
                    work.subscribing.extend(number.map(|number| (request, number)));
                }
                DemandChange::Unsubscribe(number) => {
                    events.extend(work.forwarder.serving(number).map(Event::DemandRemoved));
                    work.forwarder.end(number, local);
                    work.forget_topics_that_crossed();
                }
                DemandChange::Supersede(number) => {
                    work.forwarder.supersede(number, local);
                    local.commands.extend(successor.take());
                }
                DemandChange::Describe(info) => {
                    local.request(Command::ConsumerInfo(info));
                }
                DemandChange::Abolish(number) => {
                    events.extend(work.forwarder.serving(number).map(Event::DemandRemoved));
                    work.forwarder.abolish(number, local);
                    work.forget_topics_that_crossed();
                }
            }
        }
    }

    fn finish_draining(&mut self) {
        let drained = self.work.as_ref().is_none_or(|work| work.forwarder.is_drained());
        if matches!(self.phase, Phase::Draining { .. }) && drained {
            self.end(BridgeEnd::Stopped);
        }
    }

    /// Gives back what is not acknowledged and leaves both brokers.
    fn end(&mut self, end: BridgeEnd) {
        if let BridgeEnd::Twin(reason) = &end {
            // Who runs the remote broker is to know, too.
            let exception = Some(Throwable::new("java.io.IOException", reason.as_str()));
            let error = ConnectionError { exception, ..ConnectionError::default() };
            self.remote.push(Command::ConnectionError(error));
        }
        if let Some(work) = &mut self.work {
            work.settling.abandon(&mut self.local);
            work.forwarder.abandon(&mut self.local);
            farewell(&work.local_ids, &mut self.local);
            if !matches!(self.phase, Phase::OpeningLocal { .. }) {
                farewell(&work.remote_ids, &mut self.remote);
            }
        }
        self.phase = Phase::Over { end: end.clone() };
        self.events.push(Event::Over(end));
    }
}

/// Lets a queue's subscription stand in the place of another one, but get nothing before that has
/// given back what it did not forward: otherwise what came later would go first. Returns what ends
/// the wait.
fn wait_for_predecessor(info: &mut ConsumerInfo) -> Option<Command> {
    if !info.destination.as_ref().is_some_and(|to| to.kind().is_queue()) {
        return None;
    }
    Some(Command::ConsumerControl(ConsumerControl {
        consumer_id: info.consumer_id.clone(),
        destination: info.destination.clone(),
        prefetch: std::mem::take(&mut info.prefetch_size),
        ..ConsumerControl::default()
    }))
}

fn farewell(ids: &EndIds, out: &mut Outgoing) {
    out.push(Command::RemoveInfo(RemoveInfo {
        object_id: Some(Box::new(Command::ConnectionId(ids.connection.clone()))),
        last_delivered_sequence_id: NOTHING_DELIVERED,
        ..RemoveInfo::default()
    }));
    out.push(Command::ShutdownInfo(ShutdownInfo::default()));
}
