//! Whether and how a message gets from one broker to another, by the rules of a network.
//!
//! A bridge forwards on demand, and demand travels against the messages: a link passes a
//! destination when what stands at its far end asked for it. Two limits count the brokers on the
//! way, one the hops of the demand (`consumer_ttl`), one the hops of the message
//! (`message_ttl`). Never a broker twice, so only what is shortest by one of the two counts.
//!
//! This is a model of a network with all links up. It knows nothing of files or names.

use std::collections::{BTreeSet, VecDeque};

/// One way that a message can go in one step, as it is for one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The broker that has the connector.
    pub from: usize,
    /// The broker that it bridges to.
    pub to: usize,
    /// When it lets the destination pass.
    pub crossing: Crossing,
    /// Hops that a message may have behind it after this one.
    pub message_ttl: Limit,
    /// Hops that a demand may have behind it after this one.
    pub consumer_ttl: Limit,
}

/// When a link lets a destination pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// When its far end has demand.
    OnDemand,
    /// Always, demand or not.
    Always,
    /// Never: a filter is against it.
    Barred,
}

/// A number of hops, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most so many.
    Hops(u32),
    /// As many as there are.
    None,
}

/// Why nothing gets from one broker to another: the first thing to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// No links lead there at all.
    NoWay,
    /// The links lead there, but these keep the destination out.
    Barred {
        /// The hops with the filter.
        hops: Vec<usize>,
    },
    /// A hop sees demand that has come too far already.
    DemandTooFar {
        /// The hop that ignores it.
        hop: usize,
        /// How many hops the demand has behind it.
        travelled: u32,
        /// How many it may have.
        limit: u32,
    },
    /// A hop sees a message that has come too far already.
    MessageTooFar {
        /// The hop that keeps it.
        hop: usize,
        /// How many hops the message has behind it.
        travelled: u32,
        /// How many it may have.
        limit: u32,
    },
}

/// The links of a network as one destination sees them.
#[derive(Debug)]
pub struct Graph {
    hops: Vec<Hop>,
    /// The hops into each broker.
    into: Vec<Vec<usize>>,
}

/// A way from some broker to the consumer, found backwards from the consumer.
#[derive(Debug, Clone, Copy)]
struct Label {
    broker: usize,
    /// Hops of the demand that has come this far.
    demand: u32,
    /// Hops that a message may have behind it when it arrives here; `None`: any number.
    room: Option<u32>,
    /// The hop taken from here, and the label that it leads to.
    next: Option<(usize, usize)>,
}

impl Graph {
    /// The graph of `brokers` brokers with these links; a hop of unknown brokers is left out.
    pub fn new(brokers: usize, hops: Vec<Hop>) -> Self {
        let mut into = vec![Vec::new(); brokers];
        for (index, hop) in hops.iter().enumerate() {
            if hop.from < brokers
                && let Some(hops) = into.get_mut(hop.to)
            {
                hops.push(index);
            }
        }
        Self { hops, into }
    }

    /// The hops of a shortest way that a message takes from one broker to a consumer on another,
    /// while the broker `without` is down.
    pub fn route(&self, from: usize, to: usize, without: Option<usize>) -> Option<Vec<usize>> {
        let mut labels = vec![Label { broker: to, demand: 0, room: None, next: None }];
        let mut at_broker = vec![Vec::new(); self.into.len()];
        at_broker.get_mut(to)?.push(0);
        let mut waiting = VecDeque::from([0]);
        while let Some(at) = waiting.pop_front() {
            let label = *labels.get(at)?;
            if label.broker == from {
                return Some(self.follow(&labels, at));
            }
            for &index in self.into.get(label.broker).into_iter().flatten() {
                let Some(hop) = self.hops.get(index) else { continue };
                if without == Some(hop.from) {
                    continue;
                }
                let Some(demand) = hop.demand_after(label.demand) else { continue };
                let Some(room) = hop.room_before(label.room) else { continue };
                let new = Label { broker: hop.from, demand, room, next: Some((index, at)) };
                let Some(known) = at_broker.get_mut(hop.from) else { continue };
                let better =
                    |known: &usize| labels.get(*known).is_some_and(|l| l.is_as_good_as(&new));
                if known.iter().any(better) {
                    continue;
                }
                known.push(labels.len());
                waiting.push_back(labels.len());
                labels.push(new);
            }
        }
        None
    }

