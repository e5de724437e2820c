//! What two bridged brokers confirmed outlives them: they are killed (`kill -9`) at random moments,
//! while clients send, commit, receive and relay at both. Nothing that was confirmed is lost, nothing
//! crosses the link twice, nothing that was consumed comes again, also where consumers at both brokers
//! share a queue, and for durable subscriptions here and beyond the link; each producer's messages stay in
//! order. (`tests/power_loss.rs` does the same to
//! simulated machines, with power losses.)
//!
//! `FERRYMQ_CRASH_ROUNDS` kills more often, `FERRYMQ_SEED` draws as another run did.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bookkeeping;
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bookkeeping::{Book, Client, Until};
use ferrymq_client::ConnectOptions;
use support::{Ferry, PATIENCE, free_port, get};

/// What comes out of the first of two queues is passed on to the second.
const RELAYED: &[(&str, &str)] = &[("in", "out")];

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
    Ferry::named(name).admin().configure(&format!(
        "[broker]\ndata_dir = \"{folder}\"\n\
         [[destination_policy]]\nmatch = \"queue://>\"\nin_doubt_hold = \"5s\""
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_brokers_lose_nothing_that_they_confirmed_and_repeat_nothing() {
    let seed = from_environment("FERRYMQ_SEED").unwrap_or_else(|| fastrand::Rng::new().u64(..));
    let rounds: u32 = from_environment("FERRYMQ_CRASH_ROUNDS").unwrap_or(5);
    println!("FERRYMQ_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let ports = [free_port(), free_port()];
    let list = |port| {
        format!("static:(tcp://127.0.0.1:{port})?initialReconnectDelay=50&maxReconnectDelay=300")
    };
    let mut a = keeping("a", &folder("a")).port(ports[0]).network(&list(ports[1])).start();
    let mut b = keeping("b", &folder("b")).port(ports[1]).network(&list(ports[0])).start();

    let (book, until) = (Arc::<Book>::default(), Arc::<Until>::default());
    let mut client = |name, broker: &Ferry| {
        let (url, options) = (broker.url().to_owned(), ConnectOptions::system());
        Client::new(name, url, options, (&book, &until), rng.u64(..))
    };
    client("reader-a", &a).subscribe("news-a").await;
    client("reader-b", &b).subscribe("news-b").await;
    let durables =
        |broker: &Ferry| get(&broker.admin(), "/api/v1/subscriptions").json()["total"].clone();
    let crossed = async {
        while durables(&a) != 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, crossed).await.expect("durable demand crosses");
    let clients = vec![
        tokio::spawn(client("reporter-a", &a).send("news-b")),
        tokio::spawn(client("reader-a", &a).receive("news-a", true)),
        tokio::spawn(client("reader-b", &b).receive("news-b", true)),
        tokio::spawn(client("sender-a", &a).send("to-b")),
        tokio::spawn(client("receiver-b", &b).receive("to-b", true)),
        tokio::spawn(client("sender-b", &b).send("in")),
        tokio::spawn(client("relay", &a).relay("in", "out")),
        tokio::spawn(client("receiver-out", &b).receive("out", true)),
        tokio::spawn(client("batches", &a).send_in_transactions(["both", "to-b", "news-a"])),
        tokio::spawn(client("receiver-both-a", &a).receive("both", false)),
        tokio::spawn(client("receiver-both-b", &b).receive("both", false)),
    ];
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(rng.u64(100..1_500))).await;
        let victim = if rng.bool() { &mut a } else { &mut b };
        victim.process.kill();
        tokio::time::sleep(Duration::from_millis(rng.u64(0..300))).await;
        tokio::task::block_in_place(|| victim.restart());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    until.sent.store(true, Ordering::Relaxed);
    // All that is owed comes; then, for a while, nothing may.
    let mut before = (usize::MAX, 0);
    let settled = async {
        while before != (0, book.length()) {
            before = (book.judge(RELAYED).len(), book.length());
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
    };
    // What is missing shows below. Consumers that take one message at a time are slower than
    // producers: the more rounds, the more they are behind.
    let limit = 3 * PATIENCE + rounds * Duration::from_secs(8);
    let _ = tokio::time::timeout(limit, settled).await;
    until.over.store(true, Ordering::Relaxed);
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.expect("a client ends").unwrap();
    }
    let faults = book.judge(RELAYED);
    println!("{} messages confirmed in {rounds} rounds", book.confirmed());
    assert!(book.confirmed() > 0);
    if !faults.is_empty() {
        println!("{}", book.history().join("\n"));
    }
    assert!(faults.is_empty(), "seed {seed}:\n{}", faults.join("\n"));
    a.process.kill();
    b.process.kill();
}
