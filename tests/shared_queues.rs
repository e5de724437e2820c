//! A slow and a fast consumer of one queue, on both sides of a bridge: the fast one gets the larger
//! share, and the whole is done in the time that both together need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq_client::{
    AckMode, Connection, Consumer, ConsumerOptions, OutgoingMessage, ProducerOptions,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use simulated::Simulation;
use support::{Ferry, Native, PATIENCE, get, until};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const MESSAGES: u32 = 3_000;
/// How long a consumer that gets nothing more waits before it is sure.
const SILENCE: Duration = Duration::from_secs(5);

/// A consumer's place and pace.
#[derive(Debug, Clone, Copy)]
struct Worker {
    broker: &'static str,
    /// Milliseconds for each message.
    work: u64,
    /// When it comes, in milliseconds after the first message.
    joins: u64,
}

/// What a consumer got, and when it had done the last.
struct Share {
    numbers: Vec<u32>,
    done: Instant,
}

fn queue() -> Destination {
    Destination::queue("orders")
}

/// Works until nothing comes any more.
fn work(connection: Connection, worker: Worker) -> JoinHandle<Share> {
    tokio::spawn(async move {
        sleep(Duration::from_millis(worker.joins)).await;
        let session = connection.session(AckMode::Auto);
        let consumer = session.consumer(ConsumerOptions::new(queue())).await.unwrap();
        let (mut numbers, mut done) = (Vec::new(), Instant::now());
        while let Some(delivery) = consumer.receive_within(SILENCE).await.unwrap() {
            numbers.push(delivery.text().unwrap().unwrap().parse().unwrap());
            sleep(Duration::from_millis(worker.work)).await;
            done = Instant::now();
        }
        Share { numbers, done }
    })
}

/// Sends all messages to the near broker; returns what each of two workers got, and how long it
/// took.
async fn share(latency: u64, workers: [Worker; 2]) -> ([Vec<u32>; 2], Duration) {
    let latency = Duration::from_millis(latency);
    let conditions = LinkConditions { latency, ..LinkConditions::default() };
    let simulation = Simulation::new(11, conditions);
    let far = simulation.broker("far", &[], Limits::default()).await;
    let near = simulation.broker("near", &["far"], Limits::default()).await;
    let mut working = Vec::new();
    for (host, worker) in ["one", "another"].into_iter().zip(workers) {
        let connection = simulation.client(host, worker.broker).await;
        let joins = worker.joins + 1_000;
        working.push(work(connection, Worker { joins, ..worker }));
    }
    let connection = simulation.client("producer", "near").await;
    let session = connection.session(AckMode::Auto);
    let producer = session.producer(ProducerOptions::to(queue())).await.unwrap();
    // Who is there from the start has been announced.
    sleep(Duration::from_secs(2)).await;
    let (start, mut receipts) = (Instant::now(), Vec::new());
    for number in 0..MESSAGES {
        receipts.push(producer.submit(OutgoingMessage::text(number.to_string())).await.unwrap());
    }
    let (mut shares, mut done) = (Vec::new(), start);
    for worker in working {
        let Share { numbers, done: at } = worker.await.unwrap();
        done = done.max(at);
        shares.push(numbers);
    }
    near.stop().await;
    far.stop().await;
    let [one, another] = <[Vec<u32>; 2]>::try_from(shares).unwrap();
    ([one, another], done - start)
}

/// How many milliseconds the workers need together, those that join late included.
fn needed([one, another]: [Worker; 2]) -> f64 {
    let (first, second) = if one.joins <= another.joins { (one, another) } else { (another, one) };
    let alone = (second.joins.max(1_000) - 1_000) as f64;
    let left = f64::from(MESSAGES) - alone / first.work as f64;
    alone + left.max(0.0) / (1.0 / first.work as f64 + 1.0 / second.work as f64)
}

