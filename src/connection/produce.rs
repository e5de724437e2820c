//! Producers and their messages.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ProducerAck, ProducerInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ProducerId, TransactionId};
use ferrymq_openwire::message::Message;
use tokio::time::Instant;

use super::parked::ParkedMessage;
use super::peer::{Flow, Leaving, Outcome, Peer, Resends};
use super::producer::{LastTarget, Producer};
use super::refusal::Refusal;
use crate::destination::Delivered;
use crate::routing::{Arrival, KeptOut, NoSpace, PublishError, Room, Route, Shortage};

/// How many producers one connection may open.
const MOST_PRODUCERS: usize = 65_536;
/// How long a message waits that would be refused at once, where no limit is reached: for those that
/// came before it, or for the store, which makes room.
const MOMENT: Duration = Duration::from_secs(2);

impl Peer {
    pub(super) fn add_producer(&mut self, info: &ProducerInfo) -> Result<Outcome, Refusal> {
        let Some(id) = &info.producer_id else {
            return Err(Refusal::state("the producer has no identifier"));
        };
        self.check_session(id.session_id)?;
        if self.producers.len() >= MOST_PRODUCERS {
            return Err(Refusal::limit(format!("more than {MOST_PRODUCERS} producers")));
        }
        let retained = id.connection_id.as_ref().map_or(0, |text| text.as_bytes().len());
        let former = self.producers.get(id).map_or(0, |former| former.retained);
        self.retain(retained - former.min(retained))?;
        let producer = Producer { windowed: info.window_size > 0, retained };
        self.producers.insert(id.clone(), producer);
        self.last_target = None;
        Ok(Outcome::Done)
    }

    pub(super) fn remove_producer(&mut self, id: &ProducerId) -> Result<(), Refusal> {
        self.last_target = None;
        if let Some(producer) = self.producers.remove(id) {
            self.retained -= producer.retained;
            return Ok(());
        }
        Err(Refusal::state(format!("there is no producer {id} on this connection")))
    }

    /// Forgets the producers that `which` picks.
    pub(super) fn remove_producers(&mut self, which: impl Fn(&ProducerId) -> bool) {
        self.last_target = None;
        for (_, producer) in self.producers.extract_if(|id, _| which(id)) {
            self.retained -= producer.retained;
        }
    }

    /// Takes a message, or parks it while its destination is full.
    pub(super) fn produce(&mut self, message: Arc<Message>) -> Flow {
        if let Some(within) = message.transaction_id() {
            return self.produce_in(within, message);
        }
        let (id, wanted) = (message.command_id, message.response_required);
        if let Err(refusal) = self.find_target(&message) {
            return self.answer(id, wanted, Err(refusal));
        }
        let Some(LastTarget { route, windowed, .. }) = &self.last_target else {
            return Flow::Continue;
        };
        let parked = !self.parked.is_empty() && route.targets().any(|to| self.parked.holds(to));
        // It is set aside until the message is with the store.
        let room = self.room_for(&message);
        if parked || self.must_wait(route, &message) || room.is_none() {
            drop(room);
            return self.put_off(message);
        }
        let outcome = self.accept(route, *windowed, message);
        if outcome.is_err() {
            self.last_target = None;
        }
        self.answer(id, wanted, outcome)
    }

    /// Makes `last_target` that of this message.
    pub(super) fn find_target(&mut self, message: &Message) -> Result<(), Refusal> {
        if !message.is_identified() {
            // Nobody could acknowledge it.
            return Err(Refusal::state("the message has no identifier"));
        }
        let known = self.last_target.as_ref().is_some_and(|last| {
            message.destination_is(last.route.address()) && message.producer_is(&last.producer)
        });
        if known {
            return Ok(());
        }
        let producer = message.producer_id().unwrap_or_default();
        let Some(Producer { windowed, .. }) = self.producers.get(&producer) else {
            return Err(Refusal::state(format!("there is no producer {producer}")));
        };
        let Some(address) = message.destination() else {
            return Err(Refusal::state("the message has no destination"));
        };
        let route = self.broker.route(&address)?;
        self.last_target = Some(LastTarget { producer, windowed: *windowed, route });
        Ok(())
    }

    /// How its messages come.
    pub(super) fn arrival(&self) -> Arrival {
        if self.is_network { Arrival::Forwarded } else { Arrival::Produced }
    }

