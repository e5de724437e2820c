//! Which address is tried, and when: a machine without I/O.
//!
//! The driver asks [`next`](FailoverPolicy::next), does what it says, and reports what came of it.
//! One *pass* tries every address once, without a pause; a wait follows a pass that failed.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use ferrymq_transport::endpoint::Endpoint;

use super::list::{FailoverList, same};
use super::options::FailoverOptions;

/// What a policy remembers of lists that peers send, at most.
const MOST_UPDATED: usize = 1024;
/// The random part of each wait. It only shortens, so that the longest wait holds.
const JITTER: f64 = 0.5;
/// The longest pause between two looks for a preferred broker.
const LONGEST_PRIORITY_WAIT: Duration = Duration::from_secs(30);

/// What is to be done to be connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Dial this address.
    Dial(Endpoint),
    /// Wait, then ask again: so many passes have failed in a row.
    Wait(Duration, u32),
    /// Nothing: it has failed for good, after so many passes.
    GiveUp(u32),
}

/// What news about brokers ask of a connection that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing.
    Stay,
    /// To leave its broker, and to ask for the next address.
    Move,
}

/// Which address is tried, and when.
#[derive(Debug)]
pub struct FailoverPolicy {
    options: FailoverOptions,
    random: Rng,
    /// As the user listed them.
    configured: Vec<Endpoint>,
    /// As the broker listed them last; they come before the configured ones.
    updated: Vec<Endpoint>,
    /// What is of no use, however often it is tried.
    unusable: Vec<Endpoint>,
    /// Where the connection was last; it is tried last.
    left: Option<Endpoint>,
    /// Where the broker sent the connection; it is tried first, once.
    directed: Option<Endpoint>,
    /// Where the connection is.
    current: Option<Endpoint>,
    /// What is left of this pass.
    pass: VecDeque<Endpoint>,
    phase: Phase,
    /// Passes that failed in a row.
    failed_passes: u32,
    delay: Duration,
    ever_connected: bool,
    /// The next wait before a look for a preferred broker.
    priority_delay: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A wait is over, or none was due: a pass begins.
    Begin,
    /// Within a pass.
    Trying,
    /// A connection was lost: a wait is due first.
    Lost,
    /// Nothing more.
    Over,
}

impl FailoverPolicy {
    /// A policy for this list; everything random follows from the seed.
    pub fn new(list: FailoverList, seed: u64) -> Self {
        let FailoverList { endpoints, options } = list;
        Self {
            random: Rng::with_seed(seed),
            delay: options.reconnect_delay,
            priority_delay: options.initial_reconnect_delay,
            options,
            configured: endpoints,
            updated: Vec::new(),
            unusable: Vec::new(),
            left: None,
            directed: None,
            current: None,
            pass: VecDeque::new(),
            phase: Phase::Begin,
            failed_passes: 0,
            ever_connected: false,
        }
    }

    /// What is to be done now. Not to be asked while connected.
    #[expect(clippy::should_implement_trait, reason = "it has no end that an iterator would have")]
    pub fn next(&mut self) -> Next {
        match self.phase {
            Phase::Over => return Next::GiveUp(self.failed_passes),
            Phase::Lost => {
                if self.limit() == Some(0) {
                    self.phase = Phase::Over;
                    return Next::GiveUp(0);
                }
                self.phase = Phase::Begin;
                if self.directed.is_none() {
                    return Next::Wait(self.jittered(self.options.initial_reconnect_delay), 0);
                }
            }
            Phase::Begin | Phase::Trying => {}
        }
        if self.phase == Phase::Begin {
            self.pass = self.order().into();
            self.phase = Phase::Trying;
        }
        if let Some(endpoint) = self.pass.pop_front() {
            return Next::Dial(endpoint);
        }
        self.pass_failed()
    }

    /// Whether this pass has an address left.
    pub fn has_more(&self) -> bool {
        !self.pass.is_empty()
    }

    /// This address is of no use now.
    pub fn failed(&mut self, endpoint: &Endpoint) {
        self.pass.retain(|other| !same(other, endpoint));
    }

    /// This address will never be of use: its scheme or its options are not known.
    pub fn exclude(&mut self, endpoint: &Endpoint) {
        self.pass.retain(|other| !same(other, endpoint));
        self.unusable.push(endpoint.clone());
    }

    /// The broker there has accepted the client.
    pub fn connected(&mut self, endpoint: &Endpoint) {
        self.current = Some(endpoint.clone());
        self.left = None;
        self.directed = None;
        self.pass.clear();
        self.failed_passes = 0;
        self.delay = self.options.initial_reconnect_delay;
        self.priority_delay = self.options.initial_reconnect_delay;
        self.ever_connected = true;
    }

    /// The connection was lost, or is given up for another broker.
    pub fn lost(&mut self) {
        self.left = self.current.take();
        self.phase = Phase::Lost;
    }

    /// Where the connection is.
    pub fn current(&self) -> Option<&Endpoint> {
        self.current.as_ref()
    }

