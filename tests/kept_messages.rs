//! A persistent message that was confirmed to its producer outlives the broker until it is settled;
//! nothing is confirmed before the store has it. (The store is one in memory here, which outlives
//! its brokers; `tests/crash.rs` kills processes.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq::config::Limits;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{DestinationInfo, MessageAck};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_store::contract::{
    Batch, Entry, Failure, Listener, Observer, QueueId, QueueState, ReadError, ReadLimits, Refusal,
    Store, Stored, Table, Ticket,
};
use ferrymq_store::memory::MemoryStore;
use parking_lot::Mutex;
use wire::{Wire, keeping_broker, number_of, until};

const BEGIN: i8 = 0;
const COMMIT: i8 = 2;

const ROOM: u64 = 1024 * 1024 * 1024;

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(ROOM))
}

fn persistent(fields: MessageFields) -> MessageFields {
    MessageFields { persistent: true, ..fields }
}

/// Sends persistent messages, and waits until they are confirmed.
async fn fill(node: &ferrymq::node::Node, id: &str, to: &Destination, numbers: &[i64]) {
    let mut sender = Wire::opened(node, id).await;
    for number in numbers {
        let fields = persistent(sender.message(to, *number, 2048));
        let answer = sender.submit(&fields);
        sender.answer(answer).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_not_settled_comes_back_in_its_order_and_nothing_else() {
    let (store, orders) = (memory(), Destination::queue("orders"));
    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    fill(&node, "first", &orders, &[1, 2, 3, 4, 5]).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.send(&orders, 77, 2048);
    receiver.consume(1, &orders, 100).await;
    let mut dispatches = Vec::new();
    for _ in 0..6 {
        dispatches.push(receiver.dispatch().await);
    }
    // Out of order, so that there is a gap; the last one is not persistent.
    for nth in [0, 2, 3] {
        receiver.settle(&dispatches[nth]);
    }
    until("it is settled", || (node.status().destinations[0].settled == 3).then_some(())).await;
    node.stop().await;

    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    fill(&node, "second", &orders, &[6]).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    assert_eq!(receiver.numbers(3).await, [2, 5, 6]);
    receiver.nothing_comes().await;
    node.stop().await;
}

#[tokio::test]
async fn a_transaction_is_kept_when_it_is_committed_and_all_of_it() {
    let (store, orders) = (memory(), Destination::queue("orders"));
    let bills = Destination::queue("bills");
    for commit in [false, true] {
        let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
        if !commit {
            fill(&node, "first", &orders, &[1]).await;
        }
        let mut peer = Wire::opened(&node, "peer").await;
        let id = peer.local(1);
        peer.consume(1, &orders, 10).await;
        let taken = peer.dispatch().await;
        assert_eq!(number_of(&taken), 1);
        peer.ask(peer.step(Some(id.clone()), BEGIN)).await.unwrap();
        let sent = MessageFields {
            transaction_id: Some(id.clone()),
            ..persistent(peer.message(&bills, 2, 2048))
        };
        let answer = peer.submit(&sent);
        peer.answer(answer).await.unwrap();
        let message_id = taken.message.as_ref().unwrap().message_id();
        let ack = MessageAck {
            transaction_id: Some(id.clone()),
            first_message_id: message_id.clone(),
            last_message_id: message_id,
            ..peer.ack(1, 2, 1, 1, 1)
        };
        peer.ask(ack.into()).await.unwrap();
        if commit {
            peer.ask(peer.step(Some(id), COMMIT)).await.unwrap();
        }
        node.stop().await;
    }
    let node = keeping_broker(Limits::default(), store).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    receiver.consume(2, &bills, 100).await;
    assert_eq!(receiver.numbers(1).await, [2]);
    receiver.nothing_comes().await;
    node.stop().await;
}

#[tokio::test]
async fn what_a_transaction_sends_is_nobodys_before_it_is_safe() {
    let store = Arc::new(Slow::default());
    let orders = Destination::queue("orders");
    let node = keeping_broker(Limits::default(), store.clone()).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let id = sender.local(1);
    sender.tell(sender.step(Some(id.clone()), BEGIN));
    for number in [1, 2] {
        let sent = MessageFields {
            transaction_id: Some(id.clone()),
            ..persistent(sender.message(&orders, number, 2048))
        };
        let answer = sender.submit(&sent);
        sender.answer(answer).await.unwrap();
    }
    store.settle();
    let commit = sender.request(sender.step(Some(id), COMMIT));
    until("somebody waits for it", || (store.held() > 0).then_some(())).await;
    receiver.nothing_comes().await;
    sender.nothing_comes().await;
    store.settle();
    sender.answer(commit).await.unwrap();
    assert_eq!(receiver.numbers(2).await, [1, 2]);
    node.stop().await;
}

#[tokio::test]
async fn a_durable_subscription_comes_back_with_what_it_kept() {
    let (store, news) = (memory(), Destination::topic("news"));
    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    let mut reader = Wire::opened(&node, "reader").await;
    reader.subscribe(1, "paper", &news, 100).await;
    reader.subscribe(2, "old", &news, 100).await;
    fill(&node, "editor", &news, &[1, 2]).await;
    for _ in 0..4 {
        let dispatch = reader.dispatch().await;
        if number_of(&dispatch) == 1 {
            reader.settle(&dispatch);
        }
    }
    for consumer in [1, 2] {
        let id = reader.consumer_id(consumer);
        reader.ask(Wire::remove(Command::ConsumerId(id), 0)).await.unwrap();
    }
    reader.unsubscribe("old").await.unwrap();
    fill(&node, "late editor", &news, &[3]).await;
    node.stop().await;

    let node = keeping_broker(Limits::default(), store).await;
    // Before anybody takes it up.
    fill(&node, "editor", &news, &[4]).await;
    let names: Vec<String> = node
        .watch()
        .durable_subscriptions()
        .iter()
        .map(|one| one.name.name.to_string_lossy().into())
        .collect();
    assert_eq!(names, ["paper"]);
    let mut reader = Wire::opened(&node, "reader").await;
    reader.subscribe(1, "paper", &news, 100).await;
    assert_eq!(reader.numbers(3).await, [2, 3, 4]);
    reader.nothing_comes().await;
    node.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_deleted_does_not_come_back_with_its_messages() {
    let (store, orders) = (memory(), Destination::queue("orders"));
    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    fill(&node, "sender", &orders, &[1, 2]).await;
    fill(&node, "other", &Destination::queue("bills"), &[9]).await;
    let mut operator = Wire::opened(&node, "operator").await;
    let deletion = DestinationInfo {
        destination: Some(orders.clone()),
        operation_type: 1,
        ..DestinationInfo::default()
    };
    operator.ask(Command::DestinationInfo(deletion)).await.unwrap();
    fill(&node, "later", &orders, &[3]).await;
    node.stop().await;

    let node = keeping_broker(Limits::default(), store).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    receiver.consume(2, &Destination::queue("bills"), 100).await;
    let mut numbers = receiver.numbers(2).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 9]);
    receiver.nothing_comes().await;
    node.stop().await;
}

#[tokio::test]
async fn what_expired_while_the_broker_was_away_becomes_a_dead_letter_once() {
    let (store, orders) = (memory(), Destination::queue("orders"));
    let letters = Destination::queue("ActiveMQ.DLQ");
    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    // The queue of dead letters has a higher number than this one.
    fill(&node, "sender", &orders, &[1]).await;
    fill(&node, "other", &letters, &[7]).await;
    let mut sender = Wire::opened(&node, "brief").await;
    let soon = ferrymq_transport::clock::Clock::system().now_millis() + 300;
    let brief = MessageFields { expiration: soon, ..persistent(sender.message(&orders, 2, 2048)) };
    let answer = sender.submit(&brief);
    sender.answer(answer).await.unwrap();
    node.stop().await;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;

    for round in 0..2 {
        let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
        let mut receiver = Wire::opened(&node, "receiver").await;
        receiver.consume(1, &letters, 100).await;
        if round == 0 {
            for expected in [7, 2] {
                let dispatch = receiver.dispatch().await;
                assert_eq!(number_of(&dispatch), expected);
                receiver.settle(&dispatch);
            }
            until("both are settled", || {
                let all = node.status().destinations;
                all.iter().find(|one| one.address == letters && one.settled == 2).map(drop)
            })
            .await;
        }
        receiver.nothing_comes().await;
        receiver.consume(2, &orders, 100).await;
        assert_eq!(receiver.numbers(1).await, [1]);
        node.stop().await;
    }
}

#[tokio::test]
async fn what_is_refused_or_expired_is_kept_as_a_dead_letter_once() {
    let (store, orders) = (memory(), Destination::queue("orders"));
    let node = keeping_broker(Limits::default(), Arc::clone(&store)).await;
    fill(&node, "sender", &orders, &[1, 2]).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    let expired = MessageFields { expiration: 1, ..persistent(receiver.message(&orders, 3, 2048)) };
    let answer = receiver.submit(&expired);
    receiver.answer(answer).await.unwrap();
    receiver.consume(1, &orders, 1).await;
    let dispatch = receiver.dispatch().await;
    let id = dispatch.message.as_ref().unwrap().message_id();
    let mut poison = receiver.ack(1, 1, 1, 1, 1);
    (poison.first_message_id, poison.last_message_id) = (id.clone(), id);
    receiver.ask(Command::MessageAck(Box::new(poison))).await.unwrap();
    node.stop().await;

    let node = keeping_broker(Limits::default(), store).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    assert_eq!(receiver.numbers(1).await, [2]);
    receiver.nothing_comes().await;
    receiver.consume(2, &Destination::queue("ActiveMQ.DLQ"), 100).await;
    let mut numbers = receiver.numbers(2).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3]);
    receiver.nothing_comes().await;
    node.stop().await;
}

