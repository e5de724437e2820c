//! A durable subscription beyond a bridge misses nothing: not while its client is away, not while
//! the link is down; and when it ends, nothing of it is left on any broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use serde_json::Value;
use support::{Ferry, FerrySetup, Native, PATIENCE, Proxy, get, until};
use wire::Wire;

fn topic() -> Destination {
    Destination::topic("news")
}

fn bridged(name: &str, to: &str, options: &str) -> FerrySetup {
    let uri = format!("static:({to})?initialReconnectDelay=50&maxReconnectDelay=200");
    let toml = format!("[[network_connector]]\nname = \"link\"\nuri = \"{uri}\"\n{options}");
    Ferry::named(name).admin().configure(&toml)
}

fn subscriptions(broker: &Ferry) -> Vec<Value> {
    let answer = get(&broker.admin(), "/api/v1/subscriptions").json();
    answer["subscriptions"].as_array().expect("a list").clone()
}

/// Waits until `broker` has these durable subscriptions, and returns them.
fn has(broker: &Ferry, names: &[&str]) -> Vec<Value> {
    until(&format!("subscriptions {names:?}"), PATIENCE, || {
        let all = subscriptions(broker);
        let found: Vec<&str> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
        (found == names).then_some(all)
    })
}

/// Waits until the only durable subscription of `broker` keeps so many messages.
fn keeps(broker: &Ferry, waiting: u64) {
    until(&format!("{waiting} messages are kept"), PATIENCE, || {
        let all = subscriptions(broker);
        (all.len() == 1 && all[0]["waiting"] == waiting && all[0]["in_flight"] == 0).then_some(())
    });
}

fn link_is(broker: &Ferry, state: &str) {
    until(&format!("the link is {state}"), PATIENCE, || {
        let links = get(&broker.admin(), "/api/v1/links").json();
        (links["links"][0]["state"] == state).then_some(())
    });
}

fn memory(broker: &Ferry) -> u64 {
    get(&broker.admin(), "/api/v1/broker").json()["memory_used_bytes"].as_u64().unwrap()
}

/// Makes the subscription `sub` of the client `away` at a broker, and leaves.
async fn subscribe_and_leave(broker: &Ferry) {
    let mut away = Wire::opened_at(broker.url(), "away").await;
    away.subscribe(1, "sub", &topic(), 1000).await;
    away.ask(Wire::remove(away.consumer_id(1).into(), -1)).await.unwrap();
}

/// Publishes the numbers at a broker; each is there when this returns.
async fn publish(sender: &mut Wire, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let answer = sender.submit(&sender.message(&topic(), number, 2_000));
        sender.answer(answer).await.unwrap();
    }
}

/// Takes up the subscription and demands exactly these numbers, in order.
async fn receives(broker: &Ferry, numbers: std::ops::Range<i64>) -> Wire {
    let mut away = Wire::opened_at(broker.url(), "away").await;
    away.subscribe(2, "sub", &topic(), 1000).await;
    for number in numbers {
        let dispatch = away.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), number);
        away.settle(&dispatch);
    }
    away.nothing_comes().await;
    away
}

