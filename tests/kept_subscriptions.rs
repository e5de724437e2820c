//! What durable subscriptions keep is kept once for all of them, in memory and in the store; and a
//! commit's part there is one with the rest of the commit. (The store is one in memory that notes
//! what it is told, batch by batch: any number of them from the first on is what a crash may leave.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::sync::Arc;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_store::contract::{
    Batch, Entry, Failure, Listener, Observer, Operation, QueueId, QueueState, ReadError,
    ReadLimits, Refusal, Store, Stored, Table, Ticket,
};
use ferrymq_store::memory::MemoryStore;
use parking_lot::Mutex;
use wire::{Wire, keeping_broker, number_of, until};

const BEGIN: i8 = 0;
const COMMIT: i8 = 2;

/// A store in memory that notes what it is told.
#[derive(Debug, Default)]
struct Noting {
    store: MemoryStore,
    batches: Mutex<Vec<Vec<Operation>>>,
}

impl Noting {
    fn batches(&self) -> usize {
        self.batches.lock().len()
    }

    /// What a crash leaves after so many batches.
    fn after(&self, batches: usize) -> Arc<dyn Store> {
        let store = MemoryStore::default();
        for operations in self.batches.lock().iter().take(batches) {
            let mut batch = Batch::new();
            operations.iter().cloned().for_each(|operation| batch.push(operation));
            store.submit(&mut batch, None).unwrap();
        }
        Arc::new(store)
    }
}

impl Store for Noting {
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        let mut batches = self.batches.lock();
        let operations = batch.operations().to_vec();
        let ticket = self.store.submit(batch, listener)?;
        if !operations.is_empty() {
            batches.push(operations);
        }
        Ok(ticket)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.store.has_room(bytes)
    }

    fn settled(&self) -> Ticket {
        self.store.settled()
    }

    fn read(
        &self,
        queue: QueueId,
        from: u64,
        limits: ReadLimits,
        into: &mut Vec<Stored>,
    ) -> Result<(), ReadError> {
        self.store.read(queue, from, limits, into)
    }

    fn queue(&self, queue: QueueId) -> QueueState {
        self.store.queue(queue)
    }

    fn queues(&self) -> Vec<QueueState> {
        self.store.queues()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<bytes::Bytes>, ReadError> {
        self.store.get(table, key)
    }

    fn entries(
        &self,
        table: Table,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        self.store.entries(table, after, most)
    }

    fn last_sequence(&self) -> u64 {
        self.store.last_sequence()
    }

    fn watch(&self, observer: Arc<dyn Observer>) {
        self.store.watch(observer);
    }

    fn close(&self) -> Result<(), Failure> {
        self.store.close()
    }
}

async fn start(store: Arc<dyn Store>) -> Node {
    keeping_broker(Limits::default(), store).await
}

fn news() -> Destination {
    Destination::topic("news")
}

/// Sends persistent messages, and waits until they are confirmed.
async fn fill(peer: &mut Wire, to: &Destination, numbers: &[i64], size: usize) {
    for number in numbers {
        let fields = MessageFields { persistent: true, ..peer.message(to, *number, size) };
        let answer = peer.submit(&fields);
        peer.answer(answer).await.unwrap();
    }
}

async fn leave(peer: &mut Wire, consumer: i64) {
    let consumer = Command::ConsumerId(peer.consumer_id(consumer));
    peer.ask(Wire::remove(consumer, -1)).await.unwrap();
}

