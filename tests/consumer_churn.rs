//! Under load from many connections, while consumers come and go: nothing is lost, nothing comes
//! twice without saying so, and what one consumer gets of one producer is in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ProducerId;
use parking_lot::Mutex;
use wire::{Wire, broker, number_of, until};

const PRODUCERS: usize = 4;
const EACH: usize = 3_000;

/// Which messages were consumed, each once; and which were delivered at all.
#[derive(Default)]
struct Ledger {
    delivered: Mutex<BTreeMap<(ProducerId, i64), usize>>,
    settled: Mutex<BTreeMap<(ProducerId, i64), usize>>,
    count: AtomicUsize,
}

impl Ledger {
    fn key(dispatch: &MessageDispatch) -> (ProducerId, i64) {
        (dispatch.message.as_ref().unwrap().producer_id().unwrap(), number_of(dispatch))
    }

    fn deliver(&self, dispatch: &MessageDispatch) {
        let mut delivered = self.delivered.lock();
        let times = delivered.entry(Self::key(dispatch)).or_default();
        let told = usize::try_from(dispatch.redelivery_counter).unwrap();
        assert!(told >= *times, "delivered {times} times before, but it says {told}");
        *times += 1;
    }

    fn settle(&self, dispatch: &MessageDispatch) {
        *self.settled.lock().entry(Self::key(dispatch)).or_default() += 1;
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn is_complete(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= PRODUCERS * EACH
    }
}

async fn produce(mut sender: Wire, queue: Destination) {
    for number in 0..EACH {
        let message = sender.message(&queue, i64::try_from(number).unwrap(), 1100);
        if number % 50 == 49 {
            let sent = sender.submit(&message);
            sender.answer(sent).await.unwrap();
        } else {
            sender.tell(Command::Message(Arc::new(
                ferrymq_openwire::message::Message::from_fields(&message).unwrap(),
            )));
        }
    }
    // What was sent last is taken before it goes.
    let connection = sender.connection.clone();
    sender.ask(Wire::remove(Command::ConnectionId(connection), -1)).await.unwrap();
}

/// How a consumer's life may end.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Announced,
    AnyHow,
}

/// Consumes now and then, in lives of random length.
async fn consume(
    node: Arc<Node>,
    number: u64,
    queue: Destination,
    ledger: Arc<Ledger>,
    ends: Ends,
) {
    let mut random = fastrand::Rng::with_seed(number);
    let mut life = 0;
    let mut last: BTreeMap<ProducerId, i64> = BTreeMap::new();
    while !ledger.is_complete() {
        life += 1;
        let mut peer = Wire::opened(&node, &format!("consumer-{number}-{life}")).await;
        let window = random.i32(1..40);
        peer.consume(1, &queue, window).await;
        let mut sequence = -1;
        for _ in 0..random.usize(1..400) {
            let Some(dispatch) = peer.dispatch_soon().await else { break };
            ledger.deliver(&dispatch);
            sequence = dispatch.message.as_ref().unwrap().broker_sequence_id();
            if ends == Ends::Announced {
                // It is the only one, so not even its own former lives let anything overtake.
                let (producer, number) = Ledger::key(&dispatch);
                let former = last.insert(producer, number);
                assert!(former < Some(number), "{number} came after {former:?}");
            }
            peer.settle(&dispatch);
            ledger.settle(&dispatch);
        }
        match random.u8(..3) {
            // What it did not settle it never delivered.
            0 => {
                let id = Command::ConsumerId(peer.consumer_id(1));
                peer.ask(Wire::remove(id, sequence)).await.unwrap();
            }
            1 => {
                let id = Command::ConnectionId(peer.connection.clone());
                peer.ask(Wire::remove(id, -1)).await.unwrap();
            }
            _ => {
                // What it settled was read before this is answered; then it leaves without a word.
                peer.consume(2, &Destination::queue("nothing"), 1).await;
                if ends == Ends::Announced {
                    let id = Command::ConsumerId(peer.consumer_id(1));
                    peer.ask(Wire::remove(id, sequence)).await.unwrap();
                }
                peer.crash();
            }
        }
    }
}

async fn run(consumers: u64, ends: Ends) {
    // Little memory, so that producers wait most of the time.
    let limits = Limits { memory: 200_000, ..Limits::default() };
    let node = Arc::new(broker(limits).await);
    let queue = Destination::queue("q");
    let ledger = Arc::new(Ledger::default());
    let mut peers = tokio::task::JoinSet::new();
    for number in 0..PRODUCERS {
        let sender = Wire::opened(&node, &format!("producer-{number}")).await;
        peers.spawn(produce(sender, queue.clone()));
    }
    for number in 0..consumers {
        let (node, ledger) = (Arc::clone(&node), Arc::clone(&ledger));
        peers.spawn(consume(node, number, queue.clone(), ledger, ends));
    }
    while let Some(done) = peers.join_next().await {
        done.unwrap();
    }
    let settled = std::mem::take(&mut *ledger.settled.lock());
    assert_eq!(settled.len(), PRODUCERS * EACH);
    assert!(settled.values().all(|times| *times == 1), "a settled message came again");
    until("nothing is left", || {
        let found = node.status();
        let queue = found.destinations.iter().find(|found| found.address == queue)?;
        let left = (queue.waiting, queue.in_flight, queue.consumers, found.memory);
        (left == (0, 0, 0, 0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn among_many_consumers_nothing_is_lost_or_doubled() {
    run(6, Ends::AnyHow).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lone_consumer_gets_all_of_each_producer_in_order_over_all_its_lives() {
    run(1, Ends::Announced).await;
}