    /// Why there is no [`route`](Self::route).
    pub fn obstacle(&self, from: usize, to: usize) -> Obstacle {
        let Some(barred) = self.cheapest(from, to, |hop| hop.crossing == Crossing::Barred) else {
            return Obstacle::NoWay;
        };
        let is_barred = |index: &usize| {
            self.hops.get(*index).is_some_and(|hop| hop.crossing == Crossing::Barred)
        };
        let filters: Vec<usize> = barred.iter().copied().filter(is_barred).collect();
        if !filters.is_empty() {
            return Obstacle::Barred { hops: filters };
        }
        // Filters let it pass on the way that has fewest of them; so it is a count of hops.
        self.too_far(&barred).unwrap_or(Obstacle::NoWay)
    }

    /// Whether links lead from one broker to another, whatever their filters and limits.
    pub fn leads_to(&self, from: usize, to: usize) -> bool {
        self.cheapest(from, to, |_| false).is_some()
    }

    fn follow(&self, labels: &[Label], start: usize) -> Vec<usize> {
        let mut hops = Vec::new();
        let mut at = labels.get(start);
        while let Some(Some((hop, next))) = at.map(|label| label.next) {
            hops.push(hop);
            at = labels.get(next);
        }
        hops
    }

    /// The way with the fewest hops that cost something, and of these one with the fewest hops.
    fn cheapest(&self, from: usize, to: usize, costs: impl Fn(&Hop) -> bool) -> Option<Vec<usize>> {
        let mut best: Vec<Option<(u32, u32, Option<usize>)>> = vec![None; self.into.len()];
        let mut waiting = BTreeSet::from([(0, 0, to)]);
        *best.get_mut(to)? = Some((0, 0, None));
        while let Some((cost, length, broker)) = waiting.pop_first() {
            if broker == from {
                break;
            }
            for &index in self.into.get(broker).into_iter().flatten() {
                let Some(hop) = self.hops.get(index) else { continue };
                let new = (cost + u32::from(costs(hop)), length + 1);
                let Some(known) = best.get_mut(hop.from) else { continue };
                if known.is_none_or(|(cost, length, _)| new < (cost, length)) {
                    *known = Some((new.0, new.1, Some(index)));
                    waiting.insert((new.0, new.1, hop.from));
                }
            }
        }
        let mut hops = Vec::new();
        let mut at = from;
        while at != to {
            let (_, _, hop) = (*best.get(at)?)?;
            let hop = hop?;
            hops.push(hop);
            at = self.hops.get(hop)?.to;
        }
        Some(hops)
    }

    /// The limit of hops that stops a message or its demand on this way.
    fn too_far(&self, way: &[usize]) -> Option<Obstacle> {
        let mut demand = 0;
        for &index in way.iter().rev() {
            let hop = self.hops.get(index)?;
            match (hop.demand_after(demand), hop.consumer_ttl) {
                (Some(after), _) => demand = after,
                (None, Limit::Hops(limit)) => {
                    return Some(Obstacle::DemandTooFar { hop: index, travelled: demand, limit });
                }
                (None, Limit::None) => return None,
            }
        }
        for (travelled, &index) in (0..).zip(way) {
            if let Limit::Hops(limit) = self.hops.get(index)?.message_ttl
                && travelled >= limit
            {
                return Some(Obstacle::MessageTooFar { hop: index, travelled, limit });
            }
        }
        None
    }
}

impl Hop {
    /// The hops of the demand at this side, when it has `before` at the far side.
    ///
    /// A consumer at the far broker itself is never too far, even with a limit of 0: ActiveMQ
    /// exempts a demand that has passed no broker.
    fn demand_after(&self, before: u32) -> Option<u32> {
        match (self.crossing, self.consumer_ttl) {
            (Crossing::Barred, _) => None,
            // The bridge asks by itself: whoever bridges to this side sees a demand of one hop.
            (Crossing::Always, _) => Some(1),
            (Crossing::OnDemand, Limit::Hops(limit)) if before > 0 && before >= limit => None,
            (Crossing::OnDemand, _) => Some(before.saturating_add(1)),
        }
    }

    /// The hops that a message may have behind it before this hop, when it may have `after`
    /// after it.
    fn room_before(&self, after: Option<u32>) -> Option<Option<u32>> {
        let passed_on = match after {
            None => None,
            Some(after) => Some(after.checked_sub(1)?),
        };
        let own = match self.message_ttl {
            Limit::None => None,
            Limit::Hops(limit) => Some(limit.checked_sub(1)?),
        };
        Some(match (passed_on, own) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        })
    }
}

impl Label {
    fn is_as_good_as(&self, other: &Self) -> bool {
        self.demand <= other.demand
            && match (self.room, other.room) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(own), Some(other)) => own >= other,
            }
    }
}
