//! Whoever sends to a broker that is full waits, or is told so, as the policy has it; and the
//! operator hears of every limit that is reached.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use ferrymq_client::error::SendError;
use ferrymq_client::{OutgoingMessage, ProducerOptions};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use support::{Ferry, Native, PATIENCE, destination, get, until};
use wire::Wire;

const RESOURCE_ALLOCATION: &str = "javax.jms.ResourceAllocationException";
/// What a message takes of a destination's memory, about.
const BODY: usize = 8 * 1024;

fn large() -> OutgoingMessage {
    OutgoingMessage::bytes(vec![7; BODY])
}

/// Sends until a message is refused; how many were taken, and why it was.
async fn until_refused(client: &Native, to: &str, persistent: bool) -> (usize, String) {
    let options = ProducerOptions::to(destination(to)).persistent(persistent);
    let producer = client.session.producer(options).await.unwrap();
    for sent in 0..10_000 {
        // Each is confirmed or refused before the next.
        let receipt = producer.submit(large()).await.expect("a way out");
        match receipt.confirmed().await {
            Ok(()) => {}
            Err(SendError::Refused { exception, .. }) => {
                assert_eq!(exception.class, RESOURCE_ALLOCATION);
                return (sent, exception.message);
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("nothing was refused");
}

/// The value of a metric about a limit.
fn metric(broker: &Ferry, name: &str, limit: &str) -> u64 {
    let body = get(&broker.admin(), "/metrics").body;
    let sample = format!("{name}{{limit=\"{limit}\"}} ");
    let line = body.lines().find_map(|line| line.strip_prefix(&sample));
    line.unwrap_or_else(|| panic!("{sample} is not in\n{body}")).parse().unwrap()
}

/// Lines of the log that say that a limit is reached, or is not any more.
fn told(broker: &Ferry, what: &str, limit: &str) -> usize {
    let named = format!("limit=\"{limit}\"");
    let log = broker.process.stderr();
    log.iter().filter(|line| line.contains(what) && line.contains(&named)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_refused_with_words_and_the_operator_hears_of_it_once() {
    let broker = Ferry::named("full")
        .admin()
        .configure("[system_usage]\nsend_fail_if_no_space = true")
        .configure("[[destination_policy]]\nmatch = \"queue://full\"\nmemory_limit = \"64KiB\"")
        .start();
    let client = Native::connect(broker.url()).await;
    let (sent, why) = until_refused(&client, "queue://full", false).await;
    assert!((7..=9).contains(&sent), "{sent} messages of 8 KiB in 64 KiB");
    assert!(why.contains("queue://full") && why.contains("memory"), "{why}");
    assert!(why.contains("of 65536 bytes used"), "{why}");
    for _ in 0..3 {
        assert_eq!(until_refused(&client, "queue://full", false).await.0, 0);
    }
    // Others have room.
    client.send_numbers("queue://open", 0, 10).await;
    let limit = "destination_memory";
    assert_eq!(metric(&broker, "ferrymq_limit_refusals_total", limit), 4);
    assert_eq!(metric(&broker, "ferrymq_limit_reached", limit), 1);
    assert_eq!(told(&broker, "a limit is reached: sends are refused", limit), 1);

    let consumer = client.consumer("queue://full").await;
    for _ in 0..sent {
        consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    }
    until("it is said that there is room", PATIENCE, || {
        (told(&broker, "not reached any more", limit) == 1).then_some(())
    });
    assert_eq!(metric(&broker, "ferrymq_limit_reached", limit), 0);
    client.send_numbers("queue://full", 0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_waits_for_as_long_as_it_is_said_and_is_refused_then() {
    let broker = Ferry::named("patient")
        .admin()
        .configure("[system_usage]\nsend_fail_if_no_space_after_timeout = \"2s\"")
        .configure("[[destination_policy]]\nmatch = \"queue://full\"\nmemory_limit = \"64KiB\"")
        .start();
    let client = Native::connect(broker.url()).await;
    let begun = tokio::time::Instant::now();
    let (sent, why) = until_refused(&client, "queue://full", false).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "it waited {:?}", begun.elapsed());
    assert!(why.contains("queue://full") && why.contains("of 65536 bytes used"), "{why}");
    let limit = "destination_memory";
    assert_eq!(metric(&broker, "ferrymq_limit_waits_total", limit), 1);
    assert_eq!(metric(&broker, "ferrymq_limit_refusals_total", limit), 1);
    assert_eq!(told(&broker, "a limit is reached: producers wait", limit), 1);

    // One that finds room in time is taken, and is the only one to come.
    let producer = client.producer("queue://full").await;
    let waiting = producer.submit(large()).await.expect("a way out");
    let other = Native::connect(broker.url()).await;
    let consumer = other.consumer("queue://full").await;
    for _ in 0..=sent {
        consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    }
    waiting.confirmed().await.expect("there was room in time");
    support::nothing_comes(&consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_destination_wins_over_the_brokers() {
    let broker = Ferry::named("mixed")
        .configure("[system_usage]\nsend_fail_if_no_space = true\nmemory_limit = \"64KiB\"")
        .configure("[[destination_policy]]\nmatch = \"queue://waits\"")
        .configure("send_fail_if_no_space = false")
        .configure("[[destination_policy]]\nmatch = \"queue://late\"")
        .configure("send_fail_if_no_space = false")
        .configure("send_fail_if_no_space_after_timeout = \"100ms\"")
        .start();
    let client = Native::connect(broker.url()).await;
    let (sent, why) = until_refused(&client, "queue://fails", false).await;
    assert!(sent > 0 && why.contains("broker's memory"), "{why}");
    let (none, why) = until_refused(&client, "queue://late", false).await;
    assert!(none == 0 && why.contains("queue://late"), "{why}");
    let producer = client.producer("queue://waits").await;
    let waiting = tokio::spawn(async move { producer.send(large()).await });
    broker.process.log_line("it waits", |line| line.contains("memory"));
    let other = Native::connect(broker.url()).await;
    let consumer = other.consumer("queue://fails").await;
    for _ in 0..sent {
        consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
    }
    waiting.await.unwrap().expect("it was taken in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_no_answer_is_told_by_an_error_of_the_connection() {
    let broker = Ferry::named("async")
        .configure("[[destination_policy]]\nmatch = \"queue://full\"\nmemory_limit = \"64KiB\"")
        .configure("send_fail_if_no_space = true")
        .start();
    let mut sender = Wire::opened_at(broker.url(), "sender").await;
    let (full, open) = (Destination::queue("full"), Destination::queue("open"));
    for number in 0..9 {
        sender.send(&full, number, BODY);
    }
    let failure = sender.failure().await;
    assert_eq!(failure.class_name.unwrap(), RESOURCE_ALLOCATION);
    // What it was sent for is rolled back, for a part of it is missing.
    let within = sender.local(1);
    sender.ask(sender.step(Some(within.clone()), 0)).await.unwrap();
    sender.send_in(&within, &open, 100);
    let fields =
        MessageFields { transaction_id: Some(within.clone()), ..sender.message(&full, 101, BODY) };
    sender.tell(ferrymq_openwire::command::Command::Message(std::sync::Arc::new(
        ferrymq_openwire::message::Message::from_fields(&fields).unwrap(),
    )));
    assert_eq!(sender.failure().await.class_name.unwrap(), RESOURCE_ALLOCATION);
    let refused = sender.ask(sender.step(Some(within), 2)).await.unwrap_err();
    assert_eq!(refused.class_name.unwrap(), "javax.jms.TransactionRolledBackException");
    // The connection goes on.
    sender.consume(1, &open, 10).await;
    sender.nothing_comes().await;
    sender.send(&open, 200, 10);
    assert_eq!(sender.number().await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_is_named_counted_and_told_of() {
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("limits");
    let _ = std::fs::remove_dir_all(&data);
    let broker = Ferry::named("limits")
        .admin()
        .configure(&format!("[broker]\ndata_dir = \"{}\"", data.display()))
        .configure("[store]\nsync = \"never\"\nsegment_size = \"256KiB\"")
        .configure("[system_usage]\nstore_limit = \"4MiB\"\nmemory_limit = \"1MiB\"")
        .configure("send_fail_if_no_space = true")
        .configure("[[destination_policy]]\nmatch = \"queue://small\"\nstore_limit = \"100KiB\"")
        .start();
    let client = Native::connect(broker.url()).await;
    let deaf = Native::connect(broker.url()).await;
    // Dispatched and never acknowledged, so that it stays in memory.
    let topic = deaf.consumer("topic://deaf").await;
    for (limit, to, persistent, words) in [
        ("destination_store", "queue://small", true, "queue://small: the store has as much"),
        ("store", "queue://long", true, "queue://long: the store or its disk is full"),
        ("memory", "topic://deaf", false, "topic://deaf: the broker's memory is full"),
    ] {
        let (sent, why) = until_refused(&client, to, persistent).await;
        assert!(sent > 0 && why.contains(words), "{why}");
        assert_eq!(metric(&broker, "ferrymq_limit_refusals_total", limit), 1);
        assert_eq!(metric(&broker, "ferrymq_limit_reached", limit), 1);
        until("it is said", PATIENCE, || {
            (told(&broker, "a limit is reached", limit) == 1).then_some(())
        });
        if limit == "destination_store" {
            client.send_numbers("queue://long", 0, 1).await;
        }
    }
    let body = get(&broker.admin(), "/metrics").body;
    assert!(body.contains("\nferrymq_store_limit_bytes 4194304\n"), "{body}");
    drop(topic);
    deaf.connection.close().await.unwrap();
    let drain = client.consumer("queue://long").await;
    while drain.receive_within(Duration::from_millis(500)).await.unwrap().is_some() {}
    for limit in ["store", "memory"] {
        until("there is room again", PATIENCE, || {
            (told(&broker, "not reached any more", limit) == 1).then_some(())
        });
    }
    client.send_numbers("queue://long", 0, 10).await;
}
