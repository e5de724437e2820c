//! Whether a queue's message may go back to a broker that it has visited.

use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::Message;

use super::verdict::Verdict;

/// How a queue sends messages back (ActiveMQ's `ConditionalNetworkBridgeFilterFactory`). Times are
/// in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayPolicy {
    /// Whether it does so at all.
    pub replay_when_no_consumers: bool,
    /// How long a message stays at least.
    pub replay_delay: i64,
    /// How many messages each demand gets back within `rate_duration`; 0: any number.
    pub rate_limit: u32,
    /// See `rate_limit`.
    pub rate_duration: i64,
    /// Whether a consumer here counts only for messages that its selector matches.
    pub selector_aware: bool,
}

impl Default for ReplayPolicy {
    /// On, at once, without a limit. ActiveMQ's is off, which strands messages, and not aware of
    /// selectors, which strands those that no consumer here wants.
    fn default() -> Self {
        Self {
            replay_when_no_consumers: true,
            replay_delay: 0,
            rate_limit: 0,
            rate_duration: 1000,
            selector_aware: true,
        }
    }
}

/// How the queue stands towards a message and one demand for it. Times are in milliseconds since
/// 1970.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Whether a consumer of this broker (no bridge's, no browser) would take the message.
    pub local_consumer: bool,
    /// Another bridge that leads to a consumer of it: to a broker that it has not visited, or nearer
    /// than this one.
    pub other_way: Option<&'a BrokerId>,
    /// How long the message must have been here at least, on account of the broker asked about.
    pub settling: i64,
    /// When this demand has its next turn, if its rate is used up.
    pub next_turn: Option<i64>,
    /// The time.
    pub now: i64,
}

/// The first hold-down, of a message that goes to the same broker for the third time.
const FIRST_HOLD: i64 = 100;
/// The longest.
const LONGEST_HOLD: i64 = 30_000;

/// Whether a message may go back to `broker`, which stands on its path already.
///
/// It costs no hops, because it undoes some. Whoever asks has found that the message's destination
/// is a queue, and that there is demand beyond that broker.
///
/// A message that bounces, because consumers come and go faster than it travels, is held here a
/// little longer with every round.
pub fn replay(
    policy: &ReplayPolicy,
    broker: &BrokerId,
    message: &Message,
    standing: &Standing<'_>,
) -> Verdict {
    if !policy.replay_when_no_consumers {
        return Verdict::AlreadyVisited { broker: broker.clone() };
    }
    if standing.local_consumer {
        return Verdict::LocalConsumer;
    }
    if let Some(other) = standing.other_way {
        return Verdict::BetterWay { broker: other.clone() };
    }
    let arrived = message.broker_in_time();
    let until = arrived.saturating_add(policy.replay_delay.max(standing.settling));
    if standing.now < until {
        return Verdict::TooEarly { until };
    }
    let rounds = message.broker_path_visits(broker).saturating_sub(1);
    let until = arrived.saturating_add(hold(rounds));
    if standing.now < until {
        return Verdict::HeldDown { rounds, until };
    }
    match standing.next_turn {
        Some(until) if standing.now < until => Verdict::RateLimited { until },
        _ => Verdict::Forward,
    }
}

/// How long a message stays that has been sent back to the same broker so often.
fn hold(rounds: usize) -> i64 {
    let doublings = u32::try_from(rounds.saturating_sub(1)).unwrap_or(u32::MAX);
    match rounds {
        0 => 0,
        _ => FIRST_HOLD.checked_shl(doublings.min(16)).unwrap_or(LONGEST_HOLD).min(LONGEST_HOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message_via;

    const ARRIVED: i64 = 1_000_000;

    fn alone(now: i64) -> Standing<'static> {
        Standing { local_consumer: false, other_way: None, settling: 0, next_turn: None, now }
    }

    fn ask(policy: &ReplayPolicy, path: &[&str], standing: &Standing<'_>) -> Verdict {
        let mut message = message_via(path);
        message.set_broker_in_time(ARRIVED);
        replay(policy, &BrokerId::new("b"), &message, standing)
    }

    #[test]
    fn a_message_goes_back_when_nobody_wants_it_here_nor_beyond_another_bridge() {
        let policy = ReplayPolicy::default();
        assert!(ask(&policy, &["a", "b"], &alone(ARRIVED)).may_cross());
        let wanted = Standing { local_consumer: true, ..alone(ARRIVED) };
        assert_eq!(ask(&policy, &["a", "b"], &wanted), Verdict::LocalConsumer);
        let other = BrokerId::new("c");
        let elsewhere = Standing { other_way: Some(&other), ..alone(ARRIVED) };
        assert_eq!(
            ask(&policy, &["a", "b"], &elsewhere),
            Verdict::BetterWay { broker: other.clone() }
        );
        let off = ReplayPolicy { replay_when_no_consumers: false, ..policy };
        assert!(matches!(ask(&off, &["b"], &alone(ARRIVED)), Verdict::AlreadyVisited { .. }));
    }

    #[test]
    fn it_waits_as_long_as_it_was_told_counted_from_its_arrival() {
        let policy = ReplayPolicy { replay_delay: 50, ..ReplayPolicy::default() };
        let until = ARRIVED + 50;
        assert_eq!(ask(&policy, &["b"], &alone(until - 1)), Verdict::TooEarly { until });
        assert!(ask(&policy, &["b"], &alone(until)).may_cross());
        let settling = Standing { settling: 80, ..alone(until) };
        assert_eq!(ask(&policy, &["b"], &settling), Verdict::TooEarly { until: ARRIVED + 80 });
    }

    #[test]
    fn each_round_holds_it_longer_up_to_a_bound() {
        let policy = ReplayPolicy::default();
        assert_eq!([0, 1, 2, 3, 9, 10, 70].map(hold), [0, 100, 200, 400, 25_600, 30_000, 30_000]);
        let bounced = ask(&policy, &["b", "own", "b"], &alone(ARRIVED));
        assert_eq!(bounced, Verdict::HeldDown { rounds: 1, until: ARRIVED + 100 });
        assert!(ask(&policy, &["b", "own", "b"], &alone(ARRIVED + 100)).may_cross());
    }

    #[test]
    fn a_rate_that_is_used_up_is_waited_for() {
        let policy = ReplayPolicy::default();
        let standing = Standing { next_turn: Some(ARRIVED + 7), ..alone(ARRIVED) };
        assert_eq!(ask(&policy, &["b"], &standing), Verdict::RateLimited { until: ARRIVED + 7 });
        let later = Standing { now: ARRIVED + 7, ..standing };
        assert!(ask(&policy, &["b"], &later).may_cross());
    }
}