/// What a subscription has, or a queue.
async fn contents(peer: &mut Wire, what: &str) -> Vec<i64> {
    match what {
        "bills" => peer.consume(9, &Destination::queue("bills"), 100).await,
        name => peer.subscribe(9, name, &news(), 100).await,
    }
    let mut numbers = Vec::new();
    while let Some(dispatch) = peer.dispatch_soon().await {
        numbers.push(number_of(&dispatch));
    }
    leave(peer, 9).await;
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_all_of_a_commit_or_nothing() {
    let store = Arc::new(Noting::default());
    let node = start(store.clone()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let bills = Destination::queue("bills");
    peer.subscribe(1, "paper", &news(), 100).await;
    peer.subscribe(2, "gazette", &news(), 100).await;
    fill(&mut peer, &news(), &[1, 2], 2048).await;
    peer.numbers(4).await;
    fill(&mut peer, &bills, &[5], 2048).await;
    let before = store.batches();
    let id = peer.local(1);
    peer.ask(peer.step(Some(id.clone()), BEGIN)).await.unwrap();
    peer.send_in(&id, &bills, 10);
    peer.send_in(&id, &news(), 11);
    peer.send_in(&id, &news(), 12);
    for (consumer, last) in [(1, 1), (2, 2)] {
        let ack = peer.ack(consumer, 2, 1, last, i32::try_from(last).unwrap());
        peer.ask(MessageAck { transaction_id: Some(id.clone()), ..ack }.into()).await.unwrap();
    }
    peer.ask(peer.step(Some(id), COMMIT)).await.unwrap();
    let after = store.batches();
    peer.crash();
    until("it is gone", || (node.status().connections == 0).then_some(())).await;
    node.stop().await;

    for batches in before..=after {
        let node = start(store.after(batches)).await;
        let mut peer = Wire::opened(&node, "peer").await;
        let mut seen = Vec::new();
        for what in ["paper", "gazette", "bills"] {
            seen.push(contents(&mut peer, what).await);
        }
        let expected: [&[i64]; 3] = match batches == before {
            true => [&[1, 2], &[1, 2], &[5]],
            false => [&[2, 11, 12], &[11, 12], &[5, 10]],
        };
        assert_eq!(seen, expected, "{} of {} batches", batches - before, after - before);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_kept_once_for_all_subscriptions() {
    const SUBSCRIPTIONS: i64 = 6;
    let size = 100 * 1024;
    let store = Arc::new(Noting::default());
    let node = start(store.clone()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for number in 1..=SUBSCRIPTIONS {
        peer.subscribe(number, &format!("s{number}"), &news(), 100).await;
        leave(&mut peer, number).await;
    }
    // One of them by a pattern, which is the last in the order of names.
    peer.subscribe(7, "wild", &Destination::topic(">"), 100).await;
    leave(&mut peer, 7).await;
    fill(&mut peer, &news(), &[1, 2], size).await;
    let appended: Vec<usize> = store
        .batches
        .lock()
        .iter()
        .flatten()
        .filter_map(|operation| match operation {
            Operation::Append { holders, .. } => Some(holders.as_slice().len()),
            _ => None,
        })
        .collect();
    assert_eq!(appended, [7, 7]);
    let live = node.status().memory;
    assert!(live < 3 * size as u64, "{live}");
    node.stop().await;

    let node = start(store.clone()).await;
    let again = node.status().memory;
    assert!(again < 3 * size as u64, "{again} after the start, {live} before");
    // One goes on while the others stay away.
    let mut peer = Wire::opened(&node, "peer").await;
    peer.subscribe(1, "s1", &news(), 100).await;
    for number in 1..=2 {
        let dispatch = peer.dispatch().await;
        assert_eq!(number_of(&dispatch), number);
        peer.settle(&dispatch);
    }
    until("it is settled", || {
        let all = node.watch().durable_subscriptions();
        all.iter().find(|one| one.name.name == "s1" && one.settled == 2).map(drop)
    })
    .await;
    peer.unsubscribe("wild").await.unwrap();
    node.stop().await;

    let node = start(store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    assert_eq!(contents(&mut peer, "s1").await, [] as [i64; 0]);
    for number in 2..=SUBSCRIPTIONS {
        assert_eq!(contents(&mut peer, &format!("s{number}")).await, [1, 2]);
    }
    node.stop().await;
}

/// Each subscription keeps what it selects, and who publishes at the same time gets in nobody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_and_commits_at_the_same_time_keep_their_order_at_every_subscription() {
    const EACH: i64 = 60;
    let store = Arc::new(Noting::default());
    let node = start(store.clone()).await;
    let mut reader = Wire::opened(&node, "peer").await;
    let (all, other) = (Destination::topic(">"), Destination::topic("other"));
    for (consumer, name, to) in
        [(1, "a", &news()), (2, "b", &all), (3, "c", &other), (4, "d", &news()), (5, "e", &other)]
    {
        reader.subscribe(consumer, name, to, 1000).await;
        leave(&mut reader, consumer).await;
    }
    let mut writers = Vec::new();
    for writer in 0..4 {
        let mut peer = Wire::opened(&node, &format!("writer-{writer}")).await;
        let (news, other) = (news(), other.clone());
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                let number = writer * 1000 + number;
                let topics = if writer % 2 == 0 { [&news, &other] } else { [&other, &news] };
                if number % 3 == 0 {
                    for to in topics {
                        fill(&mut peer, to, &[number], 1500).await;
                    }
                    continue;
                }
                let id = peer.local(number);
                peer.ask(peer.step(Some(id.clone()), BEGIN)).await.unwrap();
                for to in topics {
                    peer.send_in(&id, to, number);
                }
                peer.ask(peer.step(Some(id), COMMIT)).await.unwrap();
            }
        }));
    }
    for writer in writers {
        tokio::time::timeout(wire::PATIENCE, writer).await.expect("nobody waits for ever").unwrap();
    }
    node.stop().await;
    let node = start(store).await;
    let mut reader = Wire::opened(&node, "peer").await;
    for (name, to, copies) in
        [("a", &news(), 1), ("b", &all, 2), ("c", &other, 1), ("e", &other, 1)]
    {
        reader.subscribe(1, name, to, 1000).await;
        let seen = reader.numbers(usize::try_from(4 * EACH * copies).unwrap()).await;
        for writer in 0..4 {
            let own: Vec<i64> =
                seen.iter().copied().filter(|number| number / 1000 == writer).collect();
            assert!(own.is_sorted(), "{name}: {own:?}");
        }
        leave(&mut reader, 1).await;
    }
    node.stop().await;
}
