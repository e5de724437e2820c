//! In which order the records of a service are used: RFC 2782.

use fastrand::Rng;

/// One broker, as a name server tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// Lower ones come first.
    pub(super) priority: u16,
    /// Of the same priority, who comes first in proportion to this.
    pub(super) weight: u16,
    /// A name or an address.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Puts records in the order of their priorities and, among those of one priority, by lot: each in
/// proportion to its weight, and those of weight 0 with hardly a chance but the last places.
pub(super) fn arrange(mut records: Vec<Record>, random: &mut Rng) -> Vec<Record> {
    // Weight 0 first, as the RFC has it; among equals chance decides, as for the addresses of a host.
    random.shuffle(&mut records);
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut arranged = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let alike = records.iter().take_while(|record| record.priority == priority);
        let total: u32 = alike.map(|record| u32::from(record.weight)).sum();
        let drawn = random.u32(0..=total);
        let mut sum = 0;
        let at = records.iter().position(|record| {
            sum += u32::from(record.weight);
            sum >= drawn
        });
        arranged.push(records.remove(at.unwrap_or(0)));
    }
    arranged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(host: &str, priority: u16, weight: u16) -> Record {
        Record { priority, weight, host: host.to_owned(), port: 1 }
    }

    /// How often each of two records of weights 1 and 3 comes first, among others.
    #[test]
    fn priorities_hold_and_weights_are_proportions() {
        let records = vec![
            record("last", 20, 65535),
            record("light", 10, 10),
            record("heavy", 10, 30),
            record("zero", 10, 0),
            record("first", 5, 0),
        ];
        let mut random = Rng::with_seed(7);
        let (mut light, mut heavy, mut zero) = (0, 0, 0);
        for _ in 0..10_000 {
            let order = arrange(records.clone(), &mut random);
            let hosts: Vec<&str> = order.iter().map(|record| record.host.as_str()).collect();
            assert_eq!((hosts[0], hosts[4]), ("first", "last"));
            match hosts[1] {
                "light" => light += 1,
                "heavy" => heavy += 1,
                _ => zero += 1,
            }
        }
        // 10 and 30 of the numbers from 0 to 40; 0 is drawn once in 41 times.
        assert!((7_100..7_550).contains(&heavy), "{heavy}");
        assert!((2_250..2_650).contains(&light), "{light}");
        assert!((150..350).contains(&zero), "{zero}");
    }

    #[test]
    fn each_of_equals_comes_first_as_often_as_any_other() {
        let records: Vec<Record> =
            ["a", "b", "c"].into_iter().map(|host| record(host, 0, 0)).collect();
        let mut random = Rng::with_seed(3);
        let mut first = std::collections::BTreeMap::new();
        for _ in 0..3_000 {
            let host = arrange(records.clone(), &mut random).swap_remove(0).host;
            *first.entry(host).or_insert(0) += 1;
        }
        assert!(first.values().all(|count| (900..1_100).contains(count)), "{first:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let records: Vec<Record> = (0..20).map(|n| record(&format!("h{n}"), n % 2, n)).collect();
        let order = |seed| arrange(records.clone(), &mut Rng::with_seed(seed));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_eq!(order(1).len(), 20);
    }
}
