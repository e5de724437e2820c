//! A connection of the Rust client outlives its brokers: while one after the other is killed and
//! comes back, everything that is sent arrives once, and sending goes on at once.
//!
//! What a broker keeps in memory dies with it, so the killer of such brokers waits until what they
//! confirmed is received. Brokers that keep messages on disk are killed at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ferrymq_client::{AckMode, ConnectOptions, Connection, ConnectionEvent, Observer};
use ferrymq_openwire::destination::Destination;
use support::Ferry;
use tokio::time::Instant;

/// How often a broker is killed; more with FERRYMQ_FAILOVER_ROUNDS.
fn rounds() -> usize {
    let asked = std::env::var("FERRYMQ_FAILOVER_ROUNDS").ok();
    asked.map_or(4, |rounds| rounds.parse().expect("a number of rounds"))
}

/// What sender and receiver have seen.
#[derive(Default)]
struct Seen {
    sent: AtomicU64,
    received: AtomicU64,
    stop: AtomicBool,
    /// Holds the sender back while a broker is being killed empty-handed.
    pause: AtomicBool,
    /// Nothing is on its way from the producer.
    paused: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_are_killed_in_turn_and_nothing_is_lost_or_doubled() {
    let mut brokers = [Ferry::named("a").start(), Ferry::named("b").start()];
    let url = format!("failover:({},{})?randomize=false", brokers[0].url(), brokers[1].url());
    let connected = Arc::new(parking_lot::Mutex::new(Vec::<(Instant, String)>::new()));
    let observer = Observer::new({
        let connected = Arc::clone(&connected);
        move |event| {
            if let ConnectionEvent::Connected { address, .. } = event {
                connected.lock().push((Instant::now(), address.clone()));
            }
        }
    });
    let connection = Connection::connect(&url, ConnectOptions::system().observer(observer))
        .await
        .expect("a broker runs");
    let session = connection.session(AckMode::Auto);
    let queue = Destination::queue("failover");
    let consumer = session.consumer(&queue).await.expect("a consumer");
    let producer = session.producer(&queue).await.expect("a producer");
    let seen = Arc::new(Seen::default());

    let sending = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let mut longest = Duration::ZERO;
            let mut number = 0;
            while !seen.stop.load(Ordering::Relaxed) {
                if seen.pause.load(Ordering::Relaxed) {
                    seen.paused.store(true, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                number += 1;
                let begun = Instant::now();
                producer.send(number.to_string()).await.expect("it waits for a broker");
                longest = longest.max(begun.elapsed());
                seen.sent.store(number, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            longest
        }
    });
    let receiving = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let mut counts = BTreeMap::new();
            while let Ok(Some(message)) = consumer.receive().await {
                let number: u64 = message.text().unwrap().unwrap().parse().unwrap();
                *counts.entry(number).or_insert(0_u32) += 1;
                seen.received.fetch_add(1, Ordering::Relaxed);
            }
            counts
        }
    });

    for _ in 0..rounds() {
        let goal = seen.sent.load(Ordering::Relaxed) + 100;
        let flowing = async {
            while seen.received.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), flowing).await.expect("messages flow");
        // What is confirmed and not received would die with the broker.
        seen.paused.store(false, Ordering::Relaxed);
        seen.pause.store(true, Ordering::Relaxed);
        let settled = async {
            while !seen.paused.load(Ordering::Relaxed)
                || seen.received.load(Ordering::Relaxed) < seen.sent.load(Ordering::Relaxed)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), settled).await.expect("it is received");
        let at = connection.address().expect("it is connected");
        let broker = brokers.iter_mut().find(|broker| broker.url() == at).expect("one of both");
        broker.process.kill();
        seen.pause.store(false, Ordering::Relaxed);
        tokio::task::block_in_place(|| broker.restart());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    seen.stop.store(true, Ordering::Relaxed);
    let longest = sending.await.unwrap();
    let sent = seen.sent.load(Ordering::Relaxed);
    let arrived = async {
        while seen.received.load(Ordering::Relaxed) < sent {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), arrived).await;
    connection.close().await.expect("an orderly end");
    let counts = receiving.await.unwrap();
    let lost: Vec<u64> = (1..=sent).filter(|number| !counts.contains_key(number)).collect();
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(in_time.is_ok() && lost.is_empty(), "lost of {sent}: {lost:?}");
    assert!(doubled.is_empty(), "received twice: {doubled:?}");
    assert!(longest < Duration::from_secs(1), "a send took {longest:?}");
    assert_eq!(connected.lock().len(), rounds() + 1);
    println!("{} rounds, {sent} messages, longest send {longest:?}", rounds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_while_no_broker_runs_arrives_when_one_does() {
    let mut broker = Ferry::named("only").start();
    let url = format!("failover:({})?maxReconnectDelay=200", broker.url());
    let connection = Connection::connect(&url, ConnectOptions::system()).await.expect("it runs");
    let session = connection.session(AckMode::Auto);
    let queue = Destination::queue("outage");
    let producer = Arc::new(session.producer(&queue).await.expect("a producer"));
    let consumer = session.consumer(&queue).await.expect("a consumer");
    broker.process.kill();
    let sends: Vec<_> = (0..50)
        .map(|number: i32| {
            let producer = Arc::clone(&producer);
            tokio::spawn(async move { producer.send(number.to_string()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::task::block_in_place(|| broker.restart());
    for send in sends {
        send.await.unwrap().expect("it waited");
    }
    let mut numbers = Vec::new();
    while numbers.len() < 50 {
        let message = consumer.receive_within(Duration::from_secs(10)).await.unwrap();
        let message = message.expect("all arrive");
        numbers.push(message.text().unwrap().unwrap().parse::<i32>().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    assert!(consumer.receive_within(Duration::from_millis(100)).await.unwrap().is_none());
}

/// A broker that keeps messages in a fresh folder.
fn keeping(name: &str) -> Ferry {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("failover-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    Ferry::named(name).configure(&format!("[broker]\ndata_dir = \"{}\"", folder.display())).start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_keep_messages_are_killed_at_any_moment() {
    let mut brokers = [keeping("keeps-a"), keeping("keeps-b")];
    let url = format!("failover:({},{})?randomize=false", brokers[0].url(), brokers[1].url());
    let connection = Connection::connect(&url, ConnectOptions::system()).await.expect("one runs");
    let session = connection.session(AckMode::Auto);
    let queue = Destination::queue("kept");
    let consumer = session.consumer(&queue).await.expect("a consumer");
    let producer = session.producer(&queue).await.expect("a producer");
    let seen = Arc::new(Seen::default());
    let sending = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let (mut number, mut longest) = (0, Duration::ZERO);
            while !seen.stop.load(Ordering::Relaxed) {
                number += 1;
                let begun = Instant::now();
                producer.send(number.to_string()).await.expect("it waits for a broker");
                longest = longest.max(begun.elapsed());
                seen.sent.store(number, Ordering::Relaxed);
            }
            longest
        }
    });
    let receiving = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let mut counts = BTreeMap::new();
            while let Ok(Some(message)) = consumer.receive().await {
                let number: u64 = message.text().unwrap().unwrap().parse().unwrap();
                *counts.entry(number).or_insert(0_u32) += 1;
                seen.received.store(counts.len() as u64, Ordering::Relaxed);
            }
            counts
        }
    });
    let mut kill = async |rounds: usize| {
        for _ in 0..rounds {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let Some(at) = connection.address() else { continue };
            let broker = brokers.iter_mut().find(|broker| broker.url() == at).expect("one of both");
            broker.process.kill();
            tokio::task::block_in_place(|| broker.restart());
        }
    };
    kill(rounds()).await;
    seen.stop.store(true, Ordering::Relaxed);
    let longest = sending.await.unwrap();
    let sent = seen.sent.load(Ordering::Relaxed);
    // Each broker has what was not received of it: the connection goes to both until it has all.
    for _ in 0..10 {
        let arrived = async {
            while seen.received.load(Ordering::Relaxed) < sent {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(1), arrived).await.is_ok() {
            break;
        }
        kill(1).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    connection.close().await.expect("an orderly end");
    let counts = receiving.await.unwrap();
    let lost: Vec<u64> = (1..=sent).filter(|number| !counts.contains_key(number)).collect();
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    println!("{} rounds, {sent} messages, longest send {longest:?}", rounds());
    assert!(lost.is_empty(), "lost of {sent}: {lost:?}");
    assert!(doubled.is_empty(), "received twice: {doubled:?}");
    assert!(longest < Duration::from_secs(1), "a send took {longest:?}");
}
