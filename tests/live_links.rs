//! A link that carries nothing is noticed within `link_timeout`, whatever it pretends, and made
//! anew; nothing that was on its way is lost, and nobody else waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use ferrymq_client::Consumer;
use serde_json::Value;
use support::{
    Deadline, Ferry, Native, PATIENCE, Proxy, free_port, get, numbers, text, text_within, until,
};

/// What every test here gives its links; back-off is 200 ms at most.
const LINK_TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine may add to what is promised.
const SLACK: Duration = Duration::from_millis(1_500);

fn connector(urls: &str, duplex: bool) -> String {
    format!(
        "[[network_connector]]\nname = \"line\"\nduplex = {duplex}\nlink_timeout = \"1s\"\n\
         uri = \"static:({urls})?initialReconnectDelay=50&maxReconnectDelay=200\"\n"
    )
}

fn links(broker: &Ferry) -> Vec<Value> {
    get(&broker.admin(), "/api/v1/links").json()["links"].as_array().expect("a list").clone()
}

fn live(broker: &Ferry) -> usize {
    links(broker).iter().filter(|link| link["state"] == "live").count()
}

/// Waits until what is sent at `from` arrives at `to`.
async fn bridged(from: &Native, to: &Native) {
    let consumer = to.consumer("queue://bridged").await;
    from.send_numbers("queue://bridged", 0, 1).await;
    text(&consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_deaf_and_one_absent_peer_of_ten_delay_nobody() {
    let deaf = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let deaf = format!("tcp://{}", deaf.local_addr().unwrap());
    let absent = format!("tcp://127.0.0.1:{}", free_port());
    let peers: Vec<Ferry> = (0..8).map(|n| Ferry::named(&format!("b{n}")).start()).collect();
    let mut consumers = Vec::new();
    for (number, peer) in peers.iter().enumerate() {
        let client = Native::connect(peer.url()).await;
        let consumer = client.consumer(&format!("queue://of.{number}")).await;
        consumers.push((client, consumer));
    }
    let urls: Vec<&str> =
        [deaf.as_str(), absent.as_str()].into_iter().chain(peers.iter().map(Ferry::url)).collect();
    let a = Ferry::named("a").configure(&connector(&urls.join(","), false)).start();
    let soon = Deadline::after(Duration::from_secs(1) + SLACK);
    let at_a = Native::connect(a.url()).await;
    for number in 0..peers.len() {
        at_a.send_numbers(&format!("queue://of.{number}"), 0, 1).await;
    }
    for (_, consumer) in &consumers {
        text(consumer).await;
    }
    eprintln!("delivered by all, {:?} before the deadline", soon.left());
    assert!(!soon.passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_accepts_and_says_nothing_is_left_in_time_and_dialled_again() {
    // The system accepts for it; nobody reads.
    let deaf = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("tcp://{}", deaf.local_addr().unwrap());
    let a = Ferry::named("a").admin().configure(&connector(&url, true)).start();
    for _ in 0..3 {
        let soon = Deadline::after(LINK_TIMEOUT + SLACK);
        let (_peer, _) = deaf.accept().unwrap();
        let reason = until("it is left", PATIENCE, || {
            let link = links(&a).pop()?;
            (link["state"] == "waiting_to_retry").then(|| link["reason"].clone())
        });
        assert!(!soon.passed(), "{reason}");
        assert!(reason.as_str().unwrap().contains("WireFormatInfo"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_notice_a_black_hole_and_carry_again_soon_after_its_end() {
    for duplex in [false, true] {
        let b = Ferry::named("b").admin().start();
        let wire = Proxy::to(b.port());
        let a = Ferry::named("a").admin().configure(&connector(&wire.url(), duplex)).start();
        let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
        let consumer = at_b.consumer("queue://deaf").await;
        bridged(&at_a, &at_b).await;
        for round in 0..3 {
            at_a.send_numbers("queue://deaf", 10 * round, 10).await;
            assert_eq!(
                numbers(&consumer, 10).await,
                (10 * round..10 * round + 10).collect::<Vec<_>>()
            );
            until("the link is up", PATIENCE, || (live(&a) == 1).then_some(()));
            wire.go_deaf();
            let soon = Deadline::after(LINK_TIMEOUT + SLACK);
            until("a notices", PATIENCE, || (live(&a) == 0).then_some(()));
            until("b notices", PATIENCE, || {
                let answer = get(&b.admin(), "/api/v1/connections").json();
                let connections = answer["connections"].as_array().unwrap().clone();
                connections.iter().all(|one| one["kind"] != "broker").then_some(())
            });
            assert!(!soon.passed(), "it was noticed too late");
            // A dial that falls into the hole has lost its first bytes.
            wire.accepts_another(wire.accepted());
            wire.hear_again();
            let soon = Deadline::after(LINK_TIMEOUT + Duration::from_millis(200) + SLACK);
            bridged(&at_a, &at_b).await;
            eprintln!("carries again, {:?} before the deadline", soon.left());
            assert!(!soon.passed(), "it took too long after the hole's end");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_is_left_and_carries_on_when_it_moves_again() {
    let b = Ferry::named("b").admin().start();
    let a = Ferry::named("a").admin().configure(&connector(b.url(), true)).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    bridged(&at_a, &at_b).await;
    b.process.signal("STOP");
    let soon = Deadline::after(LINK_TIMEOUT + SLACK);
    until("a notices", PATIENCE, || (live(&a) == 0).then_some(()));
    assert!(!soon.passed());
    at_a.send_numbers("queue://waits", 0, 10).await;
    b.process.signal("CONT");
    let consumer = at_b.consumer("queue://waits").await;
    assert_eq!(numbers(&consumer, 10).await, (0..10).collect::<Vec<_>>());
}

/// Receives until all of `count` numbers have come; how many came twice.
async fn receive_all(consumer: &Consumer, count: u32, progress: impl Fn(usize)) -> u32 {
    let (mut seen, mut doubled) = (BTreeSet::new(), 0);
    while seen.len() < count as usize {
        let next = text_within(consumer, 2 * PATIENCE).await;
        let number: u32 =
            next.unwrap_or_else(|| panic!("stuck at {}", seen.len())).parse().unwrap();
        if seen.insert(number) {
            progress(seen.len());
        } else {
            doubled += 1;
        }
    }
    doubled
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_cuts_and_five_black_holes_in_mid_stream_lose_nothing_in_either_direction() {
    const COUNT: u32 = 6_240;
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    let a = Ferry::named("a").admin().configure(&connector(&wire.url(), true)).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let there = at_b.consumer("queue://there").await;
    let back = at_a.consumer("queue://back").await;
    bridged(&at_a, &at_b).await;
    let sending = tokio::spawn(async move {
        for batch in 0..COUNT / 240 {
            tokio::join!(
                at_a.send_numbers("queue://there", 240 * batch, 240),
                at_b.send_numbers("queue://back", 240 * batch, 240)
            );
        }
        (at_a, at_b)
    });
    // Every 240 messages of one direction the wire fails, 25 times; each fifth time it goes deaf.
    let fail = |seen: usize| {
        if !seen.is_multiple_of(240) || seen / 240 > 25 {
            return;
        }
        let before = wire.accepted();
        if (seen / 240).is_multiple_of(5) {
            wire.go_deaf();
            wire.accepts_another(before);
            wire.hear_again();
        } else {
            wire.cut();
            wire.accepts_another(before);
        }
    };
    let (twice_there, twice_back) =
        tokio::join!(receive_all(&there, COUNT, fail), receive_all(&back, COUNT, |_| ()));
    eprintln!(
        "came twice: {twice_there} there, {twice_back} back; dialled {} times",
        wire.accepted()
    );
    sending.await.expect("all were sent");
    assert!(wire.accepted() > 25, "{}", wire.accepted());
}
