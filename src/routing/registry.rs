//! What advisories tell of: consumers and temporary destinations, in the order in which they came.

use std::collections::{BTreeMap, HashMap};

use ferrymq_network::BrokerIdentity;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, ProducerId};

use super::advisory::AdvisoryWriter;

/// A consumer that advisories tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Registration(pub(super) u64);

/// Live consumers and temporary destinations.
///
/// One lock covers a change and its advisory, and a new listener and its replay, so that every
/// listener learns of everything exactly once, in order.
pub(super) struct Registry {
    pub(super) writer: AdvisoryWriter,
    next: u64,
    pub(super) consumers: BTreeMap<Registration, ConsumerInfo>,
    pub(super) counts: HashMap<Destination, i32>,
    pub(super) temporaries: BTreeMap<u64, Temporary>,
    pub(super) by_address: HashMap<Destination, u64>,
}

/// A temporary destination.
pub(super) struct Temporary {
    pub(super) info: DestinationInfo,
    /// The connection that owns it, by the broker's number.
    pub(super) owner: u64,
}

impl Registry {
    pub(super) fn new(producer: ProducerId, identity: &BrokerIdentity) -> Self {
        Self {
            writer: AdvisoryWriter::new(producer, identity),
            next: 0,
            consumers: BTreeMap::new(),
            counts: HashMap::new(),
            temporaries: BTreeMap::new(),
            by_address: HashMap::new(),
        }
    }

    /// The next number in the order of coming.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn temporary(&self, address: &Destination) -> Option<&Temporary> {
        self.temporaries.get(self.by_address.get(address)?)
    }

    pub(super) fn temporary_mut(&mut self, address: &Destination) -> Option<&mut Temporary> {
        self.temporaries.get_mut(self.by_address.get(address)?)
    }

    pub(super) fn temporaries_of(&self, owner: u64) -> Vec<Destination> {
        let own = self.temporaries.values().filter(|temporary| temporary.owner == owner);
        own.filter_map(|temporary| temporary.info.destination.clone()).collect()
    }
}

/// Whether a connection's text owns a temporary name: the part before its last colon.
pub(super) fn owns(connection: &ConnectionId, address: &Destination) -> bool {
    let name = address.name().as_bytes();
    let Some(end) = name.iter().rposition(|byte| *byte == b':') else { return false };
    let owner = connection.value.as_ref().map(|text| text.as_bytes());
    name.get(..end).is_some_and(|prefix| owner == Some(prefix))
}
