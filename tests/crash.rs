//! What a broker confirmed outlives it: brokers are killed at random moments, while a producer sends
//! to one and a consumer receives from the other: nothing that was confirmed is missing, and nothing that
//! was consumed comes again.
//!
//! `FERRYMQ_CRASH_ROUNDS` kills more often, `FERRYMQ_SEED` kills as another run did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrymq_client::{
    AckMode, ConnectOptions, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions,
};
use support::{Ferry, PATIENCE, destination};

const QUEUE: &str = "queue://orders";
/// How long clients wait before they dial again.
const AGAIN: Duration = Duration::from_millis(50);

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// A fresh folder for a broker of this test.
fn folder(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("crash-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder.to_str().unwrap().to_owned()
}

/// A persistent broker; its configuration begins with the table `[broker]`.
fn keeping(name: &str, folder: &str) -> support::FerrySetup {
    Ferry::named(name).configure(&format!("[broker]\ndata_dir = \"{folder}\""))
}

async fn connect(url: &str) -> Option<Connection> {
    let dialled = Connection::connect(url, ConnectOptions::system());
    tokio::time::timeout(PATIENCE, dialled).await.ok()?.ok()
}

/// Sends numbers, one after the other, over as many connections as it takes. Returns those that were
/// confirmed.
async fn produce(url: String, end: Arc<AtomicBool>) -> Vec<u32> {
    let mut confirmed = Vec::new();
    let mut next = 0;
    while !end.load(Ordering::Relaxed) {
        let Some(connection) = connect(&url).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let session = connection.session(AckMode::Auto);
        let options = ProducerOptions::to(destination(QUEUE)).persistent(true);
        let Ok(producer) = session.producer(options).await else { continue };
        while !end.load(Ordering::Relaxed) {
            // One that fails may be there or not; it is not sent again.
            next += 1;
            if producer.send(OutgoingMessage::text(next.to_string())).await.is_err() {
                break;
            }
            confirmed.push(next);
        }
        let _ = tokio::time::timeout(PATIENCE, connection.close()).await;
    }
    confirmed
}

/// What a consumer saw.
#[derive(Default)]
struct Received {
    /// In the order in which they came.
    all: Vec<u32>,
    /// Those whose commit was confirmed: they must not come again.
    done: BTreeSet<u32>,
    again: Vec<u32>,
}

/// Receives, each message in a transaction of its own, until `last` has come and nothing more for a
/// while.
async fn consume(url: String, last: Arc<std::sync::Mutex<Option<u32>>>) -> Received {
    let mut received = Received::default();
    loop {
        let Some(connection) = connect(&url).await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let session = connection.session(AckMode::Transacted);
        let options = ConsumerOptions::new(destination(QUEUE)).prefetch(100);
        let Ok(consumer) = session.consumer(options).await else { continue };
        loop {
            match consumer.receive_within(Duration::from_secs(2)).await {
                Ok(Some(delivery)) => {
                    let number = delivery.text().unwrap().unwrap().parse().unwrap();
                    received.all.push(number);
                    if received.done.contains(&number) {
                        received.again.push(number);
                    }
                    if session.commit().await.is_err() {
                        break;
                    }
                    received.done.insert(number);
                }
                Ok(None) => {
                    let last = *last.lock().unwrap();
                    if last.is_some_and(|last| received.done.last() >= Some(&last)) {
                        return received;
                    }
                }
                Err(_) => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_brokers_lose_nothing_that_they_confirmed_and_repeat_nothing() {
    let seed = from_environment("FERRYMQ_SEED").unwrap_or_else(|| fastrand::Rng::new().u64(..));
    let rounds = from_environment("FERRYMQ_CRASH_ROUNDS").unwrap_or(5);
    println!("FERRYMQ_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut far = keeping("B", &folder("b")).start();
    let list = format!("static:({})", far.url());
    let mut near = keeping("A", &folder("a")).network(&list).start();
    let end = Arc::new(AtomicBool::new(false));
    let last = Arc::new(std::sync::Mutex::new(None));
    let producing = tokio::spawn(produce(near.url().to_owned(), Arc::clone(&end)));
    let consuming = tokio::spawn(consume(far.url().to_owned(), Arc::clone(&last)));
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(rng.u64(200..1_500))).await;
        let victim = if rng.bool() { &mut near } else { &mut far };
        victim.process.kill();
        tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
        victim.restart();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    end.store(true, Ordering::Relaxed);
    let confirmed = tokio::time::timeout(PATIENCE, producing).await.unwrap().unwrap();
    *last.lock().unwrap() = Some(*confirmed.last().expect("something was confirmed"));
    let limit = PATIENCE + PATIENCE;
    let received = tokio::time::timeout(limit, consuming).await.expect("all arrives").unwrap();

    let mut seen = BTreeSet::new();
    let firsts: Vec<u32> =
        received.all.iter().copied().filter(|number| seen.insert(*number)).collect();
    let lost: Vec<&u32> = confirmed.iter().filter(|number| !seen.contains(number)).collect();
    println!("{} confirmed, {} received", confirmed.len(), received.all.len());
    let again = received.again;
    assert!(again.is_empty(), "seed {seed}: consumed, and come again: {again:?}");
    assert!(lost.is_empty(), "seed {seed}: lost {lost:?}");
    assert!(firsts.is_sorted(), "seed {seed}: out of order: {firsts:?}");
    near.process.kill();
    far.process.kill();
}
