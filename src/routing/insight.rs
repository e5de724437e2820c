//! Looking into a queue, for whoever explains why a message waits.

use ferrymq_network::rules::replay::ReplayPolicy;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConsumerId, MessageId};

use super::broker::Broker;
use super::directory::Living;
use super::queue_handle::QueueHandle;
use crate::destination::{HeldMessage, Search, SubscriptionInsight, SubscriptionKey};

/// How many subscriptions are looked at.
const MOST_SUBSCRIPTIONS: usize = 200;
/// How many messages that wait are looked at, to be told apart by what holds them up.
const MOST_MESSAGES: usize = 1_000;
/// How many messages are gone through under a queue's lock at a time.
const AT_A_TIME: usize = 2_000;
/// How many messages are gone through in search of one.
const MOST_SEARCHED: usize = 1_000_000;
/// How many dispatched messages are gone through, at once.
const MOST_DISPATCHED: usize = 20_000;

/// A queue at one moment, and what could move its messages.
#[derive(Debug, Clone)]
pub struct QueueInsight {
    /// Messages that wait.
    pub waiting: usize,
    /// Messages dispatched and not settled.
    pub in_flight: usize,
    /// Bytes that its messages hold.
    pub memory_used: u64,
    /// Bytes that they may hold.
    pub memory_limit: u64,
    /// What goes back to brokers that it has visited.
    pub replay: ReplayPolicy,
    /// Whether producers have to wait, be it for the queue or for the whole broker.
    pub full: bool,
    /// The first messages that wait.
    pub first: Vec<HeldMessage>,
    /// Subscriptions, with their consumers.
    pub subscriptions: Vec<(ConsumerId, SubscriptionInsight)>,
    /// How many subscriptions there are beside those.
    pub further_subscriptions: usize,
    /// The message that was asked for.
    pub sought: Option<Sought>,
}

/// Where a message is that was asked for.
#[derive(Debug, Clone)]
pub enum Sought {
    /// It waits.
    Waiting(HeldMessage),
    /// It was dispatched and is not settled.
    Dispatched(SubscriptionKey, HeldMessage),
    /// It is not in the queue, as far as that was gone through.
    NotFound {
        /// Whether all of the queue was.
        searched_all: bool,
    },
}

impl Broker {
    /// Looks into a queue; `None` if none of that address lives. The time that its lock is held for
    /// is bounded, however much it holds.
    pub fn queue_insight(
        &self,
        address: &Destination,
        id: Option<&MessageId>,
    ) -> Option<QueueInsight> {
        let Living::Queue(queue) = self.directory.find(address)? else { return None };
        let sought = id.map(|id| self.seek(&queue, id));
        let (account, now) = (queue.account(), self.clock.now_millis());
        let (broker, own) = (&self.memory, (account.used(), account.limit()));
        let mut insight = queue.look(|queue, consumer| {
            let subscriptions = queue.insight(MOST_SUBSCRIPTIONS, now).into_iter();
            let subscriptions =
                subscriptions.map(|one| (consumer(one.key).unwrap_or_default(), one));
            QueueInsight {
                waiting: queue.pending(),
                in_flight: queue.in_flight(),
                replay: queue.replay().clone(),
                memory_used: own.0,
                memory_limit: own.1.min(broker.limit()),
                full: (own.0 >= own.1 || broker.used() >= broker.limit())
                    && (queue.window().is_none() || queue.would_hold()),
                first: queue.first_waiting(i64::MIN, MOST_MESSAGES),
                subscriptions: subscriptions.collect(),
                further_subscriptions: queue.subscriptions().saturating_sub(MOST_SUBSCRIPTIONS),
                sought: None,
            }
        });
        insight.sought = sought;
        if insight.first.is_empty() {
            (insight.first, _) = self.on_disk(&queue, i64::MIN, MOST_MESSAGES);
        }
        Some(insight)
    }

    /// Looks for a message, letting go of the lock again and again: in memory, and then on disk.
    fn seek(&self, queue: &QueueHandle, id: &MessageId) -> Sought {
        let dispatched = queue.look(|queue, _| queue.find_dispatched(id, MOST_DISPATCHED));
        if let Some((key, held)) = dispatched {
            return Sought::Dispatched(key, held);
        }
        let mut from = Some(i64::MIN);
        for _ in 0..MOST_SEARCHED / AT_A_TIME {
            let Some(at) = from else { break };
            match queue.look(|queue, _| queue.find_waiting(id, at, AT_A_TIME)) {
                Search::Found(held) => return Sought::Waiting(held),
                Search::NotThere => from = None,
                Search::GoOnFrom(next) => from = Some(next),
            }
        }
        if from.is_some() {
            return Sought::NotFound { searched_all: false };
        }
        let (mut from, mut searched) = (Some(i64::MIN), 0);
        while let Some(at) = from.filter(|_| searched < MOST_SEARCHED) {
            let (held, next) = self.on_disk(queue, at, AT_A_TIME);
            searched += held.len();
            if let Some(held) = held.into_iter().find(|held| held.goes_by(id)) {
                return Sought::Waiting(held);
            }
            from = next;
        }
        Sought::NotFound { searched_all: from.is_none() }
    }
}