    /// How this message comes, which is part of no transaction. A client sends again what it wants an
    /// answer for and has none; what is not a message of its own could have been here for other
    /// reasons.
    fn arrival_of(&self, message: &Message) -> Arrival {
        let repeats = |message: &Message| message.response_required && message.is_its_producers();
        match self.resends {
            _ if self.is_network => Arrival::Forwarded,
            Resends::Later if repeats(message) => Arrival::Repeatable,
            Resends::Now if repeats(message) => Arrival::Repeated,
            _ => Arrival::Produced,
        }
    }

    /// Parks a message for which there is no room, or refuses it if messages do not wait there.
    fn put_off(&mut self, message: Arc<Message>) -> Flow {
        let Some(LastTarget { route, windowed, .. }) = &self.last_target else {
            return Flow::Continue;
        };
        let (route, windowed) = (route.clone(), *windowed);
        let shortage = self.shortage(&route, &message, false);
        let until = match self.patience(&route, shortage.as_ref()) {
            Ok(until) => until,
            Err(refusal) => return self.refuse_message(message, windowed, refusal),
        };
        if shortage.is_some() || self.room_for(&message).is_none() {
            // Not that it waits for consumers to get to it.
            route.note_parked();
            self.broker.want_memory();
        }
        self.park(&route, windowed, message, None, until);
        Flow::Continue
    }

    /// Until when a message for which there is no room waits, if not for ever; or why it is refused.
    /// The limit is counted.
    pub(super) fn patience(
        &self,
        route: &Route,
        shortage: Option<&Shortage>,
    ) -> Result<Option<Instant>, Refusal> {
        // A bridge keeps its messages at the other broker, as ActiveMQ has it.
        let wish = if self.is_network { NoSpace::Wait } else { route.no_space() };
        let (patience, shortage) = match (wish, shortage) {
            (NoSpace::FailAfter(time), Some(shortage)) if time.is_zero() && !shortage.passing => {
                self.broker.note_shortage(shortage, KeptOut::Refused);
                return Err(PublishError::NoSpace(shortage.clone()).into());
            }
            (NoSpace::FailAfter(time), Some(shortage)) if !shortage.passing => {
                (Some(time), Some(shortage))
            }
            // The store makes room at this moment, or others go first.
            (NoSpace::FailAfter(time), shortage) => (Some(time.max(MOMENT)), shortage),
            (NoSpace::Wait, shortage) => (None, shortage),
        };
        if let Some(shortage) = shortage {
            self.broker.note_shortage(shortage, KeptOut::Waits);
        }
        // A time beyond all clocks is for ever.
        Ok(patience.and_then(|patience| Instant::now().checked_add(patience)))
    }

    /// Lets a message wait until there is room.
    pub(super) fn park(
        &mut self,
        route: &Route,
        windowed: bool,
        message: Arc<Message>,
        within: Option<TransactionId>,
        until: Option<Instant>,
    ) {
        let address = route.address().clone();
        let memory = self.broker.memory();
        let _charge = self.is_network.then(|| memory.charge_waiting(message.size()));
        let parked = ParkedMessage { message, windowed, address, within, until, _charge };
        self.parked.push(route.targets().cloned().collect(), parked);
    }

    /// Which limit keeps a message out; `within`: it is part of a transaction.
    fn shortage(&self, route: &Route, message: &Message, within: bool) -> Option<Shortage> {
        if within {
            return route.shortage_of_committed();
        }
        let shortage = route.shortage(self.arrival(), message.persistent());
        let no_room = || self.room_for(message).is_none().then_some(route.address());
        shortage.or_else(|| no_room().and_then(|to| self.broker.shortage_of_store(to)))
    }

    /// Tells a producer that its message is not taken; its window opens all the same.
    fn refuse_message(&mut self, message: Arc<Message>, windowed: bool, why: Refusal) -> Flow {
        let (id, wanted) = (message.command_id, message.response_required);
        if windowed && !wanted {
            self.outbox.push(Command::ProducerAck(ack_of(&message)));
        }
        self.answer(id, wanted, Err(why))
    }

    /// Gives up what has waited for as long as it may.
    pub(super) fn refuse_overdue(&mut self) -> Flow {
        let (now, before) = (Instant::now(), self.parked.len());
        while let Some(parked) = self.parked.pop_overdue(now) {
            let ParkedMessage { message, windowed, address, within, .. } = parked;
            let error = match self.broker.route(&address) {
                Ok(route) => {
                    let shortage = self.shortage(&route, &message, within.is_some());
                    if let Some(shortage) = &shortage {
                        self.broker.note_shortage(shortage, KeptOut::Refused);
                    }
                    shortage.map_or(PublishError::Overdue { address }, PublishError::NoSpace)
                }
                Err(error) => error,
            };
            let flow = match &within {
                None => self.refuse_message(message, windowed, error.into()),
                Some(within) => {
                    let (id, wanted) = (message.command_id, message.response_required);
                    let outcome = self.fail_parked_in(within, wanted, &error);
                    self.answer(id, wanted, outcome)
                }
            };
            if let Flow::End | Flow::Refused = flow {
                return flow;
            }
        }
        // Others may have waited behind them.
        if self.parked.len() < before { self.retry_parked() } else { Flow::Continue }
    }

