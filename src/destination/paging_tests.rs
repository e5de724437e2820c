//! Queues whose backlog is longer than memory is for.

use std::collections::BTreeSet;

use ferrymq_network::rules::replay::ReplayPolicy;

use super::paging_bench::{Bench, SIZE, asking, bridge};
use super::*;

#[test]
fn a_long_backlog_takes_little_memory_and_drains_in_order() {
    let window = 20 * SIZE;
    let mut bench = Bench::new(window);
    for place in 1..=1_000 {
        bench.send(0, true);
        if place % 7 == 0 {
            bench.settle(5);
        }
    }
    bench.rest();
    assert!(bench.memory() <= window, "{}", bench.memory());
    assert_eq!((bench.queue.pending(), bench.queue.in_flight()), (1_000, 0));
    let key = bench.subscribe(asking(10, None, false));
    for expected in 1..=1_000 {
        bench.rest();
        assert!(bench.memory() <= window * 2, "{}", bench.memory());
        assert_eq!(bench.consume(key, AckKind::Standard), Some(expected));
        if expected == 500 {
            bench.send(0, true);
        }
    }
    assert_eq!(bench.drain(key), [1_001]);
    assert_eq!((bench.queue.pending(), bench.memory()), (0, 0));
    assert!(bench.pages < 400, "{}", bench.pages);
}

#[test]
fn what_a_store_held_before_comes_by_pages_too() {
    let mut bench = Bench::new(1 << 20);
    for _ in 0..300 {
        bench.send(0, true);
    }
    let mut bench = bench.restarted(20 * SIZE);
    assert_eq!((bench.queue.pending(), bench.memory()), (300, 0));
    // It looks at the front by itself.
    bench.rest();
    assert!((1..20 * SIZE).contains(&bench.memory()));
    bench.send(0, true);
    let key = bench.subscribe(asking(5, None, false));
    assert_eq!(bench.drain(key), (1..=301).collect::<Vec<_>>());
}

#[test]
fn a_selector_that_matches_nothing_in_memory_is_served_from_disk() {
    let window = 20 * SIZE;
    let mut bench = Bench::new(window);
    for _ in 0..1_000 {
        bench.send(0, true);
    }
    bench.rest();
    let rare = bench.subscribe(asking(3, Some("rare = 1"), false));
    let expected: Vec<i64> = (1..=1_000).filter(|place| place % 97 == 0).collect();
    assert_eq!(bench.drain(rare), expected);
    assert!(bench.memory() <= window, "{}", bench.memory());
    // It has seen all: what comes now goes to it at once.
    let pages = bench.pages;
    while bench.last < 97 * 11 {
        bench.send(0, true);
    }
    assert_eq!(bench.consume(rare, AckKind::Standard), Some(97 * 11));
    assert_eq!(bench.pages, pages);
    // One that takes all takes them in order, beside it.
    let all = bench.subscribe(asking(5, None, false));
    let rest: Vec<i64> = (1..=97 * 11).filter(|place| place % 97 != 0).collect();
    assert_eq!(bench.drain(all), rest);
}

#[test]
fn a_consumer_of_the_front_does_not_keep_pages_from_one_that_searches() {
    let mut bench = Bench::new(20 * SIZE);
    for _ in 0..2_000 {
        bench.send(0, true);
    }
    bench.rest();
    let front = bench.subscribe(asking(50, None, false));
    let searches = bench.subscribe(asking(1, Some("rare = 1"), false));
    for _ in 0..1_000 {
        bench.settle(usize::MAX);
        bench.begin_page();
        bench.end_page();
        // The front's is always hungry.
        while bench.consume(front, AckKind::Standard).is_some() && bench.waiting() > 1_900 {}
        if !bench.held[&searches].is_empty() {
            return;
        }
    }
    panic!("it found nothing");
}

#[test]
fn a_browser_sees_all_that_there_was_once_and_in_order() {
    let mut bench = Bench::new(20 * SIZE);
    for _ in 0..500 {
        bench.send(0, true);
    }
    bench.rest();
    let browser = bench.subscribe(asking(1_000, None, true));
    bench.send(0, true);
    bench.rest();
    assert_eq!(bench.shown[&browser], (1..=500).collect::<Vec<_>>());
    assert!(bench.ended.contains(&browser));
    let some = bench.subscribe(asking(1_000, Some("rare = 1"), true));
    bench.rest();
    assert_eq!(bench.shown[&some], [97, 194, 291, 388, 485]);
    assert!(bench.ended.contains(&some));
    assert_eq!(bench.queue.pending(), 501);
}

#[test]
fn what_expires_on_disk_is_found_there() {
    let mut bench = Bench::new(20 * SIZE);
    for place in 1..=600 {
        bench.send(if place % 3 == 0 { 5_000 + place } else { 0 }, true);
    }
    bench.rest();
    bench.expire(5_300);
    bench.rest();
    assert_eq!(bench.alive.len(), 600 - 99);
    assert_eq!(bench.queue.pending(), 600 - 99);
    // Nobody knows of those that were there before.
    let mut bench = bench.restarted(20 * SIZE);
    for _ in 0..600 {
        bench.expire(6_000);
        bench.rest();
    }
    assert_eq!(bench.alive.len(), 400);
    let pages = bench.pages;
    bench.expire(7_000);
    bench.rest();
    assert_eq!(bench.pages, pages, "it is known by now that nothing expires");
}