    /// The broker, or a file, lists these. The list takes the place of the last one; it must not
    /// be followed at all where the option says so.
    pub fn update(&mut self, listed: Vec<Endpoint>, rebalance: bool) -> Reaction {
        let mut fresh: Vec<Endpoint> = Vec::new();
        for endpoint in listed.into_iter().take(MOST_UPDATED) {
            if !fresh.iter().any(|known| same(known, &endpoint)) {
                fresh.push(self.options.complete(endpoint));
            }
        }
        let known = |list: &[Endpoint], endpoint: &Endpoint| list.iter().any(|e| same(e, endpoint));
        let changed = fresh.len() != self.updated.len()
            || fresh.iter().any(|endpoint| !known(&self.updated, endpoint));
        self.updated = fresh;
        if !changed || !rebalance || self.is_on_priority() {
            return Reaction::Stay;
        }
        let Some(current) = self.current.clone() else { return Reaction::Stay };
        match self.order().into_iter().next() {
            Some(first) if !same(&first, &current) => {
                self.directed = Some(first);
                Reaction::Move
            }
            _ => Reaction::Stay,
        }
    }

    /// The broker sends the connection there.
    pub fn direct(&mut self, to: Endpoint) -> Reaction {
        if self.current.as_ref().is_some_and(|current| same(current, &to)) {
            return Reaction::Stay;
        }
        self.directed = Some(self.options.complete(to));
        Reaction::Move
    }

    /// Whether the connection is where it should be, as far as preferences go.
    pub fn is_on_priority(&self) -> bool {
        let Some(current) = &self.current else { return false };
        self.options.priority_backup && self.is_priority(current)
    }

    /// While connected to a broker that is not preferred: when to look for a preferred one, and
    /// where.
    pub fn next_priority(&mut self) -> Option<(Duration, Vec<Endpoint>)> {
        if !self.options.priority_backup || self.current.is_none() || self.is_on_priority() {
            return None;
        }
        let mut preferred = self.order();
        preferred.retain(|endpoint| self.is_priority(endpoint));
        if preferred.is_empty() {
            return None;
        }
        let wait = self.jittered(self.priority_delay);
        self.priority_delay = self.grown(self.priority_delay).min(LONGEST_PRIORITY_WAIT);
        Some((wait, preferred))
    }

    /// Where spare links may lead, in order of preference: not where the connection is.
    pub fn spares(&mut self) -> Vec<Endpoint> {
        let mut order = self.order();
        order.retain(|endpoint| self.current.as_ref().is_none_or(|at| !same(at, endpoint)));
        order
    }

    /// Whether a spare link may take the place of one that was lost.
    pub fn may_use_spare(&self) -> bool {
        self.phase == Phase::Lost && self.directed.is_none() && self.limit() != Some(0)
    }

    /// The options that it follows.
    pub fn options(&self) -> &FailoverOptions {
        &self.options
    }

    /// All addresses, in the order of the next pass.
    fn order(&mut self) -> Vec<Endpoint> {
        let mut order: Vec<Endpoint> = Vec::new();
        for endpoint in self.updated.iter().chain(&self.configured) {
            let skip = |list: &[Endpoint]| list.iter().any(|other| same(other, endpoint));
            if !skip(&order) && !skip(&self.unusable) {
                order.push(endpoint.clone());
            }
        }
        if self.options.randomize {
            self.random.shuffle(&mut order);
        }
        // Sorting is stable: within each kind the order stays.
        if self.options.priority_backup {
            order.sort_by_key(|endpoint| !self.is_priority(endpoint));
        }
        if let Some(left) = &self.left {
            order.sort_by_key(|endpoint| same(endpoint, left));
        }
        if let Some(directed) = &self.directed {
            order.retain(|endpoint| !same(endpoint, directed));
            order.insert(0, directed.clone());
        }
        order
    }

    fn is_priority(&self, endpoint: &Endpoint) -> bool {
        let first = self.configured.first();
        if self.options.priority_uris.is_empty() {
            return first.is_some_and(|first| same(first, endpoint));
        }
        self.options.priority_uris.iter().any(|preferred| same(preferred, endpoint))
    }

    fn limit(&self) -> Option<u32> {
        let startup = self.options.startup_max_reconnect_attempts;
        match startup {
            Some(_) if !self.ever_connected => startup,
            _ => self.options.max_reconnect_attempts,
        }
    }

    fn pass_failed(&mut self) -> Next {
        self.failed_passes = self.failed_passes.saturating_add(1);
        self.directed = None;
        self.left = None;
        // One pass is always made: 0 and 1 are the same before the first connection.
        let out_of_attempts = self.limit().is_some_and(|most| self.failed_passes >= most);
        if out_of_attempts || self.order().is_empty() {
            self.phase = Phase::Over;
            return Next::GiveUp(self.failed_passes);
        }
        self.phase = Phase::Begin;
        let wait = self.jittered(self.delay);
        if self.options.use_exponential_back_off {
            self.delay = self.grown(self.delay);
        }
        Next::Wait(wait, self.failed_passes)
    }

    fn grown(&self, delay: Duration) -> Duration {
        let longer = delay.as_secs_f64() * self.options.reconnect_delay_exponent;
        let longest = self.options.max_reconnect_delay;
        // Compared as numbers: a product may be too large for a Duration.
        if longer < longest.as_secs_f64() { Duration::from_secs_f64(longer) } else { longest }
    }

    fn jittered(&mut self, delay: Duration) -> Duration {
        delay.mul_f64(1.0 - JITTER * self.random.f64())
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
