//! One duplex connector, one socket, two bridges: what crosses, crosses both ways, and neither way
//! waits for the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use ferrymq_client::ConsumerOptions;
use serde_json::Value;
use support::{
    Ferry, Native, PATIENCE, Proxy, destination, get, nothing_comes, numbers, text, until,
};

fn connector(url: &str, more: &str) -> String {
    format!(
        "[[network_connector]]\nname = \"line\"\nduplex = true\n\
         uri = \"static:({url})?initialReconnectDelay=50&maxReconnectDelay=200\"\n{more}"
    )
}

/// Two brokers, of which `a` has the connector, and the wire between them.
struct Pair {
    a: Ferry,
    b: Ferry,
    wire: Proxy,
}

impl Pair {
    fn start(more: &str, of_b: &str) -> Self {
        let b = Ferry::named("b").admin().configure(of_b).start();
        let wire = Proxy::to(b.port());
        let a = Ferry::named("a").admin().configure(&connector(&wire.url(), more)).start();
        Self { a, b, wire }
    }

    async fn clients(&self) -> (Native, Native) {
        (Native::connect(self.a.url()).await, Native::connect(self.b.url()).await)
    }
}

/// Waits until what is sent at `from` arrives at `to`.
async fn bridged(from: &Native, to: &Native, queue: &str) {
    let consumer = to.consumer(queue).await;
    from.send_numbers(queue, 0, 1).await;
    text(&consumer).await;
}

fn links(broker: &Ferry) -> Vec<Value> {
    let answer = get(&broker.admin(), "/api/v1/links");
    answer.json()["links"].as_array().expect("a list").clone()
}

fn live_links(broker: &Ferry) -> Vec<Value> {
    links(broker).into_iter().filter(|link| link["state"] == "live").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_cross_in_both_directions_over_one_socket() {
    let pair = Pair::start("", "");
    let (at_a, at_b) = pair.clients().await;
    let there = at_b.consumer("queue://there").await;
    let back = at_a.consumer("queue://back").await;
    tokio::join!(
        at_a.send_numbers("queue://there", 0, 3_000),
        at_b.send_numbers("queue://back", 0, 3_000)
    );
    let expected: Vec<u32> = (0..3_000).collect();
    assert_eq!(numbers(&there, 3_000).await, expected);
    assert_eq!(numbers(&back, 3_000).await, expected);
    nothing_comes(&there).await;
    nothing_comes(&back).await;
    assert_eq!(pair.wire.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_brokers_show_their_bridge_and_who_made_the_link() {
    let pair = Pair::start("", "");
    for (broker, made_by, remote) in [(&pair.a, "connector", "b"), (&pair.b, "peer", "a")] {
        let link = until("the bridge is live", PATIENCE, || live_links(broker).pop());
        assert_eq!(link["made_by"], made_by);
        assert_eq!(link["connector"], "line");
        assert_eq!(link["remote_broker"]["name"], remote);
        assert!(link["proven_ms_ago"].as_u64().is_some(), "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_and_exclusions_hold_in_both_directions() {
    let pair = Pair::start("excluded = [\"topic://secret\"]", "");
    let (at_a, at_b) = pair.clients().await;
    for (from, to) in [(&at_a, &at_b), (&at_b, &at_a)] {
        let news = to.consumer("topic://news").await;
        let secret = to.consumer("topic://secret").await;
        bridged(from, to, "queue://bridged").await;
        from.send_numbers("topic://secret", 0, 10).await;
        from.send_numbers("topic://news", 0, 10).await;
        assert_eq!(numbers(&news, 10).await, (0..10).collect::<Vec<_>>());
        nothing_comes(&news).await;
        nothing_comes(&secret).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_destination_in_one_direction_does_not_stop_the_other() {
    let full = "[[destination_policy]]\nmatch = \"queue://full\"\nmemory_limit = \"20KiB\"";
    let pair = Pair::start("", full);
    let (at_a, at_b) = pair.clients().await;
    bridged(&at_a, &at_b, "queue://bridged").await;
    // A consumer that takes nothing draws the messages to b, until there is no more room for them.
    let lazy = Native::connect(pair.b.url()).await;
    let options = ConsumerOptions::new(destination("queue://full")).prefetch(1);
    let _asleep = lazy.session.consumer(options).await.expect("a consumer");
    at_a.send_numbers("queue://full", 0, 3_000).await;
    until("messages wait for room at b", PATIENCE, || {
        links(&pair.a).pop().filter(|link| link["in_flight"].as_u64() > Some(5))
    });
    let back = at_a.consumer("queue://back").await;
    at_b.send_numbers("queue://back", 0, 3_000).await;
    assert_eq!(numbers(&back, 3_000).await, (0..3_000).collect::<Vec<_>>());
    // And the other queues of the same direction go on, too.
    let beside = at_b.consumer("queue://beside").await;
    at_a.send_numbers("queue://beside", 0, 500).await;
    assert_eq!(numbers(&beside, 500).await, (0..500).collect::<Vec<_>>());
    assert_eq!(pair.wire.accepted(), 1, "the link was not given up meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_at_a_stop_in_order_comes_once() {
    for stop_initiator in [true, false] {
        let mut pair = Pair::start("", "");
        let (at_a, at_b) = pair.clients().await;
        bridged(&at_a, &at_b, "queue://bridged").await;
        // One broker stops while messages flow to it; it is memory that dies, so those that it has
        // are counted as come.
        let (stopping, staying) = if stop_initiator { ("a", "b") } else { ("b", "a") };
        let (from, to) = if stop_initiator { (&at_b, &at_a) } else { (&at_a, &at_b) };
        let consumer = to.consumer("queue://flow").await;
        from.send_numbers("queue://flow", 0, 2_000).await;
        let mut seen: BTreeSet<u32> = numbers(&consumer, 500).await.into_iter().collect();
        let process = if stop_initiator { &mut pair.a.process } else { &mut pair.b.process };
        process.signal("TERM");
        until("it has stopped", PATIENCE, || (!process.is_running()).then_some(()));
        while let Ok(Some(delivery)) = consumer.receive_within(PATIENCE).await {
            seen.insert(delivery.text().unwrap().unwrap().parse().unwrap());
        }
        let left = from.consumer("queue://flow").await;
        while let Some(number) =
            support::text_within(&left, std::time::Duration::from_secs(1)).await
        {
            let number = number.parse().unwrap();
            assert!(
                seen.insert(number),
                "{number} is at {staying} and was delivered at {stopping}"
            );
        }
    }
}
