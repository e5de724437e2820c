//! Which of several ways to one broker a queue's messages take.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use ferrymq_network::rules::verdict::Verdict;
use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;
use ferrymq_openwire::text::Text;

/// How a bridge's subscription stands to others that lead to consumers of the same broker.
///
/// Messages that took ways of different length would overtake each other, and those that took a
/// longer one would wait for the same consumers in the end. So the nearest way has them all; of several
/// that are as near, each producer keeps to one. For the same reason a message that came by way of a
/// broker from where the consumers are nearer by another way is for others here, if there are any; so
/// is, for a moment, whatever came over a bridge while the way is new, for it may yet show that there
/// is a nearer one. When a way goes, others have at once what it has not forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    distance: usize,
    /// The next broker of a nearer way.
    nearer: Option<BrokerId>,
    /// The next brokers of all that are as near as this one, and its own place among them; empty if
    /// there are no others.
    equal: (Vec<BrokerId>, usize),
    /// Brokers on other ways, and how far from there it is, not by way of this broker.
    elsewhere: Vec<(BrokerId, usize)>,
    /// Until when nearer ones may still become known, in milliseconds since 1970.
    pub(super) new_until: i64,
    /// The next brokers of ways that were taken until now and carry messages still, of which those
    /// that could have gone there are not to overtake them.
    pub(super) former: Vec<Former>,
}

/// How long a way is new, in milliseconds: the news of a demand crosses a few bridges in that time.
const NEW: i64 = 250;

/// A way that was taken until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Former {
    /// Its next broker.
    pub(super) next: BrokerId,
    /// Whether it was taken by messages that had come over bridges, too.
    pub(super) passes_on: bool,
}

/// Which bridges count as others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfBridges {
    All,
    NotNew,
}

impl Default for Way {
    /// The only one, as far as is known.
    fn default() -> Self {
        Self {
            distance: 0,
            nearer: None,
            equal: (Vec::new(), 0),
            elsewhere: Vec::new(),
            new_until: i64::MIN,
            former: Vec::new(),
        }
    }
}

impl Way {
    /// One that has just come.
    pub(super) fn new(now: i64) -> Self {
        Self { new_until: now.saturating_add(NEW), ..Self::default() }
    }

    /// Whether a message may take it. `returns`: a nearer way takes it although it has been there
    /// before, when it may go back. `others`: why it is rather for others here, if there are any.
    pub(super) fn check(
        &self,
        message: &Message,
        returns: bool,
        others: impl FnOnce(OfBridges) -> Option<Verdict>,
    ) -> Verdict {
        let takes = |next: &BrokerId| returns || !message.broker_path_contains(next);
        if let Some(nearer) = self.nearer.as_ref().filter(|nearer| takes(nearer)) {
            return Verdict::BetterWay { broker: nearer.clone() };
        }
        let (equal, own) = &self.equal;
        if !equal.is_empty() {
            let turn = producer_hash(message) % equal.len() as u64;
            let turn = usize::try_from(turn).unwrap_or_default();
            if let Some(other) = equal.get(turn).filter(|other| turn != *own && takes(other)) {
                return Verdict::BetterWay { broker: other.clone() };
            }
        }
        if self.is_detour(message) {
            return others(OfBridges::All).unwrap_or(Verdict::Forward);
        }
        Verdict::Forward
    }

    /// Whether a message waits for what is yet to be known, or for others to arrive that went before
    /// it; `others` as above.
    pub(super) fn waits(
        &self,
        message: &Message,
        now: i64,
        others: impl FnOnce(OfBridges) -> Option<Verdict>,
    ) -> Option<Verdict> {
        // Where it came from they may know a nearer way, of which nothing has been heard here yet.
        let came = message.broker_path_len() > 0;
        if self.is_new(now) && came && others(OfBridges::NotNew).is_some() {
            return Some(Verdict::NewWay { until: self.new_until });
        }
        let former = self.former.iter().find(|former| {
            (former.passes_on || !came) && !message.broker_path_contains(&former.next)
        })?;
        Some(Verdict::FormerWay { broker: former.next.clone() })
    }

    /// Whether no nearer one is known.
    pub(super) fn is_nearest(&self) -> bool {
        self.nearer.is_none()
    }

