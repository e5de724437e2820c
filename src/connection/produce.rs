//! Producers and their messages.

use std::sync::Arc;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ProducerAck, ProducerInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ProducerId;
use ferrymq_openwire::message::Message;

use super::peer::{Flow, Outcome, Peer};
use super::producer::{LastTarget, Producer};
use super::refusal::Refusal;

/// How many producers one connection may open.
const MOST_PRODUCERS: usize = 65_536;

impl Peer {
    pub(super) fn add_producer(&mut self, info: &ProducerInfo) -> Result<Outcome, Refusal> {
        let Some(id) = &info.producer_id else {
            return Err(Refusal::state("the producer has no identifier"));
        };
        self.check_session(id.session_id)?;
        if self.producers.len() >= MOST_PRODUCERS {
            return Err(Refusal::limit(format!("more than {MOST_PRODUCERS} producers")));
        }
        self.producers.insert(id.clone(), Producer { windowed: info.window_size > 0 });
        self.last_target = None;
        Ok(Outcome::Done)
    }

    pub(super) fn remove_producer(&mut self, id: &ProducerId) -> Result<(), Refusal> {
        self.last_target = None;
        if self.producers.remove(id).is_some() {
            return Ok(());
        }
        Err(Refusal::state(format!("there is no producer {id} on this connection")))
    }

    /// Takes a message, or parks it while its destination is full.
    pub(super) fn produce(&mut self, message: Arc<Message>) -> Flow {
        let (id, wanted) = (message.command_id, message.response_required);
        if let Err(refusal) = self.find_target(&message) {
            return self.answer(id, wanted, Err(refusal));
        }
        let Some(LastTarget { target, .. }) = &self.last_target else { return Flow::Continue };
        if self.parked.holds(target.address()) || target.account().is_full() {
            tracing::debug!(
                remote = %self.remote,
                destination = %target.address(),
                "a producer waits: the destination is full"
            );
            self.parked.push(target.address().clone(), message);
            return Flow::Continue;
        }
        self.accept(message)
    }

    /// Makes `last_target` that of this message.
    fn find_target(&mut self, message: &Message) -> Result<(), Refusal> {
        let known = self.last_target.as_ref().is_some_and(|last| {
            message.destination_is(last.target.address()) && message.producer_is(&last.producer)
        });
        if message.transaction_id().is_some() {
            return Err(Refusal::not_supported("transactions are"));
        }
        if known {
            return Ok(());
        }
        let producer = message.producer_id().unwrap_or_default();
        let Some(Producer { windowed }) = self.producers.get(&producer) else {
            return Err(Refusal::state(format!("there is no producer {producer}")));
        };
        let Some(address) = message.destination() else {
            return Err(Refusal::state("the message has no destination"));
        };
        let target = self.broker.resolve(&address)?;
        self.last_target = Some(LastTarget { producer, windowed: *windowed, target });
        Ok(())
    }

    /// Hands a message to the broker and answers. `last_target` is the message's.
    fn accept(&mut self, message: Arc<Message>) -> Flow {
        let Some(last) = &self.last_target else { return Flow::Continue };
        let (id, wanted, size) = (message.command_id, message.response_required, message.size());
        let taken = self.broker.publish(&last.target, message);
        self.entry.count_taken(taken.is_ok());
        if taken.is_ok() && last.windowed && !wanted {
            self.outbox.push(Command::ProducerAck(ProducerAck {
                producer_id: Some(last.producer.clone()),
                size: i32::try_from(size).unwrap_or(i32::MAX),
                ..ProducerAck::default()
            }));
        }
        let outcome = taken.map(|()| Outcome::Done).map_err(Refusal::from);
        if outcome.is_err() {
            self.last_target = None;
        }
        self.answer(id, wanted, outcome)
    }

    /// Tries again what waits for room, each destination in its order.
    pub(super) fn retry_parked(&mut self) -> Flow {
        for address in self.parked.destinations() {
            if self.retry_destination(&address) == Flow::End {
                return Flow::End;
            }
        }
        Flow::Continue
    }

    fn retry_destination(&mut self, address: &Destination) -> Flow {
        loop {
            // A destination that is gone takes nothing: its messages fail one by one.
            if self.broker.resolve(address).is_ok_and(|target| target.account().is_full()) {
                return Flow::Continue;
            }
            let Some(message) = self.parked.pop(address) else { return Flow::Continue };
            let (id, wanted) = (message.command_id, message.response_required);
            let flow = match self.find_target(&message) {
                Ok(()) => self.accept(message),
                Err(refusal) => self.answer(id, wanted, Err(refusal)),
            };
            if flow == Flow::End {
                return Flow::End;
            }
        }
    }
}