#[tokio::test]
async fn nothing_is_confirmed_before_the_store_has_it() {
    let store = Arc::new(Slow::default());
    let orders = Destination::queue("orders");
    let node = keeping_broker(Limits::default(), store.clone()).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let fields = persistent(sender.message(&orders, 1, 2048));
    let answer = sender.submit(&fields);
    // What need not be kept does not wait behind it.
    let passing = MessageFields { persistent: false, ..sender.message(&orders, 2, 2048) };
    let other = sender.submit(&passing);
    sender.answer(other).await.unwrap();
    // Nor does who consumes it.
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    let dispatch = receiver.dispatch().await;
    assert_eq!(number_of(&dispatch), 1);
    let mut ack = receiver.ack(1, 2, 1, 1, 1);
    ack.first_message_id = dispatch.message.as_ref().unwrap().message_id();
    ack.last_message_id.clone_from(&ack.first_message_id);
    let acknowledged = receiver.request(Command::MessageAck(Box::new(ack)));
    until("the acknowledgement is in the store", || (store.held() == 2).then_some(())).await;
    sender.nothing_comes().await;
    store.settle();
    sender.answer(answer).await.unwrap();
    receiver.answer(acknowledged).await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn producers_of_persistent_messages_wait_for_room_and_others_do_not() {
    let room = 2 * 1024 * 1024;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(room));
    let orders = Destination::queue("orders");
    let node = keeping_broker(Limits::default(), store).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let count = 40;
    let answers: Vec<i32> = (0..count)
        .map(|number| sender.submit(&persistent(sender.message(&orders, number, 64 * 1024))))
        .collect();
    let mut other = Wire::opened(&node, "other").await;
    let passing = other.message(&Destination::queue("passing"), 1, 2048);
    let passed = other.submit(&passing);
    other.answer(passed).await.unwrap();
    assert!(node.status().destinations[0].waiting < 40);
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    for number in 0..count {
        let dispatch = receiver.dispatch().await;
        assert_eq!(number_of(&dispatch), number);
        receiver.settle(&dispatch);
    }
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
    node.stop().await;
}

