//! The brokers that a demand or a message has passed, nearest last.

use ferrymq_openwire::ids::BrokerId;

/// Whether a path (absent: empty) has passed a broker.
pub fn passes(path: Option<&Vec<BrokerId>>, broker: &BrokerId) -> bool {
    path.is_some_and(|path| path.contains(broker))
}

/// The number of bridges that a path (absent: none) stands for.
pub fn hops(path: Option<&Vec<BrokerId>>) -> usize {
    path.map_or(0, Vec::len)
}

/// The path after one more broker.
pub fn extended(path: Option<&Vec<BrokerId>>, broker: &BrokerId) -> Vec<BrokerId> {
    let mut extended = Vec::with_capacity(hops(path) + 1);
    extended.extend(path.into_iter().flatten().cloned());
    extended.push(broker.clone());
    extended
}
