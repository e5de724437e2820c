//! On networks of every shape, while consumers come, go and flap: each message of a queue is
//! consumed exactly once and none is stuck while anybody wants it, and each message of a topic
//! reaches every subscriber exactly once.
//!
//! `FERRYMQ_SEEDS=200 cargo test --test shapes` tries more histories than the few of every run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ferrymq_client::{AckMode, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use simulated::{LINE, MESH, NAMES, RING, STAR, Shape, Simulation, TREE, brokers};
use tokio::time::{Instant, sleep, timeout};

/// How long the last consumer may take: longer than the longest hold-down.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often each number was consumed.
type Consumed = Arc<Mutex<BTreeMap<u32, u32>>>;

fn seeds() -> u64 {
    let asked = std::env::var("FERRYMQ_SEEDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(2)
}

fn conditions() -> LinkConditions {
    LinkConditions {
        latency: Duration::from_millis(3),
        jitter: Duration::from_millis(2),
        ..LinkConditions::default()
    }
}

async fn produce(client: Connection, to: Destination, numbers: Vec<u32>, pause: Duration) {
    let session = client.session(AckMode::Auto);
    let producer = session.producer(ProducerOptions::to(to)).await.unwrap();
    for number in numbers {
        producer.send(OutgoingMessage::text(number.to_string())).await.unwrap();
        sleep(pause).await;
    }
    client.close().await.unwrap();
}

/// Consumes for a while, as fast as `pause` lets it, and leaves with what it has not taken.
async fn visit(
    client: Connection,
    from: Destination,
    prefetch: u32,
    (stay, pause): (Duration, Duration),
    consumed: &Consumed,
) {
    let session = client.session(AckMode::Auto);
    let options = ConsumerOptions::new(from).prefetch(prefetch);
    let consumer = session.consumer(options).await.unwrap();
    let end = Instant::now() + stay;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let Some(delivery) = consumer.receive_within(left).await.unwrap() else { break };
        let number = delivery.text().unwrap().unwrap().parse().unwrap();
        *consumed.lock().unwrap().entry(number).or_default() += 1;
        sleep(pause).await;
    }
    client.close().await.unwrap();
}

