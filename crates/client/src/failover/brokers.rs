//! Which brokers there are, by who says so: a broker, the user, or discovery agents.

use ferrymq_transport::endpoint::Endpoint;

use super::same::same;

/// What is remembered of lists that peers send, at most.
pub(super) const MOST_UPDATED: usize = 1024;
/// What is remembered of what agents show, at most.
const MOST_FOUND: usize = 1024;

/// What is remembered of addresses that are of no use, at most: the latest.
const MOST_UNUSABLE: usize = 1024;

/// What a discovery agent shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The brokers that are there.
    pub endpoints: Vec<Endpoint>,
    /// Whether they stand in an order of preference, which `randomize` leaves as it is.
    pub ranked: bool,
}

/// The brokers that are known.
#[derive(Debug, Default)]
pub(super) struct Brokers {
    /// As the user listed them.
    configured: Vec<Endpoint>,
    /// As the broker listed them last; they come before the configured ones.
    updated: Vec<Endpoint>,
    /// As discovery agents show them now; each at most once.
    found: Vec<Found>,
    /// What is of no use, however often it is tried.
    unusable: Vec<Endpoint>,
}

impl Brokers {
    /// Those that the user lists.
    pub(super) fn configured(configured: Vec<Endpoint>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// This one will never be of use.
    pub(super) fn exclude(&mut self, endpoint: Endpoint) {
        if self.unusable.len() >= MOST_UNUSABLE {
            self.unusable.remove(0);
        }
        self.unusable.push(endpoint);
    }

    /// A broker lists these, in place of its last list. Whether it names others than before.
    pub(super) fn update(
        &mut self,
        listed: Vec<Endpoint>,
        complete: impl Fn(Endpoint) -> Endpoint,
    ) -> bool {
        let mut fresh: Vec<Endpoint> = Vec::new();
        for endpoint in listed.into_iter().take(MOST_UPDATED) {
            if !holds(&fresh, &endpoint) {
                fresh.push(complete(endpoint));
            }
        }
        let changed = fresh.len() != self.updated.len()
            || fresh.iter().any(|endpoint| !holds(&self.updated, endpoint));
        self.updated = fresh;
        changed
    }

    /// Agents show these now. Those that were in no list before.
    pub(super) fn find(
        &mut self,
        mut lists: Vec<Found>,
        complete: impl Fn(Endpoint) -> Endpoint,
    ) -> Vec<Endpoint> {
        let mut seen: Vec<Endpoint> = Vec::new();
        for list in &mut lists {
            list.endpoints.retain(|endpoint| {
                let counts = seen.len() < MOST_FOUND && !holds(&seen, endpoint);
                if counts {
                    seen.push(endpoint.clone());
                }
                counts
            });
            for endpoint in &mut list.endpoints {
                *endpoint = complete(endpoint.clone());
            }
        }
        let before = self.all();
        self.found = lists;
        let mut fresh = self.all();
        fresh.retain(|endpoint| !holds(&before, endpoint));
        fresh
    }

    /// Agents say that these are there no more, whatever a broker told.
    pub(super) fn let_go(&mut self, gone: &[Endpoint]) {
        self.updated.retain(|endpoint| !holds(gone, endpoint));
    }

    /// All that are of use, each once: those that a broker told, those that the user listed, those
    /// that agents show.
    pub(super) fn all(&self) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = Vec::new();
        for endpoint in self.listed() {
            if !holds(&all, endpoint) {
                all.push(endpoint.clone());
            }
        }
        all
    }

    /// Whether none is of use.
    pub(super) fn are_none(&self) -> bool {
        self.listed().next().is_none()
    }

    /// Whether somebody lists this one.
    pub(super) fn list(&self, endpoint: &Endpoint) -> bool {
        self.listed().any(|other| same(other, endpoint))
    }

    /// The first of the user's list; without one, the first that an agent shows.
    pub(super) fn first(&self) -> Option<&Endpoint> {
        let found = self.found.iter().flat_map(|list| &list.endpoints);
        self.configured.iter().chain(found).next()
    }

    /// Puts those of each list that is ranked back into its order, at the places that they have.
    pub(super) fn restore_ranks(&self, order: &mut [Endpoint]) {
        for list in self.found.iter().filter(|list| list.ranked) {
            let in_order: Vec<Endpoint> =
                list.endpoints.iter().filter(|endpoint| holds(order, endpoint)).cloned().collect();
            let places = order.iter_mut().filter(|endpoint| holds(&list.endpoints, endpoint));
            for (place, endpoint) in places.zip(in_order) {
                *place = endpoint;
            }
        }
    }

    fn listed(&self) -> impl Iterator<Item = &Endpoint> {
        let found = self.found.iter().flat_map(|list| &list.endpoints);
        let all = self.updated.iter().chain(&self.configured).chain(found);
        all.filter(|endpoint| !holds(&self.unusable, endpoint))
    }
}

fn holds(list: &[Endpoint], endpoint: &Endpoint) -> bool {
    list.iter().any(|other| same(other, endpoint))
}
