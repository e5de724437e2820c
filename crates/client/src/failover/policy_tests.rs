use std::collections::BTreeSet;

use ferrymq_transport::uri::Uri;

use super::*;
use crate::failover::brokers::MOST_UPDATED;

fn policy(text: &str, seed: u64) -> FailoverPolicy {
    let Uri::Composite(composite) = text.parse().unwrap() else { panic!("{text}") };
    FailoverPolicy::new(FailoverList::new(&composite).unwrap(), seed)
}

fn endpoint(host: &str) -> Endpoint {
    format!("tcp://{host}:1").parse().unwrap()
}

/// The hosts of the next pass, all of which fail, and what follows it.
fn failing_pass(policy: &mut FailoverPolicy) -> (Vec<String>, Next) {
    let mut hosts = Vec::new();
    loop {
        match policy.next() {
            Next::Dial(endpoint) => {
                policy.failed(&endpoint);
                hosts.push(endpoint.host);
            }
            other => return (hosts, other),
        }
    }
}

fn first(policy: &mut FailoverPolicy) -> String {
    match policy.next() {
        Next::Dial(endpoint) => endpoint.host,
        other => panic!("{other:?}"),
    }
}

/// Connects to the first address that is named, and loses it.
fn live_at(policy: &mut FailoverPolicy, host: &str) {
    policy.connected(&endpoint(host));
    policy.lost();
}

const ABC: &str = "failover:(tcp://a:1,tcp://b:1,tcp://c:1)?randomize=false";

#[test]
fn without_randomize_every_pass_has_the_order_of_the_list() {
    let mut policy = policy(ABC, 7);
    for pass in 1..=3 {
        let (hosts, next) = failing_pass(&mut policy);
        assert_eq!(hosts, ["a", "b", "c"]);
        assert!(matches!(next, Next::Wait(_, passes) if passes == pass), "{next:?}");
    }
}

#[test]
fn passes_are_shuffled_by_the_seed_alone() {
    let orders = |seed| {
        let mut policy = policy("failover:(tcp://a:1,tcp://b:1,tcp://c:1)", seed);
        (0..20).map(|_| failing_pass(&mut policy).0).collect::<Vec<_>>()
    };
    assert_eq!(orders(3), orders(3));
    let different: BTreeSet<_> = orders(3).into_iter().collect();
    assert!(different.len() > 3, "{different:?}");
}

#[test]
fn waits_grow_to_the_longest_and_jitter_only_shortens_them() {
    let mut policy = policy(
        "failover:(tcp://a:1)?initialReconnectDelay=100&maxReconnectDelay=500\
         &reconnectDelayExponent=3",
        1,
    );
    for longest in [100, 300, 500, 500] {
        let (_, Next::Wait(wait, _)) = failing_pass(&mut policy) else { panic!() };
        let millis = wait.as_millis();
        assert!((longest / 2..=longest).contains(&millis), "{millis} of {longest}");
    }
}

#[test]
fn without_back_off_waits_stay_as_they_are() {
    let mut policy = policy("failover:(tcp://a:1)?useExponentialBackOff=false", 1);
    for _ in 0..8 {
        let (_, Next::Wait(wait, _)) = failing_pass(&mut policy) else { panic!() };
        assert!(wait <= Duration::from_millis(10), "{wait:?}");
    }
}

#[test]
fn success_starts_the_waits_anew_and_the_lost_address_comes_last() {
    let mut policy = policy(&format!("{ABC}&initialReconnectDelay=64"), 1);
    for _ in 0..6 {
        failing_pass(&mut policy);
    }
    live_at(&mut policy, "a");
    let Next::Wait(wait, 0) = policy.next() else { panic!() };
    assert!(wait <= Duration::from_millis(64), "{wait:?}");
    let (hosts, next) = failing_pass(&mut policy);
    assert_eq!(hosts, ["b", "c", "a"]);
    assert!(matches!(next, Next::Wait(wait, 1) if wait <= Duration::from_millis(64)), "{next:?}");
    assert_eq!(failing_pass(&mut policy).0, ["a", "b", "c"]);
}

