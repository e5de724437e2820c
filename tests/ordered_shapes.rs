//! On networks of every shape, consumers that come while messages do, and stay, get the messages of
//! each producer in the order in which it sent them, although ways open meanwhile, farther ones
//! before nearer ones.
//!
//! `FERRYMQ_SEEDS=1000 cargo test --test ordered_shapes` tries more histories than the few of every
//! run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ferrymq_client::{AckMode, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use simulated::{MESH, NAMES, RING, Shape, Simulation, TREE, brokers};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const PRODUCERS: u32 = 3;
const EACH: u32 = 300;
const CONSUMERS: u64 = 3;
/// Nothing has come for so long: it is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

fn seeds() -> std::ops::Range<u64> {
    let asked = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = asked("FERRYMQ_SEED").unwrap_or(0);
    first..first + asked("FERRYMQ_SEEDS").unwrap_or(10)
}

/// What came to one of the consumers.
#[derive(Debug, Default)]
struct Came {
    consumer: u64,
    number: u32,
    /// The brokers that it passed, and when it came to each.
    way: Vec<String>,
    times: String,
    at: i64,
}

impl Came {
    /// Whether it was sent back to where it had been.
    fn went_back(&self) -> bool {
        let once: BTreeSet<&String> = self.way.iter().collect();
        once.len() < self.way.len()
    }

    fn shown(&self) -> String {
        let way: Vec<&str> = self.way.iter().map(|id| &id[3..4]).collect();
        format!("{} by {} at {} came at {}", self.number, way.join("->"), self.times, self.at)
    }
}

/// Links so different that news and messages may come sooner by way of another broker.
fn unequal(simulation: &Simulation, random: &mut fastrand::Rng) {
    for (at, one) in NAMES.iter().enumerate() {
        for other in &NAMES[at + 1..] {
            let latency = Duration::from_micros(random.u64(500..6_000));
            let jitter = Duration::from_millis(random.u64(0..3));
            let conditions = LinkConditions { latency, jitter, ..LinkConditions::default() };
            simulation.network.set_conditions(one, other, conditions);
        }
    }
}

async fn produce(client: Connection, to: Destination, first: u32, mut random: fastrand::Rng) {
    let session = client.session(AckMode::Auto);
    let producer = session.producer(ProducerOptions::to(to)).await.unwrap();
    let mut numbers = first..first + EACH;
    while !numbers.is_empty() {
        for number in numbers.by_ref().take(random.usize(1..40)) {
            let message = OutgoingMessage::text(number.to_string());
            let _ = producer.submit(message).await.unwrap();
        }
        sleep(Duration::from_millis(random.u64(0..40))).await;
    }
    client.close().await.unwrap();
}

/// Which messages overtook another one of their producer at a consumer, and by which ways.
async fn overtaken(shape: Shape, seed: u64) -> Vec<String> {
    let simulation = Rc::new(Simulation::new(seed, LinkConditions::default()));
    let mut random = fastrand::Rng::with_seed(seed);
    unequal(&simulation, &mut random);
    let nodes = brokers(&simulation, shape).await;
    sleep(Duration::from_secs(5)).await;
    let queue = Destination::queue("orders");
    let local = tokio::task::LocalSet::new();
    let (noted, mut came) = mpsc::channel(1_000);
    for consumer in 0..CONSUMERS {
        let (simulation, queue, noted) = (Rc::clone(&simulation), queue.clone(), noted.clone());
        let at = NAMES[random.usize(..NAMES.len())];
        let prefetch = [10, 1_000][random.usize(..2)];
        let wait = Duration::from_millis(random.u64(0..300));
        let work = Duration::from_millis([0, 0, 1, 3][random.usize(..4)]);
        local.spawn_local(async move {
            sleep(wait).await;
            let client = simulation.client(&format!("consumer-{consumer}"), at).await;
            let session = client.session(AckMode::Auto);
            let options = ConsumerOptions::new(queue).prefetch(prefetch);
            let taking = session.consumer(options).await.unwrap();
            while let Ok(Some(delivery)) = taking.receive().await {
                let number = delivery.text().unwrap().unwrap().parse().unwrap();
                let message = delivery.message();
                let mut way: Vec<_> =
                    message.broker_path().iter().map(ToString::to_string).collect();
                way.push(format!("ID:{at}"));
                let times = message
                    .hop_times()
                    .into_iter()
                    .map(|at| at.map(|at| at - simulation.start_of_time()));
                let times = format!("{:?}", times.collect::<Vec<_>>());
                let came = Came {
                    consumer,
                    number,
                    way,
                    times,
                    at: simulation.now() - simulation.start_of_time(),
                };
                if noted.send(came).await.is_err() {
                    break;
                }
                sleep(work).await;
            }
        });
    }
    drop(noted);
    for producer in 0..PRODUCERS {
        let at = NAMES[random.usize(..NAMES.len())];
        let client = simulation.client(&format!("producer-{producer}"), at).await;
        let first = producer * EACH;
        local.spawn_local(produce(client, queue.clone(), first, random.fork()));
    }
    local
        .run_until(async {
            let mut newest = BTreeMap::<(u64, u32), Came>::new();
            let (mut count, mut overtaken) = (0, Vec::new());
            while count < PRODUCERS * EACH {
                let next = timeout(PATIENCE, came.recv()).await;
                let Ok(Some(next)) = next else {
                    panic!("seed {seed}: {count} came, the rest is stuck")
                };
                count += 1;
                if next.went_back() {
                    continue;
                }
                let producer = next.number / EACH;
                let before = newest.entry((next.consumer, producer)).or_default();
                if before.number > next.number {
                    let (one, other, to) = (next.shown(), before.shown(), next.consumer);
                    overtaken.push(format!("{one} after {other} to consumer {to}"));
                } else {
                    *before = next;
                }
            }
            drop(came);
            for node in nodes {
                node.stop().await;
            }
            overtaken
        })
        .await
}

fn in_order_on(shape: Shape) {
    for seed in seeds() {
        let overtaken = simulated::run(overtaken(shape, seed));
        let few = &overtaken[..overtaken.len().min(5)];
        assert!(overtaken.is_empty(), "seed {seed}: {} overtaken: {few:#?}", overtaken.len());
    }
}

#[test]
fn on_a_tree_each_producer_comes_in_order() {
    in_order_on(TREE);
}

#[test]
fn on_a_ring_each_producer_comes_in_order() {
    in_order_on(RING);
}

#[test]
fn on_a_full_mesh_each_producer_comes_in_order() {
    in_order_on(MESH);
}
