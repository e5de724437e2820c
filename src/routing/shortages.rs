//! The limits that are reached, from when a message is kept out until there is room for good.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_openwire::destination::Destination;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::shortage::{LimitKind, Shortage};

/// For how long nobody may have been kept out, in milliseconds, before a shortage is over: while
/// producers wait, what consumers settle is used up at once.
const QUIET: i64 = 1_000;

/// What the operator hears of limits: a line when one is reached, another one when it is not any
/// more, and numbers. There is at most one episode for each limit of each destination.
#[derive(Debug, Default)]
pub(super) struct Shortages {
    open: Mutex<BTreeMap<Key, Episode>>,
    waited: [AtomicU64; LimitKind::ALL.len()],
    refused: [AtomicU64; LimitKind::ALL.len()],
    /// Wakes who ends them.
    begun: Notify,
}

/// A limit; without a destination, that of the broker.
type Key = (LimitKind, Option<Destination>);

#[derive(Debug)]
struct Episode {
    since: i64,
    /// When a message was kept out last.
    last: i64,
    waited: u64,
    refused: u64,
}

/// What becomes of a message that is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptOut {
    /// It waits.
    Waits,
    /// It has been waiting.
    WaitsStill,
    /// It is refused.
    Refused,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSnapshot {
    /// Which.
    pub limit: LimitKind,
    /// Where it is reached now: destinations, or 1 for the broker's.
    pub reached: usize,
    /// Messages that had to wait for it.
    pub waited: u64,
    /// Messages that were refused for it.
    pub refused: u64,
}

impl Shortages {
    /// A limit keeps a message out.
    pub(super) fn note(&self, shortage: &Shortage, becomes: KeptOut, now: i64) {
        let Shortage { limit, destination, used, allowed, .. } = shortage;
        let key = (*limit, limit.is_of_destination().then(|| destination.clone()));
        let mut open = self.open.lock();
        let begins = !open.contains_key(&key);
        // One that waits for another limit now than when it came counts for this one if it is news.
        let (waits, refused) = match becomes {
            KeptOut::Waits => (1, 0),
            KeptOut::WaitsStill => (u64::from(begins), 0),
            KeptOut::Refused => (0, 1),
        };
        let episode =
            open.entry(key).or_insert(Episode { since: now, last: now, waited: 0, refused: 0 });
        episode.last = now;
        episode.waited += waits;
        episode.refused += refused;
        drop(open);
        for (counts, more) in [(&self.waited, waits), (&self.refused, refused)] {
            if let Some(count) = counts.get(*limit as usize) {
                count.fetch_add(more, Ordering::Relaxed);
            }
        }
        if begins {
            let limit = limit.name();
            match becomes {
                KeptOut::Waits | KeptOut::WaitsStill => {
                    tracing::warn!(limit, %destination, used, allowed, "a limit is reached: producers wait");
                }
                KeptOut::Refused => {
                    tracing::warn!(limit, %destination, used, allowed, "a limit is reached: sends are refused");
                }
            }
            self.begun.notify_one();
        }
    }

    /// Ends those that are over: nobody was kept out lately, and by `is_reached` the limit is not
    /// reached. Says whether others last.
    pub(super) fn end(&self, now: i64, is_reached: impl Fn(&Key) -> bool) -> bool {
        let quiet: Vec<Key> = {
            let open = self.open.lock();
            let quiet = open.iter().filter(|(_, episode)| now >= episode.last + QUIET);
            quiet.map(|(key, _)| key.clone()).collect()
        };
        // Not under the lock, which comes after those of destinations.
        let over: Vec<Key> = quiet.into_iter().filter(|key| !is_reached(key)).collect();
        let mut open = self.open.lock();
        for key in over {
            let Some(Episode { since, waited, refused, .. }) = open.remove(&key) else { continue };
            let (limit, millis) = (key.0.name(), now - since);
            let destination = key.1.map(|destination| destination.to_string());
            let destination = destination.as_deref();
            tracing::info!(
                limit,
                destination,
                waited,
                refused,
                millis,
                "a limit is not reached any more"
            );
        }
        !open.is_empty()
    }

    /// Completes when one has begun, perhaps before this was called.
    pub(super) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// How each limit stands.
    pub(super) fn snapshot(&self) -> Vec<LimitSnapshot> {
        let open = self.open.lock();
        let count = |counts: &[AtomicU64], limit: LimitKind| {
            counts.get(limit as usize).map_or(0, |count| count.load(Ordering::Relaxed))
        };
        let of = |limit: LimitKind| LimitSnapshot {
            limit,
            reached: open.keys().filter(|(other, _)| *other == limit).count(),
            waited: count(&self.waited, limit),
            refused: count(&self.refused, limit),
        };
        LimitKind::ALL.into_iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_lasts_while_messages_are_kept_out_and_while_the_limit_is_reached() {
        let shortages = Shortages::default();
        let at = |limit, name| Shortage {
            limit,
            destination: Destination::queue(name),
            used: 10,
            allowed: 10,
            passing: false,
        };
        shortages.note(&at(LimitKind::DestinationMemory, "a"), KeptOut::Waits, 0);
        shortages.note(&at(LimitKind::DestinationMemory, "b"), KeptOut::Refused, 0);
        shortages.note(&at(LimitKind::Memory, "a"), KeptOut::Waits, 0);
        shortages.note(&at(LimitKind::Memory, "b"), KeptOut::Waits, 500);
        shortages.note(&at(LimitKind::Memory, "b"), KeptOut::WaitsStill, 500);
        let stand = |limit: LimitKind| {
            let all = shortages.snapshot();
            let one = all.into_iter().find(|one| one.limit == limit).unwrap();
            (one.reached, one.waited, one.refused)
        };
        assert_eq!(stand(LimitKind::DestinationMemory), (2, 1, 1));
        assert_eq!(stand(LimitKind::Memory), (1, 2, 0), "it is the broker's, not a destination's");

        // Those of destinations have been quiet for long enough; one is still reached.
        let reached = |(_, at): &Key| *at == Some(Destination::queue("a"));
        assert!(shortages.end(1_000, reached));
        assert_eq!(stand(LimitKind::DestinationMemory), (1, 1, 1));
        assert_eq!(stand(LimitKind::Memory), (1, 2, 0));
        assert!(!shortages.end(1_500, |_| false));
        assert_eq!(stand(LimitKind::Memory), (0, 2, 0), "what was counted stays");
    }
}
