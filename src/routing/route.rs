//! Where a message is to go.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_network::composite;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::Message;

use super::arrival::Arrival;
use super::broker::Broker;
use super::directory::Target;
use super::publish_error::PublishError;
use super::queue_room::of_memory;
use super::shortage::{NoSpace, Shortage};

/// How many destinations one message may be sent to at once.
const MOST_TARGETS: usize = 1024;

/// The living destinations that an address names: one, or the members of a composite name. Keep it
/// while sending to the same address.
#[derive(Clone)]
pub struct Route {
    address: Destination,
    /// Never empty, and no destination twice.
    targets: Vec<Target>,
}

impl Route {
    /// The address.
    pub fn address(&self) -> &Destination {
        &self.address
    }

    /// The destinations.
    pub fn targets(&self) -> impl Iterator<Item = &Destination> {
        self.targets.iter().map(Target::address)
    }

    /// Whether the next message of a transaction must wait.
    pub fn is_full_of_committed(&self) -> bool {
        self.targets.iter().any(|target| target.account().is_full_of_committed())
    }

    /// Whether open transactions may hold so many bytes more at each of them.
    pub fn admits_uncommitted(&self, bytes: usize) -> bool {
        self.targets.iter().all(|target| target.account().admits_uncommitted(bytes))
    }

    /// Calls `each` for each destination with its own copy of a message.
    pub(super) fn copies(
        &self,
        message: Arc<Message>,
        mut each: impl FnMut(&Target, Arc<Message>),
    ) {
        if let [target] = self.targets.as_slice()
            && *target.address() == self.address
        {
            return each(target, message);
        }
        for target in &self.targets {
            each(target, Arc::new(message.readdressed(target.address())));
        }
    }

    /// Whether the next message that comes so must wait: it goes to all of them or to none yet.
    pub fn is_full(&self, arrival: Arrival, persistent: bool) -> bool {
        self.targets.iter().any(|target| target.is_full(arrival, persistent))
    }

    /// Which limit keeps the next message out that comes so; none: it has room by now.
    pub fn shortage(&self, arrival: Arrival, persistent: bool) -> Option<Shortage> {
        self.targets.iter().find_map(|target| target.shortage(arrival, persistent))
    }

    /// The same for the next message of a transaction.
    pub fn shortage_of_committed(&self) -> Option<Shortage> {
        let full = self.targets.iter().find(|target| target.account().is_full_of_committed())?;
        Some(of_memory(full.account(), full.address()))
    }

    /// What becomes of a message for which there is no room: it is refused as soon as one of its
    /// destinations has it so.
    pub fn no_space(&self) -> NoSpace {
        let strictest = self.targets.iter().filter_map(|target| match target.no_space() {
            NoSpace::Wait => None,
            NoSpace::FailAfter(time) => Some(time),
        });
        strictest.min().map_or(NoSpace::Wait, NoSpace::FailAfter)
    }

    /// A message has to wait until all of them have room.
    pub fn note_parked(&self) {
        self.targets.iter().for_each(Target::note_parked);
    }

    /// Whether what a bridge brings had better wait: the consumers here have enough for now.
    pub fn holds_back(&self) -> bool {
        self.targets.iter().any(Target::holds_back)
    }
}

impl Broker {
    /// The living destinations at `address`, brought to life if need be.
    pub fn route(&self, address: &Destination) -> Result<Route, PublishError> {
        if !composite::is_composite(address) {
            let target = self.resolve(address)?;
            return Ok(Route { address: address.clone(), targets: vec![target] });
        }
        let invalid = |reason| PublishError::InvalidName { address: address.clone(), reason };
        let members: BTreeSet<Destination> = composite::members(address).into_iter().collect();
        if members.is_empty() {
            return Err(invalid("the name is empty"));
        }
        if members.len() > MOST_TARGETS {
            let (targets, most) = (members.len(), MOST_TARGETS);
            return Err(PublishError::TooManyTargets { targets, most });
        }
        let targets = members.iter().map(|member| self.resolve(member));
        Ok(Route { address: address.clone(), targets: targets.collect::<Result<_, _>>()? })
    }

    /// Takes a message for all destinations of `route`: a copy for each, under its own address, if
    /// they are several. See [`publish`](Self::publish).
    pub fn send(
        &self,
        route: &Route,
        message: Arc<Message>,
        arrival: Arrival,
    ) -> Result<(), PublishError> {
        if let [target] = route.targets.as_slice()
            && *target.address() == route.address
        {
            return self.publish(target, message, arrival);
        }
        let mut outcome = Ok(());
        for target in &route.targets {
            let copy = Arc::new(message.readdressed(target.address()));
            // One that has just been deleted does not keep the others from theirs.
            outcome = outcome.and(self.publish(target, copy, arrival));
        }
        outcome
    }
}
