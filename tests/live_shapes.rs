//! On networks of five brokers as processes, while consumers come, go and flap: each message of a
//! queue is consumed exactly once, and none is stuck while anybody wants it; consumers that stay get
//! each producer's messages in order, nearly all of them also when they come while messages do.
//!
//! `FERRYMQ_CHURN=20000 FERRYMQ_SEED=7 cargo test --test live_shapes` sends more than the few messages
//! of every run, and makes another history. Each prints its seed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ferrymq_client::{ConsumerOptions, OutgoingMessage};
use support::{Kind, MESH, Native, Network, PATIENCE, RING, Shape, TREE, churn, destination};
use support::{number_from, until, until_steady};

const QUEUE: &str = "queue://orders";

fn seed() -> u64 {
    let seed = number_from("FERRYMQ_SEED").unwrap_or(1);
    eprintln!("seed {seed}");
    seed
}

async fn each_once_on(shape: Shape) {
    let messages = number_from("FERRYMQ_CHURN").and_then(|count| count.try_into().ok());
    let messages: u32 = messages.unwrap_or(3_000);
    let network = Network::start(shape, &[Kind::Ferry; 5]);
    network.joined();
    let consumed = churn(&network, QUEUE, messages, seed()).await;
    let again: Vec<_> = consumed.iter().filter(|(_, times)| **times != 1).collect();
    assert!(again.is_empty(), "consumed more than once: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_consumes_each_message_once() {
    each_once_on(RING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_consumes_each_message_once() {
    each_once_on(TREE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mesh_consumes_each_message_once() {
    each_once_on(MESH).await;
}

/// When consumers come, who stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Come {
    /// Before all messages, and their demand has travelled everywhere.
    First,
    /// While messages do.
    Meanwhile,
}

/// Which messages overtook another one of their producer at a consumer, neither of them sent back to
/// where it had been.
async fn overtaken_on(shape: Shape, come: Come) -> Vec<String> {
    const PRODUCERS: u32 = 3;
    const EACH: u32 = 1_000;
    let network = Network::start(shape, &[Kind::Ferry; 5]);
    network.joined();
    let urls = network.urls();
    let mut random = fastrand::Rng::with_seed(seed());
    let mut consuming = tokio::task::JoinSet::new();
    let (noted, mut came) = tokio::sync::mpsc::channel(1_000);
    for _ in 0..3 {
        let url = urls[random.usize(..urls.len())].clone();
        let prefetch = [10, 1_000][random.usize(..2)];
        let wait = Duration::from_millis(random.u64(0..300));
        let noted = noted.clone();
        consuming.spawn(async move {
            if come == Come::Meanwhile {
                tokio::time::sleep(wait).await;
            }
            let client = Native::connect(&url).await;
            let options = ConsumerOptions::new(destination(QUEUE)).prefetch(prefetch);
            let consumer = client.session.consumer(options).await.expect("a consumer");
            let mut newest = BTreeMap::<u32, (u32, String)>::new();
            let mut overtaken = Vec::new();
            while let Some(delivery) = tokio::select! {
                delivery = consumer.receive() => delivery.expect("a living consumer"),
                () = noted.closed() => None,
            } {
                let number: u32 = delivery.text().unwrap().unwrap().parse().unwrap();
                let path = delivery.message().broker_path();
                let went_back = path.iter().collect::<BTreeSet<_>>().len() < path.len();
                let names = path.iter().map(|id| id.to_string().chars().take(5).collect());
                let way = format!("{} by {:?} to {url}", number, names.collect::<Vec<String>>());
                let (before, its_way) = newest.entry(number / EACH).or_default();
                if !went_back && *before > number {
                    overtaken.push(format!("{way} after {its_way}"));
                } else if !went_back {
                    (*before, *its_way) = (number, way);
                }
                if noted.send(number).await.is_err() {
                    break;
                }
            }
            overtaken
        });
    }
    drop(noted);
    if come == Come::First {
        until("demand", PATIENCE, || (network.demands() > 0).then_some(()));
        until_steady("demand has travelled", || network.demands());
    }
    let mut producing = tokio::task::JoinSet::new();
    for number in 0..PRODUCERS {
        let url = urls[random.usize(..urls.len())].clone();
        producing.spawn(async move {
            let client = Native::connect(&url).await;
            let producer = client.producer(QUEUE).await;
            for at in 0..EACH {
                let message = OutgoingMessage::text((number * EACH + at).to_string());
                let _ = producer.submit(message).await.expect("a way out");
                if at % 100 == 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            client.connection.close().await.expect("an orderly end");
        });
    }
    let mut all = BTreeMap::<u32, u32>::new();
    while all.len() < (PRODUCERS * EACH) as usize {
        let next = tokio::time::timeout(PATIENCE, came.recv()).await;
        let number = next.unwrap_or_else(|_| panic!("stuck: {}", network.explained(QUEUE)));
        *all.entry(number.expect("consumers that stay")).or_default() += 1;
    }
    assert!(all.values().all(|times| *times == 1), "{all:?}");
    until("all is settled", PATIENCE, || {
        network.left(QUEUE).iter().all(|left| *left == (0, 0)).then_some(())
    });
    drop(came);
    let mut overtaken = Vec::new();
    while let Some(ended) = consuming.join_next().await {
        overtaken.extend(ended.expect("a consumer"));
    }
    overtaken
}

async fn each_in_order_on(shape: Shape, come: Come) {
    let overtaken = overtaken_on(shape, come).await;
    assert!(overtaken.is_empty(), "on {shape:?}: {overtaken:#?}");
}

/// How many of all may be overtaken while ways open on a machine that is busy: a few that took a
/// farther way first, and were held up there. `tests/ordered_shapes.rs` demands that there are none.
const FEW: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_are_there_get_each_producer_in_order_on_every_shape() {
    for shape in [TREE, RING, MESH] {
        each_in_order_on(shape, Come::First).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_come_meanwhile_get_each_producer_in_order() {
    // Where there is one way only.
    each_in_order_on(TREE, Come::Meanwhile).await;
    for shape in [RING, MESH] {
        let overtaken = overtaken_on(shape, Come::Meanwhile).await;
        eprintln!("{} overtaken on {shape:?}: {overtaken:#?}", overtaken.len());
        assert!(overtaken.len() <= FEW, "{} overtaken on {shape:?}", overtaken.len());
    }
}
