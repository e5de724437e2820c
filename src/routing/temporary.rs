//! Temporary destinations: made, owned and removed by connections.

use ferrymq_openwire::commands::DestinationInfo;
use ferrymq_openwire::destination::Destination;

use super::broker::Broker;
use super::directory::Living;
use super::lease::ClientLease;
use super::publish_error::PublishError;
use super::registry::{Registry, owns};

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
            // does not take it from its owner. Who bears its name may take it from a bridge.
            if !network {
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

    /// Removes a destination at its owner's word. One that has consumers stays, unless the owner
    /// gives them a time limit (as bridges do, whose own subscriptions end on their own).
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
        if !self.end_destination(&mut registry, address, info.timeout == 0) {
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
