//! On networks of three FerryMQ and two ActiveMQ brokers, while consumers come, go and flap: no
//! message of a queue is lost, none is stuck while anybody wants it, and those that come twice are
//! counted.
//!
//! `FERRYMQ_CHURN=20000 FERRYMQ_SEED=7` makes it longer, and another history. With
//! `FERRYMQ_INTEROP=activemq` all five are ActiveMQ brokers, which shows what they lose among
//! themselves: everything in their dead letters is told by its cause and its way. Most of it is what
//! came back to a broker that had not yet forgotten that it forwarded it; `FERRYMQ_REPLAY_DELAY=0` (in
//! milliseconds) lets them send back at once, as they do by default.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Kind, MESH, Network, RING, Shape, TREE, churn, number_from, subjects};

use Kind::{ActiveMq, Ferry};

/// Two ActiveMQ brokers that are neighbours on some shapes, and on all have FerryMQ ones.
const MIXED: [Kind; 5] = [Ferry, ActiveMq, Ferry, ActiveMq, Ferry];

async fn none_lost_on(shape: Shape) {
    let messages = number_from("FERRYMQ_CHURN").and_then(|count| count.try_into().ok());
    let messages: u32 = messages.unwrap_or(1_500);
    let seed = number_from("FERRYMQ_SEED").unwrap_or(1);
    eprintln!("seed {seed}");
    let mixed = subjects().contains(&Ferry);
    let network = Network::start(shape, if mixed { &MIXED } else { &[ActiveMq; 5] });
    network.joined();
    let consumed = churn(&network, "queue://orders", messages, seed).await;
    assert_eq!(consumed.len(), messages as usize);
    let again: u32 = consumed.values().map(|times| times - 1).sum();
    eprintln!("came again: {again} of {messages}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn a_mixed_ring_loses_nothing() {
    none_lost_on(RING).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn a_mixed_tree_loses_nothing() {
    none_lost_on(TREE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn a_mixed_mesh_loses_nothing() {
    none_lost_on(MESH).await;
}