#[test]
fn attempts_are_passes_and_the_start_may_have_its_own_number() {
    let mut limited = policy(&format!("{ABC}&maxReconnectAttempts=2"), 1);
    assert!(matches!(failing_pass(&mut limited), (hosts, Next::Wait(..)) if hosts.len() == 3));
    assert!(matches!(failing_pass(&mut limited), (hosts, Next::GiveUp(2)) if hosts.len() == 3));
    assert_eq!(limited.next(), Next::GiveUp(2), "it is final");

    let mut never_again = policy(&format!("{ABC}&maxReconnectAttempts=0"), 1);
    assert_eq!(first(&mut never_again), "a");
    live_at(&mut never_again, "a");
    assert_eq!(never_again.next(), Next::GiveUp(0));

    let mut startup = policy(&format!("{ABC}&startupMaxReconnectAttempts=1"), 1);
    assert!(matches!(failing_pass(&mut startup).1, Next::GiveUp(1)));
    let mut started = policy(&format!("{ABC}&startupMaxReconnectAttempts=1"), 1);
    live_at(&mut started, "b");
    policy_waits(&mut started);
    for _ in 0..5 {
        assert!(matches!(failing_pass(&mut started).1, Next::Wait(..)));
    }
}

fn policy_waits(policy: &mut FailoverPolicy) {
    let next = policy.next();
    assert!(matches!(next, Next::Wait(_, 0)), "{next:?}");
}

#[test]
fn a_list_of_the_broker_comes_first_and_replaces_the_last_one() {
    let mut policy = policy(ABC, 1);
    policy.connected(&endpoint("a"));
    assert_eq!(policy.update(vec![endpoint("x"), endpoint("b")], false), Reaction::Stay);
    policy.lost();
    policy_waits(&mut policy);
    assert_eq!(failing_pass(&mut policy).0, ["x", "b", "c", "a"]);
    policy.update(vec![endpoint("y"), endpoint("y")], false);
    assert_eq!(failing_pass(&mut policy).0, ["y", "a", "b", "c"]);
    let endless = (0..5000).map(|n| endpoint(&format!("h{n}"))).collect();
    policy.update(endless, false);
    assert_eq!(failing_pass(&mut policy).0.len(), MOST_UPDATED + 3);
}

#[test]
fn only_a_changed_list_moves_a_connection_that_is_told_to_choose_anew() {
    let mut policy = policy(ABC, 1);
    policy.connected(&endpoint("a"));
    assert_eq!(policy.update(vec![endpoint("b"), endpoint("a")], true), Reaction::Move);
    policy.lost();
    assert_eq!(first(&mut policy), "b", "at once");
    policy.connected(&endpoint("b"));
    assert_eq!(policy.update(vec![endpoint("a"), endpoint("b")], true), Reaction::Stay);
    assert_eq!(
        policy.update(vec![endpoint("b"), endpoint("z")], true),
        Reaction::Stay,
        "it is where the list begins"
    );
}

#[test]
fn a_connection_goes_where_it_is_sent_and_back_to_its_list_if_nobody_is_there() {
    let mut policy = policy(ABC, 1);
    policy.connected(&endpoint("a"));
    assert_eq!(policy.direct(endpoint("A")), Reaction::Stay);
    assert_eq!(policy.direct(endpoint("far")), Reaction::Move);
    policy.lost();
    assert!(!policy.may_use_spare());
    assert_eq!(failing_pass(&mut policy).0, ["far", "b", "c", "a"]);
    assert_eq!(failing_pass(&mut policy).0, ["a", "b", "c"]);
}

#[test]
fn preferred_addresses_come_first_and_are_gone_back_to() {
    let mut policy = policy("failover:(tcp://a:1,tcp://b:1,tcp://c:1)?priorityBackup=true", 5);
    assert_eq!(first(&mut policy), "a", "the first of the list is preferred");
    policy.failed(&endpoint("a"));
    policy.connected(&endpoint("c"));
    let (mut last, at) = policy.next_priority().unwrap();
    assert_eq!(at, [endpoint("a")]);
    for _ in 0..30 {
        last = policy.next_priority().unwrap().0;
    }
    assert!((Duration::from_secs(15)..=Duration::from_secs(30)).contains(&last), "{last:?}");
    policy.connected(&endpoint("a"));
    assert!(policy.is_on_priority() && policy.next_priority().is_none());
    assert_eq!(policy.update(vec![endpoint("b")], true), Reaction::Stay);
    let mut named = self::policy(&format!("{ABC}&priorityBackup=true&priorityURIs=tcp://c:1"), 1);
    assert_eq!(failing_pass(&mut named).0, ["c", "a", "b"]);
}

#[test]
fn what_is_of_no_use_is_not_tried_again() {
    let mut policy = policy(ABC, 1);
    policy.exclude(&endpoint("a"));
    assert_eq!(failing_pass(&mut policy).0, ["b", "c"]);
    policy.exclude(&endpoint("b"));
    policy.exclude(&endpoint("c"));
    assert!(matches!(failing_pass(&mut policy), (hosts, Next::GiveUp(_)) if hosts.is_empty()));
}