    /// Whether the next message there waits: for room, or a bridge's until consumers get to it.
    fn must_wait(&self, route: &Route, message: &Message) -> bool {
        route.is_full(self.arrival(), message.persistent())
            || self.is_network && self.parked.may_hold_back() && route.holds_back()
    }

    /// Hands a message to the broker; a windowed producer gets its bytes back.
    fn accept(
        &self,
        route: &Route,
        windowed: bool,
        message: Arc<Message>,
    ) -> Result<Outcome, Refusal> {
        let ack = (windowed && !message.response_required).then(|| ack_of(&message));
        let persistent = message.persistent();
        let arrival = self.arrival_of(&message);
        if arrival == Arrival::Forwarded {
            self.broker.make_place_for_answer(&message);
        }
        self.broker.send(route, message, arrival)?;
        self.entry.count_message();
        match ack {
            Some(ack) if persistent => return Ok(Outcome::Opens(ack)),
            Some(ack) => {
                self.outbox.push(Command::ProducerAck(ack));
            }
            None => {}
        }
        Ok(if persistent { Outcome::Kept } else { Outcome::Passed })
    }

    /// Room in the store for a message, as far as it must be kept; none: it must wait.
    fn room_for(&self, message: &Message) -> Option<Room> {
        match message.persistent() {
            true => self.broker.room_to_keep(message.size()),
            false => Some(Room::default()),
        }
    }

    /// Tries again what waits for room, each destination in its order. When nothing waits any more,
    /// a peer that leaves may go.
    pub(super) fn retry_parked(&mut self) -> Flow {
        // What goes to several destinations may be all that others waited behind, in lines that
        // were looked at before.
        let mut before = usize::MAX;
        while self.parked.len() < before {
            before = self.parked.len();
            for address in self.parked.destinations() {
                if let flow @ (Flow::End | Flow::Refused) = self.retry_destination(&address) {
                    return flow;
                }
            }
            if let flow @ (Flow::End | Flow::Refused) = self.take_steps() {
                return flow;
            }
        }
        if self.parked.is_empty()
            && let Some(Leaving { id, wanted }) = self.leaving.take()
        {
            self.close(Delivered::Nothing);
            return self.answer(id, wanted, Ok(Outcome::Kept));
        }
        Flow::Continue
    }

    /// Each message was checked when it came, so nothing of its producer is asked again: it may
    /// have been closed meanwhile.
    fn retry_destination(&mut self, line: &Destination) -> Flow {
        while let Some(ParkedMessage { address, within, message, .. }) = self.parked.next(line) {
            // A destination that is gone takes nothing: its messages fail one by one.
            let route = self.broker.route(address);
            let room = match within {
                Some(_) => Some(Room::default()),
                None => self.room_for(message),
            };
            let full = |route: &Route| match within {
                Some(_) => route.is_full_of_committed(),
                None => self.must_wait(route, message) || room.is_none(),
            };
            if let Ok(route) = &route
                && full(route)
            {
                if let Some(shortage) = self.shortage(route, message, within.is_some()) {
                    self.broker.note_shortage(&shortage, KeptOut::WaitsStill);
                }
                return Flow::Continue;
            }
            let Some(ParkedMessage { message, windowed, within, .. }) = self.parked.pop(line)
            else {
                return Flow::Continue;
            };
            let (id, wanted) = (message.command_id, message.response_required);
            let outcome = match (&route, within) {
                (Ok(route), None) => self.accept(route, windowed, message),
                (Ok(route), Some(within)) => {
                    self.accept_parked_in(&within, route, windowed, message)
                }
                (Err(error), None) => Err(error.clone().into()),
                (Err(error), Some(within)) => self.fail_parked_in(&within, wanted, error),
            };
            if let flow @ (Flow::End | Flow::Refused) = self.answer(id, wanted, outcome) {
                return flow;
            }
        }
        Flow::Continue
    }
}

/// Gives a producer the bytes of a message back.
pub(super) fn ack_of(message: &Message) -> ProducerAck {
    ProducerAck {
        producer_id: message.producer_id(),
        size: i32::try_from(message.size()).unwrap_or(i32::MAX),
        ..ProducerAck::default()
    }
}
