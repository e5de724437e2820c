//! Which destinations have series of their own.
//!
//! Clients make destinations by naming them, and a collector keeps every series that it ever saw.
//! So there is an end to how many get their own, and those that come and go with connections get
//! none: they are added up.

use crate::routing::DestinationSnapshot;

/// How many destinations have series of their own.
pub(super) const MOST_SERIES: usize = 1_000;

/// Destinations, divided into those with series of their own and the rest.
#[derive(Debug, Default)]
pub(super) struct Divided<'d> {
    /// The first by address: who is among them changes only when destinations come or go.
    pub(super) own: Vec<&'d DestinationSnapshot>,
    /// Lasting ones beyond the limit.
    pub(super) other: Sum,
    /// Temporary ones.
    pub(super) temporary: Sum,
    /// Topics on which the broker tells about itself.
    pub(super) advisory: Sum,
}

/// Several destinations as one. Only what may fall is added up: a counter over members that change
/// would fall, which a collector takes for a restart. What was counted at these is the broker's
/// total less that of the destinations with series of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) destinations: usize,
    pub(super) waiting: usize,
    pub(super) on_disk: usize,
    pub(super) set_aside: usize,
    pub(super) in_flight: usize,
    pub(super) consumers: usize,
    pub(super) memory: u64,
}

impl<'d> Divided<'d> {
    /// Divides destinations that come by address.
    pub(super) fn new(all: &'d [DestinationSnapshot], most: usize) -> Self {
        let mut divided = Self::default();
        for destination in all {
            let address = &destination.address;
            if address.kind().is_temporary() {
                divided.temporary.add(destination);
            } else if address.name().as_bytes().starts_with(b"ActiveMQ.Advisory.") {
                divided.advisory.add(destination);
            } else if divided.own.len() < most {
                divided.own.push(destination);
            } else {
                divided.other.add(destination);
            }
        }
        divided
    }

    /// The sums, by what stands in place of an address. An address has a `://`, these have none.
    pub(super) fn sums(&self) -> [(&'static str, Sum); 3] {
        [("other", self.other), ("temporary", self.temporary), ("advisory", self.advisory)]
    }
}

impl Sum {
    pub(super) fn of(destination: &DestinationSnapshot) -> Self {
        Self {
            destinations: 1,
            waiting: destination.waiting,
            on_disk: destination.on_disk,
            set_aside: destination.set_aside,
            in_flight: destination.in_flight,
            consumers: destination.consumers,
            memory: destination.memory,
        }
    }

    fn add(&mut self, destination: &DestinationSnapshot) {
        let one = Self::of(destination);
        self.destinations += one.destinations;
        self.waiting += one.waiting;
        self.on_disk += one.on_disk;
        self.set_aside += one.set_aside;
        self.in_flight += one.in_flight;
        self.consumers += one.consumers;
        self.memory += one.memory;
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_openwire::destination::{Destination, DestinationKind};

    use super::*;

    fn snapshot(address: Destination) -> DestinationSnapshot {
        DestinationSnapshot {
            address,
            waiting: 2,
            on_disk: 1,
            set_aside: 0,
            in_flight: 3,
            consumers: 1,
            memory: 1_024,
            enqueued: 5,
            dispatched: 3,
            settled: 0,
            expired: 0,
            dead: 0,
            duplicates: 0,
            doubtful: 0,
            forgotten: 0,
            parked: 0,
            too_large: 0,
        }
    }

    #[test]
    fn no_more_than_the_limit_get_their_own_and_nothing_is_lost() {
        let all: Vec<DestinationSnapshot> =
            (0..10).map(|n| snapshot(Destination::queue(format!("q{n}")))).collect();
        let divided = Divided::new(&all, 4);
        let own: Vec<String> = divided.own.iter().map(|one| one.address.to_string()).collect();
        assert_eq!(own, ["queue://q0", "queue://q1", "queue://q2", "queue://q3"]);
        let other = divided.other;
        assert_eq!((other.destinations, other.waiting, other.in_flight), (6, 12, 18));
        assert_eq!((other.consumers, other.on_disk, other.memory), (6, 6, 6 * 1_024));
    }

    #[test]
    fn what_comes_and_goes_never_takes_the_place_of_what_stays() {
        let mut all: Vec<DestinationSnapshot> = (0..5)
            .map(|n| snapshot(Destination::topic(format!("ActiveMQ.Advisory.Consumer.Queue.{n}"))))
            .collect();
        all.push(snapshot(Destination::topic("prices")));
        for n in 0..7 {
            let kind = DestinationKind::TempQueue;
            all.push(snapshot(Destination::new(kind, format!("ID:client-{n}:1"))));
        }
        let divided = Divided::new(&all, 1);
        assert_eq!(divided.own.len(), 1);
        assert_eq!(divided.other, Sum::default());
        assert_eq!((divided.advisory.destinations, divided.temporary.destinations), (5, 7));
    }
}
