//! A registry of brokers, as ActiveMQ's discovery servlet keeps one: a plain machine, told requests
//! and the time.
//!
//! Registries know nothing of each other and keep nothing beyond a restart: brokers register with
//! each of them again and again, and who looks for brokers asks them all.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use tokio::time::Instant;

/// Groups at a time.
pub const MOST_GROUPS: usize = 64;
/// Brokers of a group.
pub const MOST_SERVICES: usize = 1024;
/// The longest name of a group and the longest address, in bytes.
pub const LONGEST_TEXT: usize = 1024;
/// How long an entry is kept that nobody refreshes (ActiveMQ's `maxKeepAge`).
pub const KEPT: Duration = Duration::from_secs(3600);
/// How old the entries of an answer are at most, when nobody says (ActiveMQ's default).
pub const DEFAULT_FRESHNESS: Duration = Duration::from_secs(30);

/// Which brokers have registered, by group.
#[derive(Debug, Default)]
pub struct Registry {
    groups: BTreeMap<String, BTreeMap<String, Instant>>,
}

/// Why a broker is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Too long, or nothing.
    #[error("a group's name and an address have from 1 to {LONGEST_TEXT} bytes")]
    Length,
    /// Not an address.
    #[error("the header `service` holds no address such as tcp://host:61616")]
    Address,
    /// There is no room for another group.
    #[error("there are {MOST_GROUPS} groups already")]
    Groups,
    /// There is no room for another broker.
    #[error("the group has {MOST_SERVICES} brokers already")]
    Services,
}

impl Registry {
    /// Enters a broker, or notes that it is still there.
    pub fn put(&mut self, group: &str, service: &str, now: Instant) -> Result<(), RegistryError> {
        if [group, service].iter().any(|text| text.is_empty() || text.len() > LONGEST_TEXT) {
            return Err(RegistryError::Length);
        }
        service.parse::<Endpoint>().map_err(|_| RegistryError::Address)?;
        if !self.has_room(group, service) {
            self.forget_old(now);
        }
        if !self.groups.contains_key(group) && self.groups.len() >= MOST_GROUPS {
            return Err(RegistryError::Groups);
        }
        if !self.has_room(group, service) {
            return Err(RegistryError::Services);
        }
        self.groups.entry(group.to_owned()).or_default().insert(service.to_owned(), now);
        Ok(())
    }

    /// Takes a broker out.
    pub fn delete(&mut self, group: &str, service: &str) {
        if let Some(services) = self.groups.get_mut(group) {
            services.remove(service);
            if services.is_empty() {
                self.groups.remove(group);
            }
        }
    }

    /// The brokers of a group that have registered within `freshness`, by address.
    pub fn list(&self, group: &str, freshness: Duration, now: Instant) -> Vec<&str> {
        let services = self.groups.get(group).into_iter().flatten();
        let fresh = services.filter(|(_, at)| now.saturating_duration_since(**at) < freshness);
        fresh.map(|(service, _)| service.as_str()).collect()
    }

    fn has_room(&self, group: &str, service: &str) -> bool {
        match self.groups.get(group) {
            Some(services) => services.len() < MOST_SERVICES || services.contains_key(service),
            None => self.groups.len() < MOST_GROUPS,
        }
    }

    /// Makes room, as far as there are entries that nobody has refreshed for long.
    fn forget_old(&mut self, now: Instant) {
        for services in self.groups.values_mut() {
            services.retain(|_, at| now.saturating_duration_since(*at) < KEPT);
        }
        self.groups.retain(|_, services| !services.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = DEFAULT_FRESHNESS;

    #[test]
    fn who_registers_is_listed_while_it_is_fresh() {
        let (mut registry, start) = (Registry::default(), Instant::now());
        let later = start + Duration::from_secs(20);
        registry.put("default", "tcp://b:1", start).unwrap();
        registry.put("default", "tcp://a:1", later).unwrap();
        registry.put("other", "tcp://c:1", later).unwrap();
        assert_eq!(registry.list("default", FRESH, later), ["tcp://a:1", "tcp://b:1"]);
        let late = start + FRESH;
        assert_eq!(registry.list("default", FRESH, late), ["tcp://a:1"]);
        registry.put("default", "tcp://b:1", late).unwrap();
        assert_eq!(registry.list("default", FRESH, late), ["tcp://a:1", "tcp://b:1"]);
        registry.delete("default", "tcp://a:1");
        assert_eq!(registry.list("default", FRESH, late), ["tcp://b:1"]);
        assert_eq!(registry.list("nobody", FRESH, late), Vec::<&str>::new());
    }

    #[test]
    fn nobody_fills_it_beyond_its_bounds() {
        let (mut registry, start) = (Registry::default(), Instant::now());
        for number in 0..MOST_SERVICES {
            registry.put("full", &format!("tcp://h{number}:1"), start).unwrap();
        }
        assert_eq!(registry.put("full", "tcp://late:1", start), Err(RegistryError::Services));
        assert_eq!(registry.put("full", "tcp://h0:1", start), Ok(()), "those known stay");
        for number in 1..MOST_GROUPS {
            registry.put(&format!("g{number}"), "tcp://a:1", start).unwrap();
        }
        assert_eq!(registry.put("late", "tcp://a:1", start), Err(RegistryError::Groups));
        let after = start + KEPT;
        assert_eq!(registry.put("late", "tcp://a:1", after), Ok(()), "old ones make room");
        registry.delete("late", "tcp://a:1");
        assert!(registry.groups.is_empty(), "an empty group takes no room");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let mut registry = Registry::default();
        let mut put = |group: &str, service: &str| registry.put(group, service, Instant::now());
        assert_eq!(put("", "tcp://a:1"), Err(RegistryError::Length));
        assert_eq!(put("g", &"x".repeat(2000)), Err(RegistryError::Length));
        assert_eq!(put("g", "hello"), Err(RegistryError::Address));
        assert_eq!(put("g", "tcp://a:1\ntcp://b:1"), Err(RegistryError::Address));
    }
}
