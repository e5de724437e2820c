//! A bridge as a plain machine: commands and time in, commands and events out.

use std::collections::HashMap;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{
    BrokerInfo, ConsumerInfo, DestinationInfo, MessageDispatch, RemoveInfo, ShutdownInfo,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::throwable::Throwable;
use tokio::time::Instant;

use super::advised::{AdvisoryAcks, News};
use super::effects::{Effects, Event};
use super::forwarder::{ForwardCounts, ForwardTerms, Forwarder, RemoteFailing};
use super::introduction;
use super::outgoing::Outgoing;
use super::phase::{BridgeEnd, Phase};
use super::refusal::shown;
use super::settings::{BridgeSettings, EndIds};
use super::window::NOTHING_DELIVERED;
use crate::broker_path::{self, WirePath};
use crate::composite;
use crate::demand::table::{DemandChange, DemandNumber, DemandTable};
use crate::local_broker::BrokerIdentity;
use crate::rules::demand::DemandRule;

/// How long each step of the opening may take.
pub const OPENING_LIMIT: Duration = Duration::from_secs(30);
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
    /// Exists from the moment that the remote broker is known.
    work: Option<Box<Work>>,
}

/// What a bridge does once it knows between whom.
#[derive(Debug)]
struct Work {
    local_ids: EndIds,
    remote_ids: EndIds,
    remote: BrokerIdentity,
    rule: DemandRule,
    demand: DemandTable,
    forwarder: Forwarder,
    advisory_acks: AdvisoryAcks,
    /// Demand subscriptions that the local broker has not confirmed, by request.
    subscribing: HashMap<i32, DemandNumber>,
    /// Temporary destinations to remove here once no subscription to them is left.
    leaving: Vec<DestinationInfo>,
    changes: Vec<DemandChange>,
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
}

impl Bridge {
    /// A bridge over a link to a remote broker that was just made.
    pub fn new(settings: BridgeSettings, now: Instant) -> Self {
        Self {
            settings,
            phase: Phase::WaitingForBrokerInfo { until: now + OPENING_LIMIT },
            local: Outgoing::default(),
            remote: Outgoing::default(),
            events: Vec::new(),
            awaited: None,
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
            in_flight: work.forwarder.in_flight(),
            demands: work.demand.len(),
        }
    }

    /// When [`handle_tick`](Self::handle_tick) has something to do.
    pub fn next_tick(&self) -> Option<Instant> {
        let work = self.work.as_ref().and_then(|work| work.forwarder.next_tick());
        match self.phase {
            Phase::Over { .. } => None,
            _ => [self.phase.until(), work].into_iter().flatten().min(),
        }
    }