#[test]
fn a_consumer_that_pulls_is_not_told_that_there_is_nothing_before_the_disk_was_looked_at() {
    let mut bench = Bench::new(20 * SIZE);
    for _ in 0..300 {
        bench.send(0, true);
    }
    let mut bench = bench.restarted(20 * SIZE);
    let pulls = bench.subscribe(asking(0, Some("rare = 1"), false));
    for expected in [Some(97), Some(194), Some(291), None] {
        assert!(bench.queue.pull(pulls, bench.now, &mut bench.effects));
        bench.queue.end_pull(pulls, &mut bench.effects);
        bench.carry_out();
        bench.rest();
        assert_eq!(bench.consume(pulls, AckKind::Standard), expected);
        assert_eq!(bench.ended.remove(&pulls), expected.is_none());
    }
}

#[test]
fn how_often_a_message_was_delivered_is_known_when_it_comes_back_from_disk() {
    let mut bench = Bench::new(20 * SIZE);
    let first = bench.subscribe(asking(100, None, false));
    for _ in 0..100 {
        bench.send(0, true);
    }
    bench.unsubscribe(first);
    bench.rest();
    assert!(bench.queue.paged() > 50);
    let browser = bench.subscribe(asking(200, Some("JMSRedelivered = TRUE"), true));
    bench.rest();
    assert_eq!(bench.shown[&browser].len(), 100);
}

/// Whatever happens in whatever order, each message is consumed once, is where it should be, and
/// none is forgotten.
#[test]
fn nothing_is_lost_doubled_or_left_behind() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let window = random.u64(3..40) * SIZE;
        let mut bench = Bench::new(window);
        let mut keys: Vec<SubscriptionKey> = Vec::new();
        let mut browsers: Vec<SubscriptionKey> = Vec::new();
        for _ in 0..random.usize(100..1_000) {
            match random.u8(..16) {
                0..5 => {
                    for _ in 0..random.usize(1..20) {
                        let expires = random.u8(..20) == 0;
                        let expiration = if expires { bench.now + random.i64(1..100) } else { 0 };
                        bench.send(expiration, random.u8(..10) > 0);
                    }
                }
                5 if keys.len() < 4 => {
                    let selector = random.choice([None, Some("odd = 1"), Some("rare = 1")]);
                    let asked = asking(random.usize(1..12), selector.flatten(), false);
                    let asked = QueueSubscription { exclusive: random.u8(..8) == 0, ..asked };
                    keys.push(bench.subscribe(asked));
                }
                6 if !keys.is_empty() && random.u8(..3) == 0 => {
                    let key = keys.swap_remove(random.usize(..keys.len()));
                    bench.unsubscribe(key);
                }
                7 if browsers.is_empty() => {
                    browsers.push(bench.subscribe(asking(random.usize(1..2_000), None, true)));
                }
                7 => {
                    if let Some(key) = browsers.pop() {
                        assert!(bench.shown[&key].is_sorted(), "seed {seed}");
                        bench.unsubscribe(key);
                    }
                }
                8 => {
                    bench.settle(random.usize(..30));
                }
                9 => bench.begin_page(),
                10 => bench.end_page(),
                11 => {
                    let now = bench.now + random.i64(0..20);
                    bench.expire(now);
                }
                12 if random.u8(..10) == 0 => {
                    bench.spools = random.bool();
                    // Somebody else takes the broker's memory, or gives it back.
                    bench.others = (bench.others.is_none() && random.bool())
                        .then(|| bench.broker.charge(super::paging_bench::ROOM));
                    bench.queue.heed_pressure();
                    bench.carry_out();
                }
                _ => {
                    let Some(key) = random.choice(&keys) else { continue };
                    for _ in 0..random.usize(1..10) {
                        let poison = random.u8(..10) == 0;
                        let kind = if poison { AckKind::Poison } else { AckKind::Standard };
                        bench.consume(*key, kind);
                    }
                }
            }
            assert_eq!(bench.queue.pending(), bench.waiting(), "seed {seed}");
        }
        if random.bool() {
            // What is not persistent, or not settled, goes with the broker.
            bench.settle(usize::MAX);
            let kept: BTreeSet<i64> = bench.kept.keys().copied().collect();
            bench.alive.retain(|place| kept.contains(place));
            bench = bench.restarted(window);
            keys.clear();
        }
        for key in keys.drain(..) {
            bench.unsubscribe(key);
        }
        bench.rest();
        let rest: Vec<i64> = bench.alive.iter().copied().collect();
        let key = bench.subscribe(asking(10, None, false));
        let drained = bench.drain(key);
        let expired: BTreeSet<i64> =
            rest.iter().copied().filter(|p| !drained.contains(p)).collect();
        assert!(bench.alive.is_empty(), "seed {seed}: {:?} are left", bench.alive);
        assert!(drained.is_sorted(), "seed {seed}");
        assert!(expired.len() < 200, "seed {seed}");
        assert_eq!((bench.queue.pending(), bench.memory()), (0, 0), "seed {seed}");
        assert!(bench.kept.is_empty() && bench.spooled.is_empty(), "seed {seed}");
    }
}