async fn leave(mut away: Wire) {
    away.ask(Wire::remove(away.consumer_id(2).into(), -1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_for_a_subscription_whose_client_is_away() {
    let b = Ferry::named("b").admin().start();
    let a = bridged("a", b.url(), "").start();
    subscribe_and_leave(&b).await;
    let here = has(&a, &["NC-DS_a_news"]);
    assert_eq!(here[0]["client_id"], "link_b_inbound_a");
    assert_eq!(here[0]["network"], true);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    publish(&mut sender, 0..50).await;
    keeps(&b, 50);
    leave(receives(&b, 0..50).await).await;
    publish(&mut sender, 50..60).await;
    receives(&b, 50..60).await;
    assert_eq!(subscriptions(&a).len(), 1, "one subscription here for all that");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_the_link_is_down_arrives_when_it_is_up() {
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    let a = bridged("a", &wire.url(), "").start();
    subscribe_and_leave(&b).await;
    has(&a, &["NC-DS_a_news"]);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    for round in 0..3 {
        wire.go_down();
        link_is(&a, "waiting_to_retry");
        publish(&mut sender, 100 * round..100 * round + 100).await;
        keeps(&a, 100);
        wire.come_up();
        keeps(&b, 100);
        // Also with the client there.
        let mut away = receives(&b, 100 * round..100 * round + 100).await;
        if round == 2 {
            wire.go_down();
            link_is(&a, "waiting_to_retry");
            publish(&mut sender, 300..350).await;
            wire.come_up();
            for number in 300..350 {
                assert_eq!(away.number().await.0, number);
            }
        }
        leave(away).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_ends_the_demand_and_what_it_kept_on_every_hop() {
    let c = Ferry::named("c").admin().start();
    let wire = Proxy::to(c.port());
    let b = bridged("b", &wire.url(), "").start();
    let a = bridged("a", b.url(), "").start();
    subscribe_and_leave(&c).await;
    has(&b, &["NC-DS_b_news"]);
    has(&a, &["NC-DS_a_news"]);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    publish(&mut sender, 0..10).await;
    keeps(&c, 10);
    let mut client = Wire::opened_at(c.url(), "away").await;
    client.unsubscribe("sub").await.unwrap();
    for broker in [&a, &b, &c] {
        has(broker, &[]);
    }
    // While a link is down nobody is told; the first thing when it is up is to ask.
    subscribe_and_leave(&c).await;
    has(&a, &["NC-DS_a_news"]);
    wire.go_down();
    link_is(&b, "waiting_to_retry");
    publish(&mut sender, 10..20).await;
    keeps(&b, 10);
    let mut client = Wire::opened_at(c.url(), "away").await;
    client.unsubscribe("sub").await.unwrap();
    wire.come_up();
    for broker in [&a, &b, &c] {
        has(broker, &[]);
        until("nothing is kept", PATIENCE, || (memory(broker) == 0).then_some(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_subscribed_while_the_link_was_down_is_known_when_it_is_up() {
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    wire.go_down();
    let a = bridged("a", &wire.url(), "").start();
    subscribe_and_leave(&b).await;
    wire.come_up();
    has(&a, &["NC-DS_a_news"]);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    publish(&mut sender, 0..10).await;
    receives(&b, 0..10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_copy_crosses_for_durable_and_plain_subscribers_whoever_comes_and_goes() {
    let b = Ferry::named("b").admin().start();
    let a = bridged("a", b.url(), "").start();
    let plain = Native::connect(b.url()).await;
    let consumer = plain.consumer("topic://news").await;
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    crosses(&a, 1);
    publish(&mut sender, 0..1).await;
    consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    subscribe_and_leave(&b).await;
    has(&a, &["NC-DS_a_news"]);
    crosses(&a, 1);
    publish(&mut sender, 1..20).await;
    keeps(&b, 19);
    for _ in 1..20 {
        consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    }
    support::nothing_comes(&consumer).await;
    let mut client = Wire::opened_at(b.url(), "away").await;
    client.unsubscribe("sub").await.unwrap();
    has(&a, &[]);
    crosses(&a, 1);
    publish(&mut sender, 20..30).await;
    for _ in 20..30 {
        consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    }
    support::nothing_comes(&consumer).await;
}

/// Waits until `broker` has so many demands, settled.
fn crosses(broker: &Ferry, demands: u64) {
    until("the demand is known", PATIENCE, || {
        let links = get(&broker.admin(), "/api/v1/links").json();
        let there = get(&broker.admin(), "/api/v1/destinations").json();
        let news = there["destinations"].as_array().unwrap().iter().find(|d| d["name"] == "news");
        let consumers = news.map_or(0, |news| news["consumers"].as_u64().unwrap());
        (links["links"][0]["demands"] == demands && consumers == demands).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_forced_keeps_for_plain_consumers_too() {
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    let options = "dynamically_included = [\"topic://news?forceDurable=true\", \"topic://other\"]";
    let a = bridged("a", &wire.url(), options).start();
    let plain = Native::connect(b.url()).await;
    let consumer = plain.consumer("topic://news").await;
    has(&a, &["NC-DS_a_news"]);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    wire.go_down();
    link_is(&a, "waiting_to_retry");
    publish(&mut sender, 0..20).await;
    wire.come_up();
    for _ in 0..20 {
        consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    }
    support::nothing_comes(&consumer).await;
    drop(consumer);
    drop(plain);
    has(&a, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_dynamic_only_what_was_kept_waits_until_somebody_comes() {
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    let a = bridged("a", &wire.url(), "dynamic_only = true").start();
    // Only what is announced while it listens is demand.
    link_is(&a, "live");
    subscribe_and_leave(&b).await;
    has(&a, &["NC-DS_a_news"]);
    wire.go_down();
    link_is(&a, "waiting_to_retry");
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    publish(&mut sender, 0..20).await;
    wire.come_up();
    link_is(&a, "live");
    // A message that crosses shows that the link is at work.
    let other = Native::connect(b.url()).await;
    let consumer = other.consumer("queue://marker").await;
    Native::connect(a.url()).await.send_numbers("queue://marker", 0, 1).await;
    support::text(&consumer).await;
    keeps(&a, 20);
    receives(&b, 0..20).await;
}

/// A broker that keeps its messages in a folder, with a link for which `excluded` is closed.
fn keeping(to: &str, folder: &str, excluded: &str) -> FerrySetup {
    let options = format!("excluded = [\"topic://{excluded}\"]\n[broker]\ndata_dir = \"{folder}\"");
    bridged("a", to, &options)
}

/// Publishes a number and waits until it is kept.
async fn publish_to(sender: &mut Wire, topic: &str, number: i64) {
    let fields = MessageFields {
        persistent: true,
        ..sender.message(&Destination::topic(topic), number, 2_000)
    };
    let answer = sender.submit(&fields);
    sender.answer(answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn demand_for_many_topics_is_kept_when_its_broker_is_killed_while_the_link_is_down() {
    let b = Ferry::named("b").admin().start();
    let wire = Proxy::to(b.port());
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("durable-demand-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let folder = folder.to_str().unwrap();
    let mut a = keeping(&wire.url(), folder, "news.secret").start();
    let all = Destination::topic("news.>");
    let mut away = Wire::opened_at(b.url(), "away").await;
    away.subscribe(1, "sub", &all, 1000).await;
    away.ask(Wire::remove(away.consumer_id(1).into(), -1)).await.unwrap();
    has(&a, &["NC-DS_a_news.>"]);
    wire.go_down();
    link_is(&a, "waiting_to_retry");
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    for (topic, number) in [("news.uk", 1), ("news.secret", 100), ("news.fr", 2)] {
        publish_to(&mut sender, topic, number).await;
    }
    keeps(&a, 2);
    a.process.kill();
    a.restart();
    keeps(&a, 2);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    for (topic, number) in [("news.fr", 3), ("news.secret", 101), ("news.it", 4)] {
        publish_to(&mut sender, topic, number).await;
    }
    keeps(&a, 4);
    // What may cross is another after that: it holds for what is sent from then on.
    a.process.kill();
    let a = keeping(&wire.url(), folder, "news.fr").start();
    keeps(&a, 4);
    wire.come_up();
    link_is(&a, "live");
    keeps(&b, 2);
    let mut sender = Wire::opened_at(a.url(), "sender").await;
    for (topic, number) in [("news.fr", 5), ("news.secret", 102), ("news.it", 6)] {
        publish_to(&mut sender, topic, number).await;
    }
    let mut away = Wire::opened_at(b.url(), "away").await;
    away.subscribe(1, "sub", &all, 1000).await;
    assert_eq!(away.numbers(4).await, [1, 4, 102, 6]);
    away.nothing_comes().await;
    assert_eq!(subscriptions(&a).len(), 1);
    let _ = std::fs::remove_dir_all(folder);
}