    /// Whether nearer ones may still become known.
    pub(super) fn is_new(&self, now: i64) -> bool {
        now < self.new_until
    }

    /// Whether a message has passed a broker from where another way would have been nearer.
    pub(super) fn is_detour(&self, message: &Message) -> bool {
        let passed = message.broker_path_len();
        if self.elsewhere.is_empty() || passed == 0 {
            return false;
        }
        message.broker_path_names().enumerate().any(|(at, broker)| {
            let by_here = passed.saturating_sub(at).saturating_add(self.distance);
            self.elsewhere.iter().any(|(other, far)| name(other) == broker && *far < by_here)
        })
    }

    /// Whether it may have refused what the other one takes.
    pub(super) fn refuses_more_than(&self, other: &Self) -> bool {
        let nearer = self.nearer.is_some() && self.nearer != other.nearer;
        let equal = self.divides() && self.equal != other.equal;
        let still = |(broker, far): &(BrokerId, usize)| {
            other.elsewhere.iter().any(|(one, nearer)| one == broker && nearer <= far)
        };
        nearer || equal || !self.elsewhere.iter().all(still)
    }

    /// Whether it shares with others than the other one did.
    pub(super) fn divides_otherwise(&self, before: &Self) -> bool {
        self.equal.0 != before.equal.0
    }

    /// Whether what it takes depends on more than a message's path.
    pub(super) fn divides(&self) -> bool {
        !self.equal.0.is_empty()
    }
}

fn name(broker: &BrokerId) -> Option<&[u8]> {
    broker.value.as_ref().map(Text::as_bytes)
}

/// The same for all messages of one producer.
fn producer_hash(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Some(origin) = message.origin() {
        hasher.write(origin.connection);
        hasher.write_i64(origin.session);
        hasher.write_i64(origin.producer);
    }
    hasher.finish()
}

/// A subscription that leads to consumers of a broker.
pub(super) struct Route<'a> {
    pub(super) slot: usize,
    pub(super) next: &'a BrokerId,
    /// The brokers between here and the consumer, the consumer's first.
    pub(super) brokers: &'a [BrokerId],
    pub(super) distance: usize,
    /// Whether it takes whatever another one to the same broker would.
    pub(super) takes_all: bool,
    /// Whether the next broker is a FerryMQ, which keeps to the nearest way, too.
    pub(super) keeps_to_ways: bool,
    pub(super) exclusive: bool,
}

/// The ways of all subscriptions to one broker, by slot.
pub(super) fn ways(routes: &[Route<'_>]) -> Vec<(usize, Way)> {
    let mut distances = BTreeMap::<&BrokerId, usize>::new();
    for route in routes.iter().filter(|route| route.takes_all) {
        let to = distances.entry(route.next).or_insert(route.distance);
        *to = (*to).min(route.distance);
    }
    let nearest = distances.values().copied().min().unwrap_or(usize::MAX);
    let first: Vec<&BrokerId> = distances
        .iter()
        .filter(|(_, distance)| **distance == nearest)
        .map(|(next, _)| *next)
        .collect();
    let way = |route: &Route<'_>| {
        if route.exclusive {
            return Way::default();
        }
        let own = first.iter().position(|next| *next == route.next);
        let shares = route.distance == nearest && first.len() > 1;
        let others = routes
            .iter()
            .filter(|other| other.next != route.next && other.takes_all && other.keeps_to_ways);
        let mut elsewhere = BTreeMap::<&BrokerId, usize>::new();
        for (far, broker) in others.flat_map(|other| other.brokers.iter().enumerate().skip(1)) {
            let nearest = elsewhere.entry(broker).or_insert(far);
            *nearest = (*nearest).min(far);
        }
        Way {
            distance: route.distance,
            nearer: first.first().filter(|_| route.distance > nearest).map(|next| (*next).clone()),
            equal: match own {
                Some(own) if shares => (first.iter().map(|next| (*next).clone()).collect(), own),
                _ => (Vec::new(), 0),
            },
            elsewhere: elsewhere.into_iter().map(|(at, far)| (at.clone(), far)).collect(),
            ..Way::default()
        }
    };
    routes.iter().map(|route| (route.slot, way(route))).collect()
}
