//! Messages go where somebody wants them, and nowhere else: a bridge carries what has a consumer
//! beyond it, for as long as it has one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use ferrymq_client::{ConsumerOptions, OutgoingMessage};
use support::{Ferry, Native, PATIENCE, destination, nothing_comes, numbers, text, text_within};

/// A connector to these brokers, one bridge each, that tries again at once.
fn fast(urls: &[&str]) -> String {
    format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=50", urls.join(","))
}

/// A connector in a configuration file, with more settings.
fn connector(url: &str, settings: &str) -> String {
    format!("[[network_connector]]\nname = \"n\"\nuri = \"{}\"\n{settings}\n", fast(&[url]))
}

/// Waits until what is sent to a queue of its own at `from` arrives at `to`.
async fn bridged(from: &Native, to: &Native) {
    let consumer = to.consumer("queue://bridged").await;
    from.send_numbers("queue://bridged", 0, 1).await;
    text(&consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_waits_at_home_and_crosses_in_order_when_a_consumer_comes() {
    let b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(&[b.url()])).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    at_a.send_numbers("queue://backlog", 0, 2_000).await;
    bridged(&at_a, &at_b).await;
    // The first ones are still at a, where a consumer that leaves gives them back.
    let peek = Native::with_mode(a.url(), ferrymq_client::AckMode::Client).await;
    let peeking = peek.consumer("queue://backlog").await;
    assert_eq!(numbers(&peeking, 100).await, (0..100).collect::<Vec<_>>());
    peek.connection.close().await.expect("an orderly end");
    let consumer = at_b.consumer("queue://backlog").await;
    assert_eq!(numbers(&consumer, 2_000).await, (0..2_000).collect::<Vec<_>>());
    nothing_comes(&consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_last_consumer_has_gone_messages_stay_at_home() {
    let b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(&[b.url()])).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let consumer = at_b.consumer("queue://wanted").await;
    at_a.send_numbers("queue://wanted", 0, 1).await;
    assert_eq!(numbers(&consumer, 1).await, [0]);
    consumer.close();
    let home = at_a.consumer("queue://wanted").await;
    // The news travels beside the messages, so the first ones may still cross.
    let mut round = 0;
    loop {
        at_a.send_numbers("queue://wanted", 100 * round, 10).await;
        let mut kept = 0;
        while kept < 10 && text_within(&home, Duration::from_millis(300)).await.is_some() {
            kept += 1;
        }
        if kept == 10 {
            break;
        }
        round += 1;
        assert!(round < 50, "messages still cross though nobody wants them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_draws_messages_over_several_brokers() {
    let d = Ferry::named("d").start();
    let c = Ferry::named("c").network(&fast(&[d.url()])).start();
    let b = Ferry::named("b").network(&fast(&[c.url()])).start();
    let a = Ferry::named("a").network(&fast(&[b.url()])).start();
    let (at_a, at_d) = (Native::connect(a.url()).await, Native::connect(d.url()).await);
    let consumer = at_d.consumer("queue://far").await;
    at_a.send_numbers("queue://far", 0, 500).await;
    assert_eq!(numbers(&consumer, 500).await, (0..500).collect::<Vec<_>>());
    nothing_comes(&consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_static_list_makes_a_bridge_to_each_of_its_members() {
    let (b, c) = (Ferry::named("b").start(), Ferry::named("c").start());
    let a = Ferry::named("a").network(&fast(&[b.url(), c.url()])).start();
    let at_a = Native::connect(a.url()).await;
    for broker in [&b, &c] {
        let there = Native::connect(broker.url()).await;
        let consumer = there.consumer("queue://each").await;
        at_a.send_numbers("queue://each", 0, 10).await;
        assert_eq!(numbers(&consumer, 10).await, (0..10).collect::<Vec<_>>());
        // The next round must go to the other one alone.
        there.connection.close().await.expect("an orderly end");
        let gone = at_a.consumer("queue://each").await;
        nothing_comes(&gone).await;
        gone.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_excluded_destination_stays_at_home_also_under_a_wildcard() {
    let b = Ferry::named("b").start();
    let settings = "excluded = [\"queue://local.>\", \"topic://local.>\"]";
    let a = Ferry::named("a").configure(&connector(b.url(), settings)).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let local = at_b.consumer("queue://local.x").await;
    bridged(&at_a, &at_b).await;
    at_a.send_numbers("queue://local.x", 0, 5).await;
    nothing_comes(&local).await;
    let home = at_a.consumer("queue://local.x").await;
    assert_eq!(numbers(&home, 5).await, [0, 1, 2, 3, 4]);

    let everything = at_b.consumer("topic://*.x").await;
    until_reached(&at_a, "topic://open.x", &everything).await;
    // More than any prefetch window: what is excluded must not fill one.
    at_a.send_numbers("topic://local.x", 0, 3_000).await;
    at_a.send_numbers("topic://open.x", 77, 1).await;
    assert_eq!(text(&everything).await, "77");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_included_destinations_cross_where_a_list_is_given() {
    let b = Ferry::named("b").start();
    let settings = "dynamically_included = [\"queue://orders.>\"]";
    let a = Ferry::named("a").configure(&connector(b.url(), settings)).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let orders = at_b.consumer("queue://orders.new").await;
    let others = at_b.consumer("queue://others").await;
    at_a.send_numbers("queue://others", 0, 3).await;
    at_a.send_numbers("queue://orders.new", 0, 3).await;
    assert_eq!(numbers(&orders, 3).await, [0, 1, 2]);
    nothing_comes(&others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_destination_crosses_though_nobody_asks_for_it() {
    let b = Ferry::named("b").start();
    let settings = "statically_included = [\"queue://archive\"]";
    let a = Ferry::named("a").configure(&connector(b.url(), settings)).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    at_a.send_numbers("queue://archive", 0, 10).await;
    bridged(&at_a, &at_b).await;
    drop(a);
    // The sender is gone, and with it what it held; these had crossed.
    let consumer = at_b.consumer("queue://archive").await;
    assert_eq!(numbers(&consumer, 10).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_message_that_two_ways_lead_to_arrives_once() {
    // From a to d over b, and over c.
    let d = Ferry::named("d").start();
    let (b, c) = (
        Ferry::named("b").network(&fast(&[d.url()])).start(),
        Ferry::named("c").network(&fast(&[d.url()])).start(),
    );
    let a = Ferry::named("a").network(&fast(&[b.url(), c.url()])).start();
    let (at_a, at_c, at_d) = (
        Native::connect(a.url()).await,
        Native::connect(c.url()).await,
        Native::connect(d.url()).await,
    );
    let consumer = at_d.consumer("topic://news").await;
    until_reached(&at_a, "topic://news", &consumer).await;
    until_reached(&at_c, "topic://news", &consumer).await;
    at_a.send_numbers("topic://news", 0, 100).await;
    assert_eq!(numbers(&consumer, 100).await, (0..100).collect::<Vec<_>>());
    nothing_comes(&consumer).await;
}

/// Waits until demand for a topic has travelled to `from`: what is sent earlier is rightly lost.
async fn until_reached(from: &Native, topic: &str, consumer: &ferrymq_client::Consumer) {
    let deadline = support::Deadline::after(PATIENCE);
    while text_within(consumer, Duration::from_millis(50)).await.is_none() {
        assert!(!deadline.passed(), "no demand for {topic}");
        from.send_numbers(topic, 0, 1).await;
    }
    from.send_numbers(topic, 999_999, 1).await;
    while text(consumer).await != "999999" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_selector_beyond_the_bridge_matches_crosses() {
    let b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(&[b.url()])).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let choosy = |selector: &str| {
        let options = ferrymq_client::ConsumerOptions::new(support::destination("queue://chosen"));
        at_b.session.consumer(options.selector(selector))
    };
    let _none = choosy("JMSType = 'nothing'").await.expect("a consumer");
    bridged(&at_a, &at_b).await;
    at_a.send_numbers("queue://chosen", 0, 10).await;
    let untyped = choosy("JMSType IS NULL AND JMSPriority = 4").await.expect("a consumer");
    assert_eq!(numbers(&untyped, 10).await, (0..10).collect::<Vec<_>>());
    untyped.close();
    // Once that demand is gone, what nobody beyond wants stays at home.
    let mut round = 0;
    loop {
        at_a.send_numbers("queue://chosen", 100 * round, 5).await;
        let home = at_a.consumer("queue://chosen").await;
        let mut kept = 0;
        while kept < 5 && text_within(&home, Duration::from_millis(300)).await.is_some() {
            kept += 1;
        }
        home.close();
        if kept == 5 {
            break;
        }
        round += 1;
        assert!(round < 50, "messages still cross though no selector matches them");
    }
}

/// What is sent to several topics at once has one id in all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_beyond_a_bridge_gets_each_copy_of_what_several_topics_got() {
    let b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(&[b.url()])).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let all = at_b.consumer("topic://news.>").await;
    until_reached(&at_a, "topic://news.here", &all).await;
    at_a.send_numbers("topic://news.here,news.there", 0, 10).await;
    let mut got = numbers(&all, 20).await;
    got.sort_unstable();
    assert_eq!(got, (0..10).flat_map(|number| [number, number]).collect::<Vec<_>>());
}

/// Beyond so many, a bridge asks for everything: what none of them matches crosses, too.
#[tokio::test(flavor = "multi_thread")]
async fn more_selectors_than_a_demand_keeps_still_get_what_they_match() {
    const MANY: u32 = 40;
    let b = Ferry::named("b").start();
    let a = Ferry::named("a").network(&fast(&[b.url()])).start();
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    let mut consumers = Vec::new();
    for number in 0..MANY {
        let options = ConsumerOptions::new(destination("queue://wishes"))
            .selector(format!("number = {number}"));
        consumers.push(at_b.session.consumer(options).await.expect("a consumer"));
    }
    bridged(&at_a, &at_b).await;
    let producer = at_a.producer("queue://wishes").await;
    for number in 0..=MANY {
        let message = OutgoingMessage::text(number.to_string())
            .property("number", i32::try_from(number).unwrap());
        producer.send(message).await.unwrap();
    }
    for (number, consumer) in (0..MANY).zip(&consumers) {
        assert_eq!(text(consumer).await, number.to_string());
    }
    // The last one is for none of them.
    let rest = at_b.consumer("queue://wishes").await;
    assert_eq!(text(&rest).await, MANY.to_string());
    for consumer in &consumers {
        assert!(consumer.receive_within(Duration::ZERO).await.unwrap().is_none());
    }
}
