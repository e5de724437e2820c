//! A message that was carried where its consumer then left goes back to where another one is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use ferrymq_client::AckMode;
use support::{Deadline, Ferry, FerrySetup, Native, PATIENCE, free_port, numbers, text_within};

/// Brokers that each bridge to all others.
fn mesh(names: &[&str], configure: impl Fn(FerrySetup) -> FerrySetup) -> Vec<Ferry> {
    let ports: Vec<u16> = names.iter().map(|_| free_port()).collect();
    let start = |at: usize| {
        let mut setup = Ferry::named(names[at]).port(ports[at]);
        for port in ports.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, port)| port)
        {
            setup = setup.network(&format!(
                "static:(tcp://127.0.0.1:{port})?initialReconnectDelay=50&maxReconnectDelay=50"
            ));
        }
        configure(setup).start()
    };
    (0..names.len()).map(start).collect()
}

/// Takes `count` numbers at a broker, acknowledges them one by one, and leaves.
async fn take_and_leave(url: &str, queue: &str, count: u32) -> Vec<u32> {
    let client = Native::with_mode(url, AckMode::Individual).await;
    let consumer = client.consumer(queue).await;
    let mut taken = Vec::new();
    for _ in 0..count {
        let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
        taken.push(delivery.text().unwrap().unwrap().parse().unwrap());
        delivery.ack().unwrap();
    }
    client.connection.close().await.expect("an orderly end");
    taken
}

/// Whatever comes until nothing has come for a while.
async fn rest(client: &Native, queue: &str, expected: usize) -> Vec<u32> {
    let consumer = client.consumer(queue).await;
    let deadline = Deadline::after(PATIENCE);
    let mut came = Vec::new();
    while came.len() < expected {
        assert!(!deadline.passed(), "only {} of {expected} came", came.len());
        if let Some(text) = text_within(&consumer, Duration::from_millis(500)).await {
            came.push(text.parse().unwrap());
        }
    }
    let more = text_within(&consumer, Duration::from_millis(300)).await;
    assert_eq!(more, None, "more came than was sent");
    came
}

/// The story of ActiveMQ's guide: a consumer at b takes some and leaves, one at a gets the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_consumer_beyond_a_bridge_leaves_behind_comes_back() {
    let brokers = mesh(&["a", "b"], |setup| setup);
    let at_a = Native::connect(brokers[0].url()).await;
    at_a.send_numbers("queue://orders", 0, 2_000).await;
    let taken = take_and_leave(brokers[1].url(), "queue://orders", 300).await;
    let mut all = rest(&at_a, "queue://orders", 1_700).await;
    all.extend(taken);
    all.sort_unstable();
    assert_eq!(all, (0..2_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_replay_off_it_stays_where_it_is() {
    let off = "[[destination_policy]]\nmatch = \"queue://>\"\n[destination_policy.replay]\n\
               replay_when_no_consumers = false\n";
    let brokers = mesh(&["a", "b"], |setup| setup.configure(off));
    let at_a = Native::connect(brokers[0].url()).await;
    at_a.send_numbers("queue://orders", 0, 300).await;
    let taken = take_and_leave(brokers[1].url(), "queue://orders", 100).await;
    assert_eq!(taken.len(), 100);
    let consumer = at_a.consumer("queue://orders").await;
    while text_within(&consumer, Duration::from_millis(500)).await.is_some() {}
    consumer.close();
    let at_b = Native::connect(brokers[1].url()).await;
    let stranded = at_b.consumer("queue://orders").await;
    assert!(!numbers(&stranded, 1).await.is_empty(), "some had crossed and did not return");
}

/// Three hops out, and back to another leaf.
#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_over_several_brokers_and_goes_on_to_others() {
    let brokers = mesh(&["a", "b", "c"], |setup| setup);
    let at_a = Native::connect(brokers[0].url()).await;
    at_a.send_numbers("queue://orders", 0, 900).await;
    let mut all = take_and_leave(brokers[1].url(), "queue://orders", 100).await;
    all.extend(take_and_leave(brokers[2].url(), "queue://orders", 100).await);
    all.extend(rest(&at_a, "queue://orders", 700).await);
    all.sort_unstable();
    assert_eq!(all, (0..900).collect::<Vec<_>>());
}

/// A consumer of many queues that leaves, while what it leaves behind may not go back yet.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_wildcard_consumer_leaves_behind_comes_back_after_its_delay() {
    let delayed = "[[destination_policy]]\nmatch = \"queue://>\"\n[destination_policy.replay]\n\
                   replay_delay = \"3s\"\n";
    let brokers = mesh(&["a", "b"], |setup| setup.configure(delayed));
    let at_a = Native::connect(brokers[0].url()).await;
    let at_b = Native::with_mode(brokers[1].url(), AckMode::Individual).await;
    let wild = at_b.consumer("queue://orders.>").await;
    at_a.send_numbers("queue://orders.new", 0, 100).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(wild.receive_within(PATIENCE).await.unwrap().expect("a message"));
    }
    let waiting = at_a.consumer("queue://orders.new").await;
    // Its demand is known at b when that of a later one is.
    let known = at_a.consumer("queue://known").await;
    at_b.send_numbers("queue://known", 0, 1).await;
    assert_eq!(numbers(&known, 1).await, [0]);
    at_b.connection.close().await.expect("an orderly end");
    let mut came = numbers(&waiting, 100).await;
    came.sort_unstable();
    assert_eq!(came, (0..100).collect::<Vec<_>>());
}
