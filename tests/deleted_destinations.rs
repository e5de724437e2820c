//! Whoever subscribes or sends in the moment in which a destination is deleted has the one that comes
//! after it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::DestinationInfo;
use ferrymq_openwire::destination::Destination;
use tokio::task::JoinHandle;
use wire::{Wire, broker, number_of};

const ROUNDS: i64 = 2_000;

/// Deletes a destination again and again, unless somebody consumes from it.
struct Deleter {
    end: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Deleter {
    async fn start(node: &Node, address: &Destination, name: &str) -> Self {
        let mut peer = Wire::pipe(node);
        peer.open(name).await.unwrap();
        let remove = DestinationInfo {
            destination: Some(address.clone()),
            operation_type: 1,
            ..DestinationInfo::default()
        };
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let task = tokio::spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                // It is refused while there are consumers.
                let _ = peer.ask(remove.clone().into()).await;
            }
        });
        Self { end, task }
    }

    async fn end(self) {
        self.end.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

async fn deleters(node: &Node, address: &Destination) -> Vec<Deleter> {
    let mut all = Vec::new();
    for name in ["one", "other"] {
        all.push(Deleter::start(node, address, name).await);
    }
    all
}

/// Subscribes, sends, and must get what it sent, round after round.
async fn hears_itself(durable: bool) {
    let node = broker(Limits::default()).await;
    let topic = Destination::topic("t");
    let all = deleters(&node, &topic).await;
    let mut peer = Wire::pipe(&node);
    peer.open("peer").await.unwrap();
    for number in 1..=ROUNDS {
        if durable {
            peer.subscribe(number, "name", &topic, 10).await;
        } else {
            peer.consume(number, &topic, 10).await;
        }
        let message = peer.message(&topic, number, 0);
        let sent = peer.submit(&message);
        peer.answer(sent).await.unwrap();
        let dispatch = peer.dispatch().await;
        assert_eq!(number_of(&dispatch), number);
        peer.settle(&dispatch);
        peer.ask(Wire::remove(Command::ConsumerId(peer.consumer_id(number)), -1)).await.unwrap();
        if durable {
            peer.unsubscribe("name").await.unwrap();
        }
    }
    for deleter in all {
        deleter.end().await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscriber_hears_what_comes_after_it() {
    hears_itself(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_does_a_durable_subscription() {
    hears_itself(true).await;
}
