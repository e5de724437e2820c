//! The network as its operator sees it: conditions and faults.

use std::fmt;
use std::sync::Arc;

use super::conditions::LinkConditions;
use super::fabric::Fabric;
use super::host::SimulatedHost;

/// A network in memory. Clones are the same network.
///
/// Needs a tokio runtime around it; hosts are known by name, and a pair of hosts has one set of
/// conditions per direction. A host's connections to itself are instant and have no faults.
#[derive(Clone)]
pub struct SimulatedNetwork {
    fabric: Arc<Fabric>,
}

impl SimulatedNetwork {
    /// A network without hosts. All randomness follows from the seed.
    pub fn new(seed: u64) -> Self {
        Self { fabric: Arc::new(Fabric::new(seed)) }
    }

    /// The host of that name, which exists from now on.
    pub fn host(&self, name: &str) -> SimulatedHost {
        SimulatedHost::new(name, Arc::clone(&self.fabric))
    }

    /// Sets what holds between hosts for which nothing else is set.
    pub fn set_default_conditions(&self, conditions: LinkConditions) {
        self.fabric.set_usual(conditions);
    }

    /// Sets both directions between two hosts. Bytes already underway keep their time of arrival.
    pub fn set_conditions(&self, a: &str, b: &str, conditions: LinkConditions) {
        self.set_direction(a, b, conditions);
        self.set_direction(b, a, conditions);
    }

    /// Sets the direction from one host to another.
    pub fn set_direction(&self, from: &str, to: &str, conditions: LinkConditions) {
        self.fabric.set_direction(from, to, conditions);
    }

    /// Ends all streams between two hosts and refuses new ones until [`heal`](Self::heal). Both
    /// ends notice at once, and what was underway is lost.
    pub fn cut(&self, a: &str, b: &str) {
        self.fabric.heal(a, b);
        self.fabric.refuse(a, b);
        self.fabric.reset_between(a, b);
    }

    /// Refuses new streams between two hosts until [`heal`](Self::heal); old ones live on.
    pub fn refuse(&self, a: &str, b: &str) {
        self.fabric.refuse(a, b);
    }

    /// From now on nothing arrives between two hosts, and nobody is told: writers write until
    /// their buffers are full, readers wait, dials hang. After [`heal`](Self::heal) it arrives, as
    /// TCP sends lost packets again.
    pub fn black_hole(&self, a: &str, b: &str) {
        self.fabric.silence(a, b);
    }

    /// Ends what [`cut`](Self::cut), [`refuse`](Self::refuse) and
    /// [`black_hole`](Self::black_hole) began. Streams that were reset stay so.
    pub fn heal(&self, a: &str, b: &str) {
        self.fabric.heal(a, b);
    }

    /// Heals everything between all hosts.
    pub fn heal_all(&self) {
        for (a, b) in self.fabric.faulty() {
            self.fabric.heal(&a, &b);
        }
    }

    /// A host loses all its streams and listeners at once. Its peers notice when the news reaches
    /// them, which a black hole prevents. It may dial and listen again.
    pub fn crash(&self, host: &str) {
        self.fabric.crash(host);
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedNetwork")
    }
}