#[test]
fn learnt_addresses_get_the_options_that_all_have() {
    let mut policy = policy(&format!("{ABC}&nested.keepAlive=false"), 1);
    policy.connected(&endpoint("a"));
    policy.direct(endpoint("x"));
    policy.lost();
    let Next::Dial(to) = policy.next() else { panic!() };
    assert_eq!(to.options.get("keepAlive"), Some("false"));
}

fn found(hosts: &[&str], ranked: bool) -> Found {
    Found { endpoints: hosts.iter().map(|host| endpoint(host)).collect(), ranked }
}

const SEARCHING: &str = "discovery:(dns:(x:1))?initialReconnectDelay=100";

#[test]
fn who_is_found_is_tried_and_nobody_is_no_reason_to_give_up() {
    let mut policy = policy(SEARCHING, 1);
    assert!(policy.knows_nobody());
    let (hosts, next) = failing_pass(&mut policy);
    assert!(hosts.is_empty() && matches!(next, Next::Wait(_, 1)), "{next:?}");
    assert!(policy.found(vec![found(&["a", "b"], true)]));
    assert!(!policy.found(vec![found(&["b", "a"], true)]), "they are known already");
    let (hosts, _) = failing_pass(&mut policy);
    assert_eq!(hosts, ["b", "a"]);
    assert!(!policy.found(vec![found(&[], true)]));
    assert!(policy.knows_nobody());
    let attempts = "discovery:(dns:(x:1))?maxReconnectAttempts=1";
    let (_, next) = failing_pass(&mut self::policy(attempts, 1));
    assert_eq!(next, Next::GiveUp(1));
}

#[test]
fn who_is_found_within_a_pass_is_tried_in_it() {
    let mut policy = policy("failover:(tcp://a:1,dns:(x:1))", 1);
    assert_eq!(first(&mut policy), "a");
    policy.found(vec![found(&["b"], false)]);
    assert_eq!(first(&mut policy), "b");
}

#[test]
fn ranks_outlive_shuffling() {
    let url = "failover:(tcp://a:1,tcp://b:1,dns:(x:1))";
    let mut orders = BTreeSet::new();
    for seed in 0..50 {
        let mut policy = policy(url, seed);
        policy.found(vec![found(&["z", "y", "b", "x"], true)]);
        let (hosts, _) = failing_pass(&mut policy);
        let ranked: Vec<&str> =
            hosts.iter().map(String::as_str).filter(|host| *host != "a").collect();
        assert_eq!(ranked, ["z", "y", "b", "x"]);
        orders.insert(hosts);
    }
    assert_eq!(orders.len(), 5, "a is anywhere among them: {orders:?}");
    let mut policy = policy("discovery:(file:x)", 1);
    policy.found(vec![found(&["a", "b", "c"], false)]);
    let orders: BTreeSet<_> = (0..50).map(|_| failing_pass(&mut policy).0).collect();
    assert_eq!(orders.len(), 6, "without ranks every order comes up");
}

#[test]
fn a_broker_is_left_when_it_is_gone_and_another_one_is_listed() {
    let mut policy = policy(SEARCHING, 1);
    policy.found(vec![found(&["a"], true)]);
    policy.connected(&endpoint("a"));
    // Its broker lists itself, which proves nothing.
    policy.update(vec![endpoint("a")], false);
    assert!(!policy.is_unlisted());
    policy.found(vec![found(&[], true)]);
    assert_eq!(policy.let_go(&[endpoint("a")]), None, "there is nobody else");
    assert!(policy.found(vec![found(&["b"], true)]), "what is added moves nobody by itself");
    assert_eq!(policy.let_go(&[]), None, "not heard of is not gone");
    let spread: BTreeSet<Duration> =
        (0..20).map(|_| policy.let_go(&[endpoint("a")]).unwrap()).collect();
    assert!(spread.len() == 20 && spread.iter().all(|wait| *wait < LEAVING_SPREAD));
    assert!(policy.is_unlisted());
    policy.found(vec![found(&["b", "a"], true)]);
    assert!(!policy.is_unlisted(), "it is back in time");

    let mut policy = self::policy("discovery:(dns:(x:1))?maxReconnectAttempts=0", 1);
    policy.found(vec![found(&["a"], true)]);
    policy.connected(&endpoint("a"));
    policy.found(vec![found(&["b"], true)]);
    assert_eq!(policy.let_go(&[endpoint("a")]), None, "it may not reconnect");
}