fn check(latency: u64, slow: Worker, fast: Worker) {
    let ([by_slow, by_fast], took) = simulated::run(share(latency, [slow, fast]));
    let took = took.as_millis() as f64;
    let needed = needed([slow, fast]);
    println!(
        "{slow:?} {fast:?} latency {latency}: slow {}, {took} ms of {needed:.0}",
        by_slow.len()
    );
    let all: BTreeSet<u32> = by_slow.iter().chain(&by_fast).copied().collect();
    assert_eq!(all.len(), MESSAGES as usize, "all come");
    assert_eq!(by_slow.len() + by_fast.len(), MESSAGES as usize, "each comes once");
    assert!(by_slow.is_sorted() && by_fast.is_sorted(), "in order for each");
    assert!(by_fast.len() > 2 * by_slow.len(), "the slow one got {}", by_slow.len());
    assert!(by_slow.len() > 20, "the slow one got only {}", by_slow.len());
    assert!(took < 1.2 * needed, "{took} ms instead of {needed:.0}");
}

fn worker(broker: &'static str, work: u64, joins: u64) -> Worker {
    Worker { broker, work, joins }
}

#[test]
fn a_slow_consumer_beyond_the_bridge_and_a_fast_one_here() {
    for (slow, latency) in [(10, 2), (20, 2), (10, 20)] {
        check(latency, worker("far", slow, 0), worker("near", 1, 0));
    }
}

#[test]
fn a_fast_consumer_beyond_the_bridge_and_a_slow_one_here() {
    for (slow, latency) in [(10, 2), (20, 2), (10, 20)] {
        check(latency, worker("near", slow, 0), worker("far", 1, 0));
    }
}

#[test]
fn a_fast_one_joins_late() {
    check(2, worker("far", 10, 0), worker("near", 1, 3_000));
    check(2, worker("near", 10, 0), worker("far", 1, 3_000));
}

#[test]
fn a_slow_one_joins_late() {
    check(2, worker("far", 10, 2_000), worker("near", 1, 0));
    check(2, worker("near", 10, 2_000), worker("far", 1, 0));
}

/// The same over real links: the slow one takes 10 ms for each message, the fast one nothing.
async fn share_for_real(slow_is_far: bool) {
    let far = Ferry::named("far").start();
    let near = Ferry::named("near").network(&format!("static:({})", far.url())).admin().start();
    let (slow, fast) = if slow_is_far { (&far, &near) } else { (&near, &far) };
    let done = Arc::new(AtomicU32::new(0));
    let work = |consumer: Consumer, work: u64| {
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let mut mine = 0_u32;
            while done.load(Ordering::SeqCst) < MESSAGES {
                let soon = Duration::from_millis(50);
                if consumer.receive_within(soon).await.unwrap().is_some() {
                    if work > 0 {
                        sleep(Duration::from_millis(work)).await;
                    }
                    mine += 1;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
            mine
        })
    };
    let (slow, fast) = (Native::connect(slow.url()).await, Native::connect(fast.url()).await);
    let at_slow = slow.consumer("queue://orders").await;
    let at_fast = fast.consumer("queue://orders").await;
    let sender = Native::connect(near.url()).await;
    let admin = near.admin();
    until("both consumers are known", PATIENCE, || {
        let page = get(&admin, "/api/v1/destinations").json().to_string();
        page.contains("\"consumers\":2").then_some(())
    });
    let start = Instant::now();
    let (by_slow, by_fast) = (work(at_slow, 10), work(at_fast, 0));
    sender.send_numbers("queue://orders", 0, MESSAGES).await;
    let shares = tokio::time::timeout(PATIENCE, async { (by_slow.await, by_fast.await) }).await;
    let (by_slow, by_fast) = shares.expect("all come");
    let (by_slow, by_fast, took) = (by_slow.unwrap(), by_fast.unwrap(), start.elapsed());
    println!("slow beyond: {slow_is_far}; the slow one got {by_slow}; {took:?}");
    assert_eq!(by_slow + by_fast, MESSAGES, "each comes once");
    assert!(by_slow < MESSAGES / 5, "the slow one got {by_slow}");
    // The fast one needs a part of that alone; the slow one would need half a minute.
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_brokers_share_with_a_slow_consumer_beyond_the_bridge() {
    share_for_real(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_brokers_share_with_a_slow_consumer_here() {
    share_for_real(false).await;
}
