//! Identifiers of connections.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_openwire::ids::ConnectionId;
use ferrymq_transport::clock::Clock;

/// Where connections get their identifiers from: `ID:<host>-<seed>-<millis>-<n>:1`, the form that
/// JMS clients use. Clones share the number `n`, so no two connections of one source are alike.
#[derive(Debug, Clone)]
pub struct IdSource {
    /// The text before `-<n>:1`.
    stem: Arc<str>,
    /// Different for any two sources.
    seed: u64,
    /// The next `n`.
    next: Arc<AtomicU64>,
}

impl IdSource {
    /// A source whose identifiers follow from these values alone. They must differ between any two
    /// sources whose connections meet at one broker.
    pub fn new(host: &str, seed: u64, epoch_millis: i64) -> Self {
        Self {
            stem: format!("ID:{host}-{seed}-{epoch_millis}").into(),
            seed,
            next: Arc::new(AtomicU64::new(1)),
        }
    }

    /// A source for the real world: named after the host and the process, and seeded at random.
    pub fn of_this_process(clock: &Clock) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => "localhost",
            host => host,
        };
        let drawn = RandomState::new().hash_one(std::process::id()) & 0xffff_ffff;
        let seed = u64::from(std::process::id()) << 32 | drawn;
        Self::new(host, seed, clock.now_millis())
    }

    /// A number that differs between sources, and follows from them.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The identifier of the next connection.
    pub(crate) fn connection(&self) -> ConnectionId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ConnectionId::new(format!("{}-{number}:1", self.stem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_never_give_the_same_identifier() {
        let ids = IdSource::new("quay", 7, 1_700_000_000_000);
        let first = ids.connection().to_string();
        let second = ids.clone().connection().to_string();
        assert_eq!(first, "ID:quay-7-1700000000000-1:1");
        assert_eq!(second, "ID:quay-7-1700000000000-2:1");
    }
}
