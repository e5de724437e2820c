//! Durable demand in networks with cycles, and over links that carry both ways: nothing is missed,
//! and when nobody wants anything any more, no broker keeps anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::collections::BTreeSet;

use ferrymq_openwire::destination::Destination;
use serde_json::Value;
use support::{Ferry, PATIENCE, Proxy, free_port, get, until};
use wire::Wire;

fn topic() -> Destination {
    Destination::topic("news")
}

fn connector(name: &str, to: &str, options: &str) -> String {
    let uri = format!("static:({to})?initialReconnectDelay=50&maxReconnectDelay=200");
    format!("[[network_connector]]\nname = \"{name}\"\nuri = \"{uri}\"\n{options}\n")
}

fn subscriptions(broker: &Ferry) -> Vec<Value> {
    let answer = get(&broker.admin(), "/api/v1/subscriptions").json();
    answer["subscriptions"].as_array().expect("a list").clone()
}

fn has(broker: &Ferry, wanted: usize) {
    until(&format!("{wanted} durable subscriptions"), PATIENCE, || {
        (subscriptions(broker).len() == wanted).then_some(())
    });
}

fn keeps_nothing(broker: &Ferry) {
    has(broker, 0);
    until("nothing is kept", PATIENCE, || {
        let answer = get(&broker.admin(), "/api/v1/broker").json();
        (answer["memory_used_bytes"] == 0).then_some(())
    });
}

/// Waits until `links` of a broker are live.
fn live(broker: &Ferry, links: usize) {
    until("its links are live", PATIENCE, || {
        let answer = get(&broker.admin(), "/api/v1/links").json();
        let live = |link: &&Value| link["state"] == "live";
        (answer["links"].as_array().unwrap().iter().filter(live).count() == links).then_some(())
    });
}

/// Brokers on free ports, and a connector from one to another for each pair of `links`.
fn network(size: usize, links: &[(usize, usize)]) -> Vec<Ferry> {
    let ports: Vec<u16> = (0..size).map(|_| free_port()).collect();
    let start = |at: usize| {
        let connectors: String = links
            .iter()
            .filter(|(from, _)| *from == at)
            .map(|(_, to)| {
                connector(&format!("to-{to}"), &format!("tcp://127.0.0.1:{}", ports[*to]), "")
            })
            .collect();
        let name = format!("n{at}");
        Ferry::named(&name).admin().port(ports[at]).configure(&connectors).start()
    };
    let brokers: Vec<Ferry> = (0..size).map(start).collect();
    for (at, broker) in brokers.iter().enumerate() {
        live(broker, links.iter().filter(|(from, _)| *from == at).count());
    }
    brokers
}

async fn subscribe_and_leave(broker: &Ferry, id: &str) {
    let mut away = Wire::opened_at(broker.url(), id).await;
    away.subscribe(1, "sub", &topic(), 1000).await;
    away.ask(Wire::remove(away.consumer_id(1).into(), -1)).await.unwrap();
}

async fn unsubscribe(broker: &Ferry, id: &str) {
    Wire::opened_at(broker.url(), id).await.unsubscribe("sub").await.unwrap();
}

async fn publish(broker: &Ferry, numbers: std::ops::Range<i64>) {
    let mut sender = Wire::opened_at(broker.url(), "sender").await;
    for number in numbers {
        let answer = sender.submit(&sender.message(&topic(), number, 2_000));
        sender.answer(answer).await.unwrap();
    }
}

/// Takes up the subscription and demands each of these numbers, once.
async fn receives(broker: &Ferry, id: &str, numbers: std::ops::Range<i64>) {
    let mut away = Wire::opened_at(broker.url(), id).await;
    away.subscribe(2, "sub", &topic(), 1000).await;
    let mut seen = BTreeSet::new();
    for _ in numbers.clone() {
        let dispatch = away.dispatch().await;
        assert!(seen.insert(wire::number_of(&dispatch)), "twice: {}", wire::number_of(&dispatch));
        away.settle(&dispatch);
    }
    assert_eq!(seen, numbers.collect());
    away.nothing_comes().await;
    away.ask(Wire::remove(away.consumer_id(2).into(), -1)).await.unwrap();
}

/// Two subscribers in a network; whoever publishes, each gets everything once, and the last who
/// goes leaves nothing behind.
async fn serves_and_forgets(brokers: &[Ferry], at_first: &[usize], at_both: &[usize]) {
    let last = &brokers[brokers.len() - 1];
    subscribe_and_leave(last, "away").await;
    for (broker, wanted) in brokers.iter().zip(at_first) {
        has(broker, *wanted);
    }
    publish(&brokers[0], 0..50).await;
    receives(last, "away", 0..50).await;
    subscribe_and_leave(&brokers[0], "other").await;
    for (broker, wanted) in brokers.iter().zip(at_both) {
        has(broker, *wanted);
    }
    publish(&brokers[1], 50..100).await;
    receives(last, "away", 50..100).await;
    receives(&brokers[0], "other", 50..100).await;
    unsubscribe(last, "away").await;
    unsubscribe(&brokers[0], "other").await;
    for broker in brokers {
        keeps_nothing(broker);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_serves_both_ends_and_forgets_them() {
    let brokers = network(3, &[(0, 1), (1, 2), (1, 0), (2, 1)]);
    serves_and_forgets(&brokers, &[1, 1, 1], &[2, 2, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_three_serves_its_subscribers_once_and_forgets_them() {
    let brokers = network(3, &[(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)]);
    serves_and_forgets(&brokers, &[2, 2, 1], &[3, 2, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_four_serves_its_subscribers_once_and_forgets_them() {
    let links = [(0, 1), (1, 2), (2, 3), (3, 0), (1, 0), (2, 1), (3, 2), (0, 3)];
    let brokers = network(4, &links);
    subscribe_and_leave(&brokers[3], "away").await;
    for broker in &brokers {
        until("demand has come round", PATIENCE, || {
            (!subscriptions(broker).is_empty()).then_some(())
        });
    }
    publish(&brokers[1], 0..50).await;
    receives(&brokers[3], "away", 0..50).await;
    subscribe_and_leave(&brokers[0], "other").await;
    subscribe_and_leave(&brokers[1], "third").await;
    unsubscribe(&brokers[3], "away").await;
    unsubscribe(&brokers[0], "other").await;
    unsubscribe(&brokers[1], "third").await;
    for broker in &brokers {
        keeps_nothing(broker);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplex_link_misses_nothing_in_either_direction() {
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    let a = Ferry::named("a").admin().configure(&connector("x", &wire.url(), "duplex = true"));
    let a = a.start();
    subscribe_and_leave(&a, "at-a").await;
    subscribe_and_leave(&b, "at-b").await;
    has(&a, 2);
    has(&b, 2);
    for round in 0..3 {
        wire.go_down();
        until("the link is down", PATIENCE, || {
            let links = get(&a.admin(), "/api/v1/links").json();
            (links["links"][0]["state"] == "waiting_to_retry").then_some(())
        });
        publish(&a, 100 * round..100 * round + 50).await;
        publish(&b, 100 * round + 50..100 * round + 100).await;
        wire.come_up();
        for (broker, id) in [(&a, "at-a"), (&b, "at-b")] {
            receives(broker, id, 100 * round..100 * round + 100).await;
        }
    }
    wire.go_down();
    unsubscribe(&a, "at-a").await;
    unsubscribe(&b, "at-b").await;
    publish(&a, 300..310).await;
    publish(&b, 310..320).await;
    wire.come_up();
    keeps_nothing(&a);
    keeps_nothing(&b);
}