    /// Moves out what is to be done; `effects` keeps its capacity.
    pub fn take_effects(&mut self, effects: &mut Effects) {
        if let Some(work) = &mut self.work {
            work.forwarder.flush(&mut self.local);
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
            Command::MessageDispatch(dispatch) => self.dispatched(dispatch),
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
            Command::BrokerInfo(info) => self.introduced(*info, now),
            Command::Response(response) => self.remote_answered(response.correlation_id, now),
            Command::ExceptionResponse(refusal) => {
                self.remote_refused(refusal.correlation_id, refusal.exception.as_ref(), now);
            }
            Command::MessageDispatch(advisory) => self.advised(&advisory, now),
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
            work.forwarder.tick(now, &mut self.local, &mut self.remote);
        }
        if self.phase.until().is_none_or(|until| now < until) {
            return;
        }
        let seconds = OPENING_LIMIT.as_secs();
        match self.phase {
            Phase::WaitingForBrokerInfo { .. } => self.end(BridgeEnd::RemoteSilent { seconds }),
            Phase::OpeningLocal { .. } => self.end(BridgeEnd::LocalSilent { seconds }),
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
                work.forwarder.drain(until);
                self.phase = Phase::Draining { until };
            }
            _ => self.end(BridgeEnd::Stopped),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// The remote broker says who it is.
    fn introduced(&mut self, info: BrokerInfo, now: Instant) {
        if !matches!(self.phase, Phase::WaitingForBrokerInfo { .. }) {
            return;
        }
        let Some(id) = info.broker_id else { return self.end(BridgeEnd::RemoteUnnamed) };
        if id == self.settings.local.id {
            return self.end(BridgeEnd::Loopback);
        }
        let text = |text: Option<ferrymq_openwire::text::Text>| {
            text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let name = Some(text(info.broker_name)).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| id.to_string());
        let remote = BrokerIdentity { name, url: text(info.broker_url), id };
        let work = Work::new(&self.settings, remote.clone());
        let ids = &work.local_ids;
        let request = introduction::to_local(&self.settings, &remote, ids, &mut self.local);
        self.awaited = Some(request);
        self.work = Some(Box::new(work));
        self.events.push(Event::RemoteKnown(remote.clone()));
        self.phase = Phase::OpeningLocal { remote, until: now + OPENING_LIMIT };
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
        if work.forwarder.ended(command) {
            work.forget_topics_that_crossed();
        } else if let Some(number) = work.subscribing.remove(&command)
            && let Err(reason) = answer
        {
            work.demand.forget(number);
            if let Some(destination) = work.forwarder.discard(number) {
                self.events.push(Event::DemandRefused { destination, reason });
            }
        }
    }

    /// The local end is open: tell the remote broker everything, and follow static demand.
    fn open_remote(&mut self, remote: BrokerIdentity, now: Instant) {
        let Some(work) = &mut self.work else { return };
        let ids = &work.remote_ids;
        self.awaited = Some(introduction::to_remote(&self.settings, ids, &mut self.remote));
        self.phase = Phase::OpeningRemote { remote, until: now + OPENING_LIMIT };
        for pattern in &self.settings.config.statically_included {
            let permitted = self.settings.permits.verdict(pattern.address());
            if permitted.may_cross() {
                work.demand.stand(pattern, &mut work.changes);
            }
        }
        self.apply_changes(now);
    }

    fn remote_answered(&mut self, command: i32, now: Instant) {
        if self.awaited == Some(command) {
            self.confirm(now);
        }
        if let Some(work) = &mut self.work {
            work.forwarder.confirmed(command);
        }
    }

    fn remote_refused(&mut self, command: i32, exception: Option<&Throwable>, now: Instant) {
        if self.awaited == Some(command) {
            return self.end(BridgeEnd::RemoteRefused(shown(exception)));
        }
        let Some(work) = &mut self.work else { return };
        let events = &mut self.events;
        let outcome = work.forwarder.refused(command, exception, now, &mut self.local, events);
        if let Err(RemoteFailing(reason)) = outcome {
            self.end(BridgeEnd::RemoteFailing(reason));
        }
    }

    /// The remote broker has taken the whole opening.
    fn confirm(&mut self, now: Instant) {
        if let Phase::OpeningRemote { remote, .. } = &self.phase {
            self.events.push(Event::Live(remote.clone()));
            self.awaited = None;
            self.phase = Phase::Live { remote: remote.clone(), since: now };
        }
    }

    fn dispatched(&mut self, dispatch: MessageDispatch) {
        let Some(work) = &mut self.work else { return };
        let overlap = work.demand.topics_overlap();
        work.forwarder.dispatched(dispatch, overlap, &mut self.remote, &mut self.events);
    }

    fn advised(&mut self, advisory: &MessageDispatch, now: Instant) {
        if matches!(self.phase, Phase::Draining { .. }) {
            return;
        }
        // An advisory proves as well as the response that the remote broker took the opening.
        self.confirm(now);
        let Some(work) = &mut self.work else { return };
        if let Some(ack) = work.advisory_acks.count(advisory) {
            self.remote.push(Command::MessageAck(ack));
        }
        let Some(message) = &advisory.message else { return };
        match News::of(message) {
            News::Consumer(info) => work.consumer_came(&info, &mut self.local),
            News::ConsumerGone(consumer) => work.demand.remove(&consumer, &mut work.changes),
            News::Temporary(info) => work.temporary(info, &self.settings, &mut self.local),
            News::Nothing => {}
        }
        self.apply_changes(now);
    }

    /// Makes and ends subscriptions as demand asks.
    fn apply_changes(&mut self, now: Instant) {
        let Some(work) = &mut self.work else { return };
        let (local, events) = (&mut self.local, &mut self.events);
        for change in std::mem::take(&mut work.changes) {
            match change {
                DemandChange::Subscribe(info) => {
                    work.forwarder.open(&info);
                    events.extend(info.destination.clone().map(Event::DemandAdded));
                    let number = info.consumer_id.as_ref().map(|consumer| consumer.value);
                    let request = local.request(Command::ConsumerInfo(info));
                    work.subscribing.extend(number.map(|number| (request, number)));
                }
                DemandChange::Unsubscribe(number) => {
                    events.extend(work.forwarder.serving(number).map(Event::DemandRemoved));
                    work.forwarder.end(number, now, local);
                    work.forget_topics_that_crossed();
                }
                DemandChange::Supersede(number) => work.forwarder.supersede(number, now, local),
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
        if let Some(work) = &mut self.work {
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

impl Work {
    fn new(settings: &BridgeSettings, remote: BrokerIdentity) -> Self {
        let local_ids = settings.local_ids(&remote);
        let remote_ids = settings.remote_ids(&remote);
        let policy = settings.demand_policy(&remote);
        let config = &settings.config;
        Self {
            rule: DemandRule {
                own: settings.local.id.clone(),
                consumer_ttl: config.consumer_ttl,
                permits: settings.permits.clone(),
            },
            forwarder: Forwarder::new(ForwardTerms {
                producer: remote_ids.producer(),
                own: settings.local.id.clone(),
                permits: settings.permits.clone(),
                filter: policy.filter(),
                always_sync_send: config.always_sync_send,
            }),
            demand: DemandTable::new(policy),
            advisory_acks: AdvisoryAcks::new(
                remote_ids.advisory_consumer(),
                config.advisory_prefetch(),
            ),
            local_ids,
            remote_ids,
            remote,
            subscribing: HashMap::new(),
            leaving: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn consumer_came(&mut self, info: &ConsumerInfo, local: &mut Outgoing) {
        let Some(address) = &info.destination else { return };
        for destination in composite::members(address) {
            if !self.rule.consumer(info, &destination).may_cross() {
                continue;
            }
            if destination.kind().is_temporary() {
                // Its own advisory may come later; a subscription needs it now.
                let path = info.broker_path.as_ref();
                self.make_known(&destination, path, local);
            }
            self.demand.add(info, &destination, &mut self.changes);
        }
    }

    /// A temporary destination of the remote broker came or went.
    fn temporary(
        &mut self,
        info: DestinationInfo,
        settings: &BridgeSettings,
        local: &mut Outgoing,
    ) {
        const REMOVED: i8 = 1;
        let Some(destination) = info.destination.clone() else { return };
        if !destination.kind().is_temporary()
            || !self.rule.temporary(&info, &destination).may_cross()
        {
            return;
        }
        let owner = owner_of(&destination);
        let selective = !settings.config.dynamically_included.is_empty();
        if info.operation_type == REMOVED {
            self.demand.remove(&owner, &mut self.changes);
            self.leaving.push(DestinationInfo {
                connection_id: Some(self.local_ids.connection.clone()),
                broker_path: Some(self.with_remote(info.broker_path.as_ref())),
                // As ActiveMQ: do not wait for subscriptions.
                timeout: 1,
                ..info
            });
            return;
        }
        self.make_known(&destination, info.broker_path.as_ref(), local);
        if selective {
            // Advisories of its consumer are on a topic that no inclusion names.
            let wish = ConsumerInfo {
                consumer_id: Some(owner),
                broker_path: info.broker_path,
                ..ConsumerInfo::default()
            };
            self.demand.add(&wish, &destination, &mut self.changes);
        }
    }

    fn make_known(
        &mut self,
        destination: &Destination,
        path: Option<&WirePath>,
        local: &mut Outgoing,
    ) {
        self.leaving.retain(|leaving| leaving.destination.as_ref() != Some(destination));
        local.request(Command::DestinationInfo(DestinationInfo {
            connection_id: Some(self.local_ids.connection.clone()),
            destination: Some(destination.clone()),
            broker_path: Some(self.with_remote(path)),
            ..DestinationInfo::default()
        }));
    }

    fn with_remote(&self, path: Option<&WirePath>) -> WirePath {
        broker_path::extended(broker_path::brokers(path), &self.remote.id)
    }

    /// Removes temporary destinations that nothing here subscribes to any more: in this order, or
    /// the local broker would refuse.
    fn remove_left_destinations(&mut self, local: &mut Outgoing) {
        for info in std::mem::take(&mut self.leaving) {
            let served = info.destination.as_ref().is_some_and(|left| self.forwarder.serves(left));
            if served {
                self.leaving.push(info);
            } else {
                local.request(Command::DestinationInfo(info));
            }
        }
    }

    fn forget_topics_that_crossed(&mut self) {
        if !self.demand.topics_overlap() {
            self.forwarder.topics_no_longer_overlap();
        }
    }
}

/// Stands for a temporary destination's one consumer, which its name tells.
fn owner_of(destination: &Destination) -> ConsumerId {
    ConsumerId { connection_id: Some(destination.name().clone()), session_id: -1, value: -1 }
}

fn farewell(ids: &EndIds, out: &mut Outgoing) {
    out.push(Command::RemoveInfo(RemoveInfo {
        object_id: Some(Box::new(Command::ConnectionId(ids.connection.clone()))),
        last_delivered_sequence_id: NOTHING_DELIVERED,
        ..RemoveInfo::default()
    }));
    out.push(Command::ShutdownInfo(ShutdownInfo::default()));
}