#[tokio::test]
async fn what_finds_no_room_for_a_moment_is_kept_later_and_confirmed_then() {
    let store = Arc::new(Slow::default());
    let orders = Destination::queue("orders");
    let node = keeping_broker(Limits::default(), store.clone()).await;
    fill_later(&store, &node, &orders).await;
    node.stop().await;
    let node = keeping_broker(Limits::default(), store).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders, 100).await;
    assert_eq!(receiver.numbers(3).await, [1, 2, 3]);
    receiver.nothing_comes().await;
    node.stop().await;
}

/// Sends two messages while the store is full and, when there is room, a third.
async fn fill_later(store: &Arc<Slow>, node: &ferrymq::node::Node, orders: &Destination) {
    let mut sender = Wire::opened(node, "sender").await;
    store.full.store(true, Ordering::SeqCst);
    let mut answers = Vec::new();
    for number in [1, 2] {
        answers.push(sender.submit(&persistent(sender.message(orders, number, 2048))));
    }
    until("they came", || (node.status().destinations.first()?.waiting == 2).then_some(())).await;
    sender.nothing_comes().await;
    store.full.store(false, Ordering::SeqCst);
    store.observer.lock().as_ref().unwrap().room();
    until("somebody waits for them", || (store.held() > 0).then_some(())).await;
    store.settle();
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
    let third = sender.submit(&persistent(sender.message(orders, 3, 2048)));
    until("somebody waits for it", || (store.held() > 0).then_some(())).await;
    store.settle();
    sender.answer(third).await.unwrap();
}

/// A store whose device takes its time: nothing is called settled until it is told. And it can have
/// no room.
struct Slow {
    store: MemoryStore,
    full: AtomicBool,
    observer: Mutex<Option<Arc<dyn Observer>>>,
    waiting: Mutex<Vec<(Ticket, Arc<dyn Listener>)>>,
}

impl Default for Slow {
    fn default() -> Self {
        let (full, observer) = (AtomicBool::new(false), Mutex::default());
        Self { store: MemoryStore::new(ROOM), full, observer, waiting: Mutex::default() }
    }
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

impl Slow {
    /// Batches that somebody waits for.
    fn held(&self) -> usize {
        self.waiting.lock().len()
    }

    fn settle(&self) {
        for (ticket, listener) in self.waiting.lock().drain(..) {
            listener.settled(ticket, Ok(()));
        }
    }
}

impl Store for Slow {
    fn submit(
        &self,
        batch: &mut Batch,
        listener: Option<Arc<dyn Listener>>,
    ) -> Result<Ticket, Refusal> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Refusal::Full);
        }
        let ticket = self.store.submit(batch, None)?;
        self.waiting.lock().extend(listener.map(|listener| (ticket, listener)));
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
        *self.observer.lock() = Some(observer);
    }

    fn close(&self) -> Result<(), Failure> {
        self.store.close()
    }
}
