//! A message that crossed to where its consumer then left comes back, whichever of the two brokers is
//! an ActiveMQ; between two of them only with its `replayWhenNoConsumers`, which proves the
//! expectation itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use ferrymq_client::AckMode;
use support::{ActiveMq, Deadline, Ferry, Native, PATIENCE, free_port, text_within};

const MESSAGES: u32 = 400;
const TAKEN: u32 = 100;

fn url(port: u16) -> String {
    format!("tcp://127.0.0.1:{port}")
}

/// Sends at A, takes some at B and leaves, and takes the rest at A: each message once.
async fn story(at_a: &str, at_b: &str) {
    let home = Native::connect(at_a).await;
    home.send_numbers("queue://orders", 0, MESSAGES).await;
    let away = Native::with_mode(at_b, AckMode::Individual).await;
    let consumer = away.consumer("queue://orders").await;
    let mut came = BTreeMap::<u32, u32>::new();
    for _ in 0..TAKEN {
        let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("it crosses");
        *came.entry(delivery.text().unwrap().unwrap().parse().unwrap()).or_default() += 1;
        delivery.ack().unwrap();
    }
    away.connection.close().await.expect("an orderly end");
    let consumer = home.consumer("queue://orders").await;
    let deadline = Deadline::after(PATIENCE);
    while came.len() < MESSAGES as usize {
        assert!(!deadline.passed(), "only {} of {MESSAGES} came", came.len());
        if let Some(text) = text_within(&consumer, Duration::from_millis(500)).await {
            *came.entry(text.parse().unwrap()).or_default() += 1;
        }
    }
    assert_eq!(text_within(&consumer, Duration::from_secs(1)).await, None, "more than was sent");
    assert!(came.values().all(|times| *times == 1), "{came:?}");
}

fn ferry(name: &str, port: u16, other: u16) -> Ferry {
    let connector =
        format!("static:({})?initialReconnectDelay=50&maxReconnectDelay=50", url(other));
    Ferry::named(name).port(port).network(&connector).start()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn from_ferrymq_back_to_activemq() {
    let (a, b) = (free_port(), free_port());
    let active = ActiveMq::named("A").port(a).connect(&url(b)).start();
    let _ferry = ferry("B", b, a);
    story(active.url(), &url(b)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn from_activemq_with_replay_back_to_ferrymq() {
    let (a, b) = (free_port(), free_port());
    let active = ActiveMq::named("B").port(b).connect(&url(a)).flag("--replay", "true").start();
    let _ferry = ferry("A", a, b);
    story(&url(a), active.url()).await;
}