/// Consumers that come, go and flap at random brokers while messages come from random brokers; then
/// one that stays.
async fn queue_story(shape: Shape, seed: u64) -> BTreeMap<u32, u32> {
    const EACH: u32 = 150;
    let simulation = Rc::new(Simulation::new(seed, conditions()));
    let nodes = brokers(&simulation, shape).await;
    let queue = Destination::queue("orders");
    let consumed = Consumed::default();
    let mut random = fastrand::Rng::with_seed(seed);
    let local = tokio::task::LocalSet::new();
    let mut tasks = Vec::new();
    for number in 0..3 {
        let at = NAMES[random.usize(..NAMES.len())];
        let client = simulation.client(&format!("producer-{number}"), at).await;
        let numbers = (number * EACH..(number + 1) * EACH).collect();
        let pause = Duration::from_millis(random.u64(0..60));
        tasks.push(local.spawn_local(produce(client, queue.clone(), numbers, pause)));
    }
    for number in 0..3 {
        let (simulation, queue, consumed) =
            (Rc::clone(&simulation), queue.clone(), Arc::clone(&consumed));
        let mut random = fastrand::Rng::with_seed(seed ^ (number << 32));
        tasks.push(local.spawn_local(async move {
            for visits in 0..random.u32(5..20) {
                let at = NAMES[random.usize(..NAMES.len())];
                let host = format!("wanderer-{number}-{visits}");
                let client = simulation.client(&host, at).await;
                let longest = if random.bool() { 100 } else { 3_000 };
                let stay = Duration::from_millis(random.u64(0..longest));
                let pause = Duration::from_millis(random.u64(0..50));
                let prefetch = [1, 10, 1_000][random.usize(..3)];
                visit(client, queue.clone(), prefetch, (stay, pause), &consumed).await;
                sleep(Duration::from_millis(random.u64(0..500))).await;
            }
        }));
    }
    local
        .run_until(async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
    let at = NAMES[random.usize(..NAMES.len())];
    let client = simulation.client("last", at).await;
    let session = client.session(AckMode::Auto);
    let consumer = session.consumer(ConsumerOptions::new(queue.clone())).await.unwrap();
    let all = 3 * EACH as usize;
    let draining = async {
        while consumed.lock().unwrap().len() < all {
            let delivery = consumer.receive().await.unwrap().unwrap();
            let number = delivery.text().unwrap().unwrap().parse().unwrap();
            *consumed.lock().unwrap().entry(number).or_default() += 1;
        }
    };
    if timeout(PATIENCE, draining).await.is_err() {
        let have = consumed.lock().unwrap().len();
        let stuck: Vec<String> = nodes
            .iter()
            .flat_map(|node| {
                let status = node.status();
                let found =
                    status.destinations.into_iter().find(|one| one.address == queue).unwrap();
                Some(format!("{}: {} wait, {} out", status.name, found.waiting, found.in_flight))
            })
            .collect();
        panic!("seed {seed}: {have} of {all} came to {at}, the rest is stuck: {stuck:?}");
    }
    if let Some(more) = consumer.receive_within(Duration::from_secs(60)).await.unwrap() {
        panic!("seed {seed}: {:?} came after all had come", more.text());
    }
    for node in nodes {
        node.stop().await;
    }
    let consumed = consumed.lock().unwrap();
    consumed.clone()
}

fn queue_on(shape: Shape) {
    for seed in 0..seeds() {
        let consumed = simulated::run(queue_story(shape, seed));
        let again: Vec<_> = consumed.iter().filter(|(_, times)| **times != 1).collect();
        assert!(again.is_empty(), "seed {seed}: consumed more than once: {again:?}");
    }
}

#[test]
fn a_line_of_brokers_consumes_each_message_once() {
    queue_on(LINE);
}

#[test]
fn a_star_of_brokers_consumes_each_message_once() {
    queue_on(STAR);
}

#[test]
fn a_ring_of_brokers_consumes_each_message_once() {
    queue_on(RING);
}

#[test]
fn a_tree_of_brokers_consumes_each_message_once() {
    queue_on(TREE);
}

#[test]
fn a_full_mesh_of_brokers_consumes_each_message_once() {
    queue_on(MESH);
}

/// A subscriber at every broker, and messages from each.
async fn topic_story(shape: Shape, seed: u64) {
    const EACH: u32 = 40;
    let simulation = Simulation::new(seed, conditions());
    let nodes = brokers(&simulation, shape).await;
    let topic = Destination::topic("prices");
    let mut subscribers = Vec::new();
    for name in NAMES {
        let client = simulation.client(&format!("subscriber-{name}"), name).await;
        let session = client.session(AckMode::Auto);
        let consumer = session.consumer(ConsumerOptions::new(topic.clone())).await.unwrap();
        subscribers.push((client, consumer));
    }
    // Demand has travelled by then.
    sleep(Duration::from_secs(10)).await;
    let mut random = fastrand::Rng::with_seed(seed);
    for (number, name) in (0..).zip(NAMES) {
        let client = simulation.client(&format!("producer-{name}"), name).await;
        let numbers = (number * EACH..(number + 1) * EACH).collect();
        let pause = Duration::from_millis(random.u64(0..5));
        produce(client, topic.clone(), numbers, pause).await;
    }
    for (at, (client, consumer)) in subscribers.into_iter().enumerate() {
        let mut came = BTreeMap::<u32, u32>::new();
        while let Some(delivery) = consumer.receive_within(Duration::from_secs(5)).await.unwrap() {
            *came.entry(delivery.text().unwrap().unwrap().parse().unwrap()).or_default() += 1;
        }
        let expected: BTreeMap<u32, u32> = (0..5 * EACH).map(|number| (number, 1)).collect();
        assert_eq!(came, expected, "seed {seed}, subscriber at {}", NAMES[at]);
        client.close().await.unwrap();
    }
    for node in nodes {
        node.stop().await;
    }
}

#[test]
fn on_every_shape_a_topic_reaches_each_subscriber_once() {
    for shape in [LINE, STAR, RING, TREE, MESH] {
        for seed in 0..seeds() {
            simulated::run(topic_story(shape, seed));
        }
    }
}
