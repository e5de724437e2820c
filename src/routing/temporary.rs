//! Temporary destinations: made, owned and removed by connections.

use ferrymq_openwire::commands::DestinationInfo;
use ferrymq_openwire::destination::Destination;

use ferrymq_openwire::message::Message;

use super::broker::Broker;
use super::death::Death;
use super::directory::Living;
use super::lease::ClientLease;
use super::publish_error::PublishError;
use super::registry::{NOBODY, Registry, owns};

/// How many temporary destinations one connection may own.
const MOST_PER_CONNECTION: usize = 10_000;

/// Why a destination is not made or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemporaryError {
    /// Not a temporary destination of this connection.
    #[error("{0} does not belong to this connection")]
    Foreign(Destination),
    /// Too many.
    #[error("cannot create {address}: this connection already owns {most} temporary destinations")]
    TooMany {
        /// The address.
        address: Destination,
        /// How many it may own.
        most: usize,
    },
    /// It still has consumers.
    #[error("cannot remove {0}: it has active subscriptions")]
    InUse(Destination),
    /// The destination cannot live.
    #[error(transparent)]
    Destination(#[from] PublishError),
}

impl Broker {
    /// Makes a destination on behalf of a connection. A temporary one then belongs to it: it must
    /// bear its name, unless it comes over a bridge, which owns what it brings.
    pub fn add_destination(
        &self,
        info: &DestinationInfo,
        address: &Destination,
        owner: &ClientLease,
        network: bool,
    ) -> Result<(), TemporaryError> {
        if !address.kind().is_temporary() {
            return Ok(self.resolve(address).map(drop)?);
        }
        if !network && !owns(owner.connection_id(), address) {
            return Err(TemporaryError::Foreign(address.clone()));
        }
        // One lock from the look to the advisory: a connection that ends meanwhile removes what it
        // owns before or after all of this.
        let mut registry = self.registry.lock();
        if registry.temporary(address).is_some() {
            // A bridge may bring what lives here already, perhaps around a ring of brokers: that
            // does not take it from its owner, if it has one. Who bears its name may take it from a bridge.
            if registry.places.remove(address) || !network {
                registry.change_owner(address, owner.number());
            }
            return Ok(());
        }
        if !network && registry.owned(owner.number()) >= MOST_PER_CONNECTION {
            let address = address.clone();
            return Err(TemporaryError::TooMany { address, most: MOST_PER_CONNECTION });
        }
        self.directory.find_or_create(address, || self.terms_for(address))?;
        let info = DestinationInfo {
            command_id: 0,
            response_required: false,
            connection_id: Some(owner.connection_id().clone()),
            ..info.clone()
        };
        self.announce_temporary(&mut registry, info, owner.number());
        Ok(())
    }

    /// Removes a destination at its owner's word. One that has consumers stays, unless it is a
    /// temporary one and the owner gives them a time limit (as bridges do, whose own subscriptions
    /// end on their own): others are anybody's, and their consumers would wait for nothing.
    pub fn remove_destination(
        &self,
        info: &DestinationInfo,
        address: &Destination,
        owner: &ClientLease,
        network: bool,
    ) -> Result<(), TemporaryError> {
        let mut registry = self.registry.lock();
        let held_by = registry.temporary(address).map(|temporary| temporary.owner);
        if held_by.is_some_and(|held_by| held_by != owner.number()) {
            // What another bridge brought, too, ends with that one.
            let foreign = TemporaryError::Foreign(address.clone());
            return if network { Ok(()) } else { Err(foreign) };
        }
        let spares = info.timeout == 0 || !address.kind().is_temporary();
        if !self.end_destination(&mut registry, address, spares) {
            return Err(TemporaryError::InUse(address.clone()));
        }
        Ok(())
    }

    /// Removes all temporary destinations of a connection that has ended.
    pub fn remove_temporaries(&self, owner: &ClientLease) {
        let own = self.registry.lock().temporaries_of(owner.number());
        for address in own {
            let mut registry = self.registry.lock();
            let held_by = registry.temporary(&address).map(|temporary| temporary.owner);
            if held_by == Some(owner.number()) {
                self.end_destination(&mut registry, &address, false);
            }
        }
    }

    /// A bridge has brought a question that is to be answered at a temporary destination of another
    /// broker. The news of that destination comes another way, and may come later than the answer,
    /// so the place for it is made now, and belongs to whoever brings the news.
    pub fn make_place_for_answer(&self, question: &Message) {
        let Some(place) = question.reply_to().filter(|place| place.kind().is_temporary()) else {
            return;
        };
        // One that comes back to where it was asked has a client here, or had one.
        if self.directory.find(&place).is_some() || question.broker_path_contains(&self.identity.id)
        {
            return;
        }
        let mut registry = self.registry.lock();
        if registry.temporary(&place).is_some() || !registry.places.add(&place, self.now()) {
            return;
        }
        if self.directory.find_or_create(&place, || self.terms_for(&place)).is_err() {
            registry.places.remove(&place);
            return;
        }
        // JMS clients answer nowhere that they were not told of. The way of the question is the one
        // by which the news would come.
        let info = DestinationInfo {
            broker_path: Some(question.broker_path().into_iter().map(Some).collect()),
            destination: Some(place),
            ..DestinationInfo::default()
        };
        self.announce_temporary(&mut registry, info, NOBODY);
    }

    /// Ends places that nobody told of in time; what waits there becomes dead letters.
    pub(super) fn end_places(&self) {
        const CAUSE: &str = "the place for this answer did not become known here in time";
        loop {
            let mut registry = self.registry.lock();
            let Some(place) = registry.places.take_overdue(self.now()) else { return };
            let unclaimed = match self.directory.find(&place) {
                Some(Living::Queue(queue)) => queue.give_up(),
                _ => Vec::new(),
            };
            self.end_destination(&mut registry, &place, false);
            drop(registry);
            tracing::debug!(%place, answers = unclaimed.len(), "nobody told of a place for answers");
            for message in unclaimed {
                self.bury(&message, Death::Refused, CAUSE);
            }
        }
    }

    fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    fn end_destination(
        &self,
        registry: &mut Registry,
        address: &Destination,
        unless_consumed: bool,
    ) -> bool {
        let ended = match self.directory.find(address) {
            Some(Living::Queue(queue)) => queue.remove(unless_consumed),
            Some(Living::Topic(topic)) => topic.remove(unless_consumed),
            None => true,
        };
        if ended {
            let existed = self.directory.remove(address);
            if address.kind().is_temporary() {
                self.retract_temporary(registry, address);
            } else if existed {
                self.tell_of_destination(registry, address, 1);
            }
        }
        ended
    }
}
