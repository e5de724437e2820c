//! A consumer with a selector gets what it selects and nothing else, here and beyond bridges, and is
//! told where its selector is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::{Consumer, ConsumerOptions, OutgoingMessage};
use support::{Ferry, Native, destination, nothing_comes, numbers, text};

async fn selecting(at: &Native, from: &str, selector: &str) -> Consumer {
    let options = ConsumerOptions::new(destination(from)).selector(selector);
    at.session.consumer(options).await.expect("a valid selector")
}

/// Sends the numbers `first..last` as texts, each with its remainder by 3 as the property `kind`.
async fn send_kinds(at: &Native, to: &str, first: u32, last: u32) {
    let producer = at.producer(to).await;
    for number in first..last {
        let kind = i32::try_from(number % 3).expect("a small number");
        let message = OutgoingMessage::text(number.to_string()).property("kind", kind);
        producer.send(message).await.expect("a confirmation");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_of_a_queue_get_what_they_select_and_the_rest_waits() {
    let broker = Ferry::named("b").start();
    let at = Native::connect(broker.url()).await;
    send_kinds(&at, "queue://q", 0, 15).await;
    let zero = selecting(&at, "queue://q", "kind = 0").await;
    let one = selecting(&at, "queue://q", "kind = 1").await;
    send_kinds(&at, "queue://q", 15, 30).await;
    assert_eq!(numbers(&zero, 10).await, (0..30).step_by(3).collect::<Vec<_>>());
    assert_eq!(numbers(&one, 10).await, (1..30).step_by(3).collect::<Vec<_>>());
    let rest = at.consumer("queue://q").await;
    assert_eq!(numbers(&rest, 10).await, (2..30).step_by(3).collect::<Vec<_>>());
    nothing_comes(&rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_a_topic_get_what_they_select() {
    let broker = Ferry::named("b").start();
    let at = Native::connect(broker.url()).await;
    let one = selecting(&at, "topic://t", "kind = 1").await;
    let below = selecting(&at, "topic://>", "kind BETWEEN 1 AND 2").await;
    let all = selecting(&at, "topic://t", " ").await;
    send_kinds(&at, "topic://t", 0, 6).await;
    assert_eq!(numbers(&one, 2).await, [1, 4]);
    assert_eq!(numbers(&below, 4).await, [1, 2, 4, 5]);
    assert_eq!(numbers(&all, 6).await, [0, 1, 2, 3, 4, 5]);
    nothing_comes(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_selector_is_refused_with_its_position_and_harms_nothing_else() {
    let broker = Ferry::named("b").start();
    let at = Native::connect(broker.url()).await;
    for (selector, said) in [
        ("kind = ", "at character 8: expected a property, a value or '(', found the end"),
        ("kind == 1", "at character 6: equality is written ="),
        ("kind = 1 OR XPATH '//a'", "at character 13: XPATH is not supported"),
    ] {
        let options = ConsumerOptions::new(destination("queue://q")).selector(selector);
        let error = at.session.consumer(options).await.expect_err("a refusal").to_string();
        assert!(error.contains("javax.jms.InvalidSelectorException"), "{error}");
        assert!(error.contains(said), "{error}");
    }
    let consumer = at.consumer("queue://q").await;
    at.send_numbers("queue://q", 7, 1).await;
    assert_eq!(text(&consumer).await, "7");
}

/// A connector without conduits carries each consumer's selector; one with conduits asks for all,
/// and what nobody selects waits beyond the bridge, as with ActiveMQ.
#[tokio::test(flavor = "multi_thread")]
async fn selectors_cross_a_bridge_without_conduits() {
    for conduit in [false, true] {
        let b = Ferry::named("b").start();
        let connector = format!(
            "[[network_connector]]\nname = \"n\"\nconduit_subscriptions = {conduit}\nuri = \
             \"static:({})?initialReconnectDelay=50&maxReconnectDelay=50\"\n",
            b.url()
        );
        let a = Ferry::named("a").configure(&connector).start();
        let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
        let one = selecting(&at_b, "queue://q", "kind = 1").await;
        let two = selecting(&at_b, "queue://q", "kind = 2").await;
        send_kinds(&at_a, "queue://q", 0, 9).await;
        assert_eq!(numbers(&one, 3).await, [1, 4, 7]);
        assert_eq!(numbers(&two, 3).await, [2, 5, 8]);
        for consumer in [&one, &two] {
            nothing_comes(consumer).await;
            consumer.close();
        }
        // What nobody selected is at home, or, by a conduit, has crossed and waits there.
        let home = if conduit { &at_b } else { &at_a };
        let rest = home.consumer("queue://q").await;
        assert_eq!(numbers(&rest, 3).await, [0, 3, 6], "conduit: {conduit}");
    }
}