#[test]
fn what_is_not_persistent_waits_in_its_place_in_a_temporary_store() {
    let window = 20 * SIZE;
    let mut bench = Bench::new(window);
    // Not while there is memory.
    for _ in 0..10 {
        bench.send(0, false);
    }
    bench.rest();
    assert_eq!((bench.queue.paged(), bench.memory()), (0, 10 * SIZE));
    bench.spools = true;
    for place in 11..=1_000 {
        bench.send(0, place % 3 == 0);
        if place % 7 == 0 {
            bench.settle(5);
        }
    }
    bench.rest();
    assert!(bench.memory() <= window, "{}", bench.memory());
    assert!(bench.spooled.len() > 600 && bench.kept.len() > 300);
    // One that has consumed nothing gives all back; the first of them bear a count then.
    let key = bench.subscribe(asking(50, None, false));
    bench.rest();
    bench.unsubscribe(key);
    bench.rest();
    let key = bench.subscribe(asking(10, None, false));
    assert_eq!(bench.drain(key), (1..=1_000).collect::<Vec<_>>());
    assert_eq!((bench.queue.pending(), bench.memory()), (0, 0));
    bench.rest();
    assert!(bench.spooled.is_empty() && bench.kept.is_empty());
    // Who takes it at once leaves nothing to be spooled.
    bench.send(0, false);
    assert!(bench.spool_changes.is_empty());
}

/// What goes back to a broker that it has visited is found on disk when its time has come: when the
/// last consumer here has gone, after a delay, or at a rate.
#[test]
fn what_goes_back_over_a_bridge_comes_from_disk_in_its_time_and_order() {
    const BACKLOG: i64 = 300;
    let delayed = ReplayPolicy { replay_delay: 5_000, ..ReplayPolicy::default() };
    let limited = ReplayPolicy { rate_limit: 7, rate_duration: 1_000, ..ReplayPolicy::default() };
    for policy in [ReplayPolicy::default(), delayed.clone(), limited] {
        let mut bench = Bench::replaying(20 * SIZE, policy.clone());
        let back = bench.subscribe(bridge(50));
        let busy = (policy != delayed).then(|| bench.subscribe(asking(1, None, false)));
        let kept = i64::from(busy.is_some());
        for _ in 0..BACKLOG + kept {
            bench.send(0, true);
        }
        bench.rest();
        assert!(bench.queue.paged() > 200, "{policy:?}");
        assert!(bench.held[&back].is_empty(), "{policy:?}");
        if let Some(busy) = busy {
            assert_eq!(bench.consume(busy, AckKind::Standard), Some(1));
            let returned = bench.held[&busy].front().copied();
            assert!(returned.is_none_or(|place| place == 2), "{policy:?}");
            bench.unsubscribe(busy);
        }
        let (mut sent_back, started) = (Vec::new(), bench.now);
        for step in 1..2_000 {
            bench.rest();
            while let Some(place) = bench.consume(back, AckKind::Standard) {
                sent_back.push(place);
                bench.rest();
            }
            if bench.alive.is_empty() {
                break;
            }
            bench.tick(started + step * 50);
        }
        let expected: Vec<i64> = (1 + kept..=BACKLOG + kept).collect();
        assert_eq!(sent_back, expected, "{policy:?}");
        if policy == delayed {
            assert!(bench.now >= started + 5_000);
        }
        if policy.rate_limit > 0 {
            assert!(bench.now >= started + 40_000, "{}", bench.now - started);
        }
        assert_eq!((bench.queue.pending(), bench.memory()), (0, 0));
    }
}

/// A bridge's subscription takes part of a backlog at random moments: whatever a crash leaves, there is a
/// mark over what it was handed (which the bench checks), and nothing is stuck for want of one.
#[test]
fn what_a_bridge_is_handed_has_a_mark_over_it_wherever_the_broker_ends() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(40 * SIZE);
        let mut there: Option<SubscriptionKey> = None;
        for _ in 0..400 {
            match random.u8(..12) {
                0..4 => bench.send(0, random.u8(..8) > 0),
                4 => bench.last += random.i64(1..3_000),
                5 => match there.take() {
                    Some(key) => bench.unsubscribe(key),
                    None => there = Some(bench.subscribe(bridge(1 + random.usize(..30)))),
                },
                6 => bench.settle(random.usize(..4)),
                7 => bench.rest(),
                _ => drop(there.and_then(|key| bench.consume(key, AckKind::Standard))),
            }
        }
        let key = there.unwrap_or_else(|| bench.subscribe(bridge(10)));
        bench.drain(key);
        assert!(bench.alive.is_empty(), "seed {seed}: {:?} are left", bench.alive);
        bench.unsubscribe(key);
        bench.rest();
        assert_eq!(bench.mark, None, "seed {seed}");
    }
}
