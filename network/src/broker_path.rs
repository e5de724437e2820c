//! The brokers that a demand has passed, nearest last, as the wire has them.
//!
//! On the wire a path may be absent, and so may its elements; neither stands for a broker.

use ferrymq_openwire::ids::BrokerId;

/// A path as the wire has it.
pub type WirePath = Vec<Option<BrokerId>>;

/// The brokers of a path.
pub fn brokers(path: Option<&WirePath>) -> impl Iterator<Item = &BrokerId> {
    path.into_iter().flatten().flatten()
}

/// The path after one more broker.
pub fn extended<'a>(
    path: impl IntoIterator<Item = &'a BrokerId>,
    broker: &'a BrokerId,
) -> WirePath {
    path.into_iter().chain([broker]).cloned().map(Some).collect()
}
