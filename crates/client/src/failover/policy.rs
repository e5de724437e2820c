//! Which address is tried, and when: a machine without I/O.
//!
//! The driver asks [`next`](FailoverPolicy::next), does what it says, and reports what came of it.
//! One *pass* tries every address once, without a pause; a wait follows a pass that failed.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use ferrymq_transport::endpoint::Endpoint;

use super::brokers::{Brokers, Found};
use super::list::FailoverList;
use super::options::FailoverOptions;
use super::same::same;

/// A broker that discovery removes is left within this time: its clients learn of that together,
/// and are not to arrive elsewhere together.
const LEAVING_SPREAD: Duration = Duration::from_secs(2);
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
    /// Which brokers there are, as far as anybody says.
    brokers: Brokers,
    /// Whether agents look for brokers, so that an address may turn up at any time.
    searching: bool,
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
        let FailoverList { endpoints, agents, options } = list;
        Self {
            random: Rng::with_seed(seed),
            delay: options.reconnect_delay,
            priority_delay: options.initial_reconnect_delay,
            options,
            brokers: Brokers::configured(endpoints),
            searching: !agents.is_empty(),
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
        self.brokers.exclude(endpoint.clone());
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
        let changed = self.brokers.update(listed, |endpoint| self.options.complete(endpoint));
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

    /// Agents show these brokers now. Whether there is an address that was not there before,
    /// which also joins the pass that goes on.
    ///
    /// What is added moves no connection: spreading clients is for brokers to do.
    pub fn found(&mut self, lists: Vec<Found>) -> bool {
        let fresh = self.brokers.find(lists, |endpoint| self.options.complete(endpoint));
        let any = !fresh.is_empty();
        if self.phase == Phase::Trying {
            self.pass.extend(fresh);
        }
        any
    }

    /// Agents say that these are there no more, as opposed to not heard of. When to leave the
    /// connection's broker if it is one of them, is in no list any more, and another one is known;
    /// whether that still holds then is to be asked again, by [`is_unlisted`](Self::is_unlisted).
    pub fn let_go(&mut self, gone: &[Endpoint]) -> Option<Duration> {
        self.brokers.let_go(gone);
        let at = self.current.as_ref()?;
        let let_go = gone.iter().any(|endpoint| same(endpoint, at));
        // Who may not reconnect would be without any broker.
        let leaves = let_go && self.is_unlisted() && self.limit() != Some(0);
        leaves.then(|| LEAVING_SPREAD.mul_f64(self.random.f64()))
    }

    /// Whether the connection is at a broker that no list holds, while there are others.
    pub fn is_unlisted(&self) -> bool {
        let at_other = |at: &Endpoint| !self.brokers.list(at);
        !self.brokers.are_none() && self.current.as_ref().is_some_and(at_other)
    }

    /// Whether there is nobody to try.
    pub fn knows_nobody(&self) -> bool {
        self.directed.is_none() && self.brokers.are_none()
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
        let mut order = self.brokers.all();
        if self.options.randomize {
            self.random.shuffle(&mut order);
            self.brokers.restore_ranks(&mut order);
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
        let first = self.brokers.first();
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
        let nobody = !self.searching && self.brokers.are_none();
        if out_of_attempts || nobody {
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
