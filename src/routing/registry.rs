//! What advisories tell of: consumers and temporary destinations, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ferrymq_network::BrokerIdentity;
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::commands::{ConsumerInfo, DestinationInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, ProducerId};

use super::address_range::matching;
use super::advisory::AdvisoryWriter;
use super::places::Places;

/// A consumer that advisories tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Registration(u64);

/// Live consumers and temporary destinations.
///
/// One lock covers a change and its advisory, and a new listener and its replay, so that every
/// listener learns of everything exactly once, in order.
pub(super) struct Registry {
    pub(super) writer: AdvisoryWriter,
    next: u64,
    consumers: BTreeMap<Registration, ConsumerInfo>,
    /// Which consumers an advisory topic tells of.
    by_topic: BTreeMap<Destination, BTreeSet<Registration>>,
    temporaries: BTreeMap<u64, Temporary>,
    by_address: HashMap<Destination, u64>,
    /// Which temporary destinations a connection owns.
    by_owner: HashMap<u64, BTreeSet<u64>>,
    /// Those of the temporary destinations that belong to nobody yet.
    pub(super) places: Places,
}

/// No connection has this number.
pub(super) const NOBODY: u64 = 0;

/// A temporary destination.
pub(super) struct Temporary {
    pub(super) info: DestinationInfo,
    /// The connection that owns it, by the broker's number; [`NOBODY`] for a while.
    pub(super) owner: u64,
}

impl Registry {
    pub(super) fn new(producer: ProducerId, identity: &BrokerIdentity) -> Self {
        Self {
            writer: AdvisoryWriter::new(producer, identity),
            next: 0,
            consumers: BTreeMap::new(),
            by_topic: BTreeMap::new(),
            temporaries: BTreeMap::new(),
            by_address: HashMap::new(),
            by_owner: HashMap::new(),
            places: Places::default(),
        }
    }

    /// The next number in the order of coming.
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Adds a consumer that `topic` tells of.
    pub(super) fn add_consumer(&mut self, topic: &Destination, info: ConsumerInfo) -> Registration {
        let registration = Registration(self.number());
        self.consumers.insert(registration, info);
        self.by_topic.entry(topic.clone()).or_default().insert(registration);
        registration
    }

    pub(super) fn consumer(&self, registration: Registration) -> Option<&ConsumerInfo> {
        self.consumers.get(&registration)
    }

    /// All consumers, in the order in which they came.
    pub(super) fn consumers(&self) -> impl Iterator<Item = &ConsumerInfo> {
        self.consumers.values()
    }

    /// Describes a consumer anew; false if it is gone.
    pub(super) fn describe_consumer(
        &mut self,
        registration: Registration,
        info: ConsumerInfo,
    ) -> bool {
        let known = self.consumers.get_mut(&registration);
        known.map(|known| *known = info).is_some()
    }

    pub(super) fn remove_consumer(&mut self, topic: &Destination, registration: Registration) {
        self.consumers.remove(&registration);
        if let Some(registrations) = self.by_topic.get_mut(topic) {
            registrations.remove(&registration);
            if registrations.is_empty() {
                self.by_topic.remove(topic);
            }
        }
    }

    /// How many consumers `topic` tells of (`consumerCount` of advisories).
    pub(super) fn count(&self, topic: &Destination) -> i32 {
        let count = self.by_topic.get(topic).map_or(0, BTreeSet::len);
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// The consumers that the topics of these patterns tell of, with their topics, in the order in
    /// which they came.
    pub(super) fn told_by(
        &self,
        patterns: &[DestinationPattern],
    ) -> BTreeMap<Registration, Destination> {
        let topics = patterns.iter().flat_map(|pattern| matching(&self.by_topic, pattern));
        topics
            .flat_map(|(topic, registrations)| {
                registrations.iter().map(move |registration| (*registration, topic.clone()))
            })
            .collect()
    }

    pub(super) fn add_temporary(&mut self, address: Destination, temporary: Temporary) {
        let number = self.number();
        self.by_address.insert(address, number);
        self.by_owner.entry(temporary.owner).or_default().insert(number);
        self.temporaries.insert(number, temporary);
    }

    pub(super) fn change_owner(&mut self, address: &Destination, owner: u64) {
        if let Some(temporary) = self.remove_temporary(address) {
            self.add_temporary(address.clone(), Temporary { owner, ..temporary });
        }
    }

    pub(super) fn remove_temporary(&mut self, address: &Destination) -> Option<Temporary> {
        let number = self.by_address.remove(address)?;
        let temporary = self.temporaries.remove(&number)?;
        if let Some(own) = self.by_owner.get_mut(&temporary.owner) {
            own.remove(&number);
            if own.is_empty() {
                self.by_owner.remove(&temporary.owner);
            }
        }
        Some(temporary)
    }

    pub(super) fn temporary(&self, address: &Destination) -> Option<&Temporary> {
        self.temporaries.get(self.by_address.get(address)?)
    }

    /// All temporary destinations, in the order in which they came.
    pub(super) fn temporaries(&self) -> impl Iterator<Item = &Temporary> {
        self.temporaries.values()
    }

    /// How many temporary destinations a connection owns.
    pub(super) fn owned(&self, owner: u64) -> usize {
        self.by_owner.get(&owner).map_or(0, BTreeSet::len)
    }

    pub(super) fn temporaries_of(&self, owner: u64) -> Vec<Destination> {
        let numbers = self.by_owner.get(&owner).into_iter().flatten();
        let own = numbers.filter_map(|number| self.temporaries.get(number));
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
