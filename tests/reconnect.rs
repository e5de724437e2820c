//! A bridge that lost its link is built again, without help, whatever ended the link; and what the
//! far broker had not answered for is sent again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use support::{Ferry, Native, Proxy, free_port, nothing_comes, numbers, text};

fn fast(url: &str) -> String {
    format!("static:({url})?initialReconnectDelay=50&maxReconnectDelay=200")
}

/// Waits until what is sent at `from` arrives at `to`.
async fn bridged(from: &Native, to: &Native) {
    let consumer = to.consumer("queue://bridged").await;
    from.send_numbers("queue://bridged", 0, 1).await;
    text(&consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_starts_late_is_bridged_when_it_comes() {
    let port = free_port();
    let a = Ferry::named("a").network(&fast(&format!("tcp://127.0.0.1:{port}"))).start();
    let at_a = Native::connect(a.url()).await;
    at_a.send_numbers("queue://early", 0, 50).await;
    let b = Ferry::named("b").port(port).start();
    let at_b = Native::connect(b.url()).await;
    let consumer = at_b.consumer("queue://early").await;
    assert_eq!(numbers(&consumer, 50).await, (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_again_and_again_is_bridged_again_and_again() {
    let mut b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(b.url())).start();
    let at_a = Native::connect(a.url()).await;
    for round in 0..5 {
        let at_b = Native::connect(b.url()).await;
        bridged(&at_a, &at_b).await;
        b.process.kill();
        at_a.send_numbers("queue://rounds", 100 * round, 100).await;
        b.restart();
        let at_b = Native::connect(b.url()).await;
        let consumer = at_b.consumer("queue://rounds").await;
        let expected: Vec<u32> = (100 * round..100 * (round + 1)).collect();
        assert_eq!(numbers(&consumer, 100).await, expected);
        nothing_comes(&consumer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_under_load_loses_nothing() {
    let b = Ferry::named("b").start();
    let wire = Proxy::to(b.port());
    let a = Ferry::named("a").network(&fast(&wire.url())).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let consumer = at_b.consumer("queue://load").await;
    bridged(&at_a, &at_b).await;
    let sending = tokio::spawn(async move {
        for batch in 0..20 {
            at_a.send_numbers("queue://load", 250 * batch, 250).await;
        }
    });
    let mut seen = BTreeSet::new();
    let mut doubled = 0_u32;
    while seen.len() < 5_000 {
        if !seen.insert(numbers(&consumer, 1).await[0]) {
            doubled += 1;
        } else if matches!(seen.len(), 500 | 1_500 | 2_500 | 3_500) {
            wire.cut();
        }
    }
    sending.await.expect("all were sent");
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), (0..5_000).collect::<Vec<_>>());
    // What was on its way at a cut may come twice, and nothing else: four windows at most.
    assert!(doubled <= 4 * 1_000, "{doubled} came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_goes_deaf_is_noticed_and_built_again() {
    let b = Ferry::named("b").start();
    let wire = Proxy::to(b.port());
    let url = format!(
        "{}?wireFormat.maxInactivityDuration=1000&wireFormat.maxInactivityDurationInitalDelay=500",
        wire.url()
    );
    let a = Ferry::named("a").network(&fast(&url)).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    bridged(&at_a, &at_b).await;
    let before = wire.accepted();
    wire.go_deaf();
    at_a.send_numbers("queue://deaf", 0, 10).await;
    wire.accepts_another(before);
    wire.hear_again();
    let consumer = at_b.consumer("queue://deaf").await;
    assert_eq!(numbers(&consumer, 10).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_in_order_gives_back_what_it_had_not_answered_for() {
    let mut b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(b.url())).start();
    let at_a = Native::connect(a.url()).await;
    {
        let at_b = Native::connect(b.url()).await;
        bridged(&at_a, &at_b).await;
    }
    b.process.signal("TERM");
    support::until("b has stopped", support::PATIENCE, || (!b.process.is_running()).then_some(()));
    at_a.send_numbers("queue://after", 0, 20).await;
    b.restart();
    let at_b = Native::connect(b.url()).await;
    let consumer = at_b.consumer("queue://after").await;
    assert_eq!(numbers(&consumer, 20).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_bridges_to_itself_says_so_and_goes_on() {
    let port = free_port();
    let own = format!("tcp://127.0.0.1:{port}");
    let a = Ferry::named("a").port(port).network(&fast(&own)).start();
    let at_a = Native::connect(a.url()).await;
    let consumer = at_a.consumer("topic://mirror").await;
    at_a.send_numbers("topic://mirror", 0, 20).await;
    assert_eq!(numbers(&consumer, 20).await, (0..20).collect::<Vec<_>>());
    nothing_comes(&consumer).await;
    a.process.log_line("where the address leads", |line| line.contains("back to this broker"));
}
