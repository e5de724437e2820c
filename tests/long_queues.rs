//! A queue may be longer than memory is for: what waits in it beyond that is on disk, and nobody
//! can tell by anything but the memory that it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use ferrymq::config::{DestinationPolicy, Limits};
use ferrymq::node::Node;
use ferrymq::routing::{DestinationSnapshot, Sought};
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::{ConsumerInfo, MessageAck, MessageDispatch, MessagePull};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{
    ConnectionId, MessageId, ProducerId, SessionId, TransactionId, XaTransactionId,
};
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_store::contract::Store;
use ferrymq_store::journal::{Journal, Options, Sync};
use ferrymq_store::memory::MemoryStore;
use ferrymq_store::volume::Directory;
use wire::{Wire, keeping_broker, limited, number_of, until};

const SIZE: usize = 2048;
/// What a queue may hold in memory: 32 messages, of which about 22 may wait.
const LIMIT: u64 = 64 * 1024;
const COUNT: i64 = 600;
const BEGIN: i8 = 0;
const PREPARE: i8 = 1;
const COMMIT: i8 = 3;
const ROLL_BACK: i8 = 4;
const END: i8 = 7;

fn orders() -> Destination {
    Destination::queue("orders")
}

/// A journal in a folder of the test's own, which is emptied first if it is to be a new one.
fn journal(name: &str, new: bool) -> Arc<dyn Store> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("long_queues").join(name);
    if new {
        let _ = std::fs::remove_dir_all(&path);
    }
    let directory = Arc::new(Directory::take(&path).expect("a directory of our own"));
    let options = Options { segment_bytes: 4 << 20, sync: Sync::Never, ..Options::new(1) };
    Arc::new(Journal::open(directory, &options).expect("a sound journal").0)
}

async fn small_broker(store: Arc<dyn Store>) -> Node {
    keeping_broker(limited("queue://>", LIMIT), store).await
}

/// A persistent message with properties to select by: `rare` in one of 97.
fn order(sender: &Wire, number: i64) -> MessageFields {
    let mut properties = Properties::default();
    properties.insert("rare", Value::Int(i32::from(number % 97 == 0)));
    MessageFields {
        persistent: true,
        marshalled_properties: Some(properties.encode()),
        ..sender.message(&orders(), number, SIZE)
    }
}

/// Sends messages to the queue, and waits until all are confirmed.
async fn fill(node: &Node, id: &str, numbers: std::ops::RangeInclusive<i64>) {
    let mut sender = Wire::opened(node, id).await;
    let answers: Vec<i32> = numbers.map(|number| sender.submit(&order(&sender, number))).collect();
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
}

fn snapshot(node: &Node) -> DestinationSnapshot {
    let all = node.watch().destinations();
    all.into_iter().find(|one| one.address == orders()).expect("the queue lives")
}

/// Waits until all but what memory is for is on disk.
async fn goes_to_disk(node: &Node) {
    until("what waits goes to disk", || (snapshot(node).memory <= LIMIT).then_some(())).await;
}

/// Takes and settles the next message.
async fn take(receiver: &mut Wire) -> i64 {
    let dispatch = receiver.dispatch().await;
    receiver.settle(&dispatch);
    number_of(&dispatch)
}

async fn takes(receiver: &mut Wire, expected: impl IntoIterator<Item = i64>) {
    for number in expected {
        assert_eq!(take(receiver).await, number);
    }
}

async fn is_empty(node: &Node) {
    until("all is settled", || {
        let DestinationSnapshot { waiting, in_flight, memory, .. } = snapshot(node);
        (waiting + in_flight == 0 && memory == 0).then_some(())
    })
    .await;
}

fn choosing(receiver: &Wire, number: i64, selector: &str) -> ConsumerInfo {
    ConsumerInfo { selector: Some(selector.into()), ..receiver.consumer(number, &orders(), 10) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_any_length_is_taken_and_drains_in_order_also_after_a_restart() {
    for (store, again) in [
        (Arc::new(MemoryStore::default()) as Arc<dyn Store>, None),
        (journal("backlog", true), Some("backlog")),
    ] {
        let node = small_broker(Arc::clone(&store)).await;
        // Nobody reads, and still nobody waits.
        fill(&node, "sender", 1..=COUNT).await;
        goes_to_disk(&node).await;
        assert_eq!(snapshot(&node).waiting, COUNT as usize);
        let mut receiver = Wire::opened(&node, "receiver").await;
        receiver.consume(1, &orders(), 10).await;
        takes(&mut receiver, 1..=COUNT / 3).await;
        until("they are settled", || (snapshot(&node).settled == COUNT as u64 / 3).then_some(()))
            .await;
        node.stop().await;

        drop(receiver);
        let store = match again {
            Some(name) => {
                store.close().unwrap();
                drop(store);
                journal(name, false)
            }
            None => store,
        };
        let node = small_broker(store).await;
        assert_eq!(snapshot(&node).waiting, (COUNT - COUNT / 3) as usize);
        fill(&node, "another sender", COUNT + 1..=COUNT + 50).await;
        let mut receiver = Wire::opened(&node, "receiver").await;
        receiver.consume(1, &orders(), 10).await;
        takes(&mut receiver, COUNT / 3 + 1..=COUNT + 50).await;
        receiver.nothing_comes().await;
        is_empty(&node).await;
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_holds_all_that_memory_is_for_holds_up_no_producer() {
    let node = small_broker(journal("holder", true)).await;
    let mut holder = Wire::opened(&node, "holder").await;
    holder.consume(1, &orders(), 100).await;
    fill(&node, "sender", 1..=COUNT).await;
    let held = holder.numbers(100).await;
    assert_eq!(held, (1..=100).collect::<Vec<_>>());
    fill(&node, "late sender", COUNT + 1..=COUNT + 10).await;
    holder.crash();
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 10).await;
    takes(&mut receiver, 1..=COUNT + 10).await;
    is_empty(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selector_that_matches_nothing_in_memory_finds_what_it_wants_on_disk() {
    let node = small_broker(journal("selector", true)).await;
    fill(&node, "sender", 1..=COUNT).await;
    goes_to_disk(&node).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.ask(choosing(&receiver, 1, "rare = 1").into()).await.unwrap();
    takes(&mut receiver, (1..=COUNT).filter(|number| number % 97 == 0)).await;
    // It has looked at everything; what comes is looked at, too.
    fill(&node, "late sender", COUNT + 1..=COUNT + 100).await;
    takes(&mut receiver, [(COUNT / 97 + 1) * 97]).await;
    receiver.nothing_comes().await;
    assert!(snapshot(&node).memory <= LIMIT);
    let mut all = Wire::opened(&node, "all").await;
    all.consume(1, &orders(), 10).await;
    takes(&mut all, (1..=COUNT + 100).filter(|number| number % 97 != 0)).await;
    is_empty(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_of_several_queues_drains_each_in_its_order() {
    let node = small_broker(journal("several", true)).await;
    fill(&node, "sender", 1..=COUNT).await;
    let bills = Destination::queue("bills");
    let mut sender = Wire::opened(&node, "other").await;
    let mut answers = Vec::new();
    for number in 1..=COUNT {
        let bill = MessageFields { persistent: true, ..sender.message(&bills, number, SIZE) };
        answers.push(sender.submit(&bill));
    }
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
    goes_to_disk(&node).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &Destination::queue(">"), 10).await;
    let mut last = [0, 0];
    for _ in 0..COUNT * 2 {
        let dispatch = receiver.dispatch().await;
        let of = usize::from(dispatch.destination.as_ref() == Some(&bills));
        assert_eq!(number_of(&dispatch), last[of] + 1);
        last[of] += 1;
        receiver.settle(&dispatch);
    }
    assert_eq!(last, [COUNT, COUNT]);
    is_empty(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_sees_what_is_on_disk_in_order_and_takes_none_of_it() {
    let node = small_broker(journal("browser", true)).await;
    fill(&node, "sender", 1..=COUNT).await;
    goes_to_disk(&node).await;
    let mut browser = Wire::opened(&node, "browser").await;
    let info = ConsumerInfo { browser: true, ..browser.consumer(1, &orders(), 50) };
    browser.ask(info.into()).await.unwrap();
    for expected in 1..=COUNT {
        let dispatch = browser.dispatch().await;
        assert_eq!(number_of(&dispatch), expected);
        browser.settle(&dispatch);
    }
    assert_eq!(browser.dispatch().await.message, None);
    assert_eq!(snapshot(&node).waiting, COUNT as usize);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_pulls_gets_what_is_on_disk_at_once() {
    let (store, pulls) = (journal("pulls", true), 5);
    let node = small_broker(Arc::clone(&store)).await;
    fill(&node, "sender", 1..=COUNT).await;
    node.stop().await;
    let node = small_broker(store).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    let info = ConsumerInfo { prefetch_size: 0, ..choosing(&receiver, 1, "rare = 1") };
    receiver.ask(info.into()).await.unwrap();
    for expected in (1..=pulls).map(|nth| nth * 97) {
        receiver.tell(Command::MessagePull(Box::new(MessagePull {
            consumer_id: Some(receiver.consumer_id(1)),
            destination: Some(orders()),
            timeout: -1,
            ..MessagePull::default()
        })));
        let dispatch = receiver.dispatch().await;
        assert!(dispatch.message.is_some(), "there is one");
        assert_eq!(number_of(&dispatch), expected);
        receiver.settle(&dispatch);
    }
    node.stop().await;
}

fn standard(receiver: &Wire, dispatch: &MessageDispatch) -> MessageAck {
    let id = dispatch.message.as_ref().unwrap().message_id();
    MessageAck { first_message_id: id.clone(), last_message_id: id, ..receiver.ack(1, 2, 1, 1, 1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_returns_is_where_it_stood_and_its_deliveries_are_counted() {
    let node = small_broker(journal("returns", true)).await;
    fill(&node, "sender", 1..=COUNT).await;
    goes_to_disk(&node).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 200).await;
    // The second half of what it gets it has in a transaction, which is rolled back.
    let within = receiver.local(1);
    receiver.ask(receiver.step(Some(within.clone()), BEGIN)).await.unwrap();
    for expected in 1..=200 {
        let dispatch = receiver.dispatch().await;
        assert_eq!(number_of(&dispatch), expected);
        if expected > 100 {
            let ack = standard(&receiver, &dispatch);
            let ack = MessageAck { transaction_id: Some(within.clone()), ..ack };
            receiver.tell(Command::MessageAck(Box::new(ack)));
        }
    }
    receiver.ask(receiver.step(Some(within), ROLL_BACK)).await.unwrap();
    receiver.crash();
    until("they wait again", || {
        let DestinationSnapshot { waiting, memory, .. } = snapshot(&node);
        (waiting == COUNT as usize && memory <= LIMIT).then_some(())
    })
    .await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 10).await;
    for expected in 1..=COUNT {
        let dispatch = receiver.dispatch().await;
        assert_eq!(number_of(&dispatch), expected);
        // What it had in the transaction made room for others, which it may have seen.
        if !(201..=400).contains(&expected) {
            assert_eq!(dispatch.redelivery_counter, i32::from(expected <= 200), "{expected}");
        }
        receiver.settle(&dispatch);
    }
    is_empty(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_prepared_branch_has_acknowledged_goes_to_nobody_else_after_a_restart() {
    for (name, decision) in [("committed", COMMIT), ("rolled-back", ROLL_BACK)] {
        let store = journal(name, true);
        let node = small_broker(Arc::clone(&store)).await;
        fill(&node, "sender", 1..=COUNT).await;
        goes_to_disk(&node).await;
        let mut receiver = Wire::opened(&node, "receiver").await;
        receiver.ask(choosing(&receiver, 1, "rare = 1").into()).await.unwrap();
        let branch = TransactionId::Xa(XaTransactionId {
            format_id: 7,
            global_transaction_id: Some(vec![1].into()),
            branch_qualifier: Some(vec![2].into()),
        });
        receiver.ask(receiver.step(Some(branch.clone()), BEGIN)).await.unwrap();
        for expected in [97, 194] {
            let dispatch = receiver.dispatch().await;
            assert_eq!(number_of(&dispatch), expected);
            let ack = standard(&receiver, &dispatch);
            let ack = MessageAck { transaction_id: Some(branch.clone()), ..ack };
            receiver.tell(Command::MessageAck(Box::new(ack)));
        }
        receiver.ask(receiver.step(Some(branch.clone()), END)).await.unwrap();
        let prepared = receiver.request(receiver.step(Some(branch.clone()), PREPARE));
        receiver.number_answered(prepared).await;
        node.stop().await;

        let node = small_broker(Arc::clone(&store)).await;
        assert_eq!(snapshot(&node).waiting, COUNT as usize - 2);
        let mut receiver = Wire::opened(&node, "receiver").await;
        receiver.consume(1, &orders(), 10).await;
        let free = |number: &i64| ![97, 194].contains(number);
        takes(&mut receiver, (1..=400).filter(free)).await;
        receiver.ask(receiver.step(Some(branch), decision)).await.unwrap();
        let mut rest = Vec::new();
        let back = if decision == ROLL_BACK { vec![97, 194] } else { Vec::new() };
        for _ in 0..COUNT as usize - 400 + back.len() {
            rest.push(take(&mut receiver).await);
        }
        rest.sort_unstable();
        assert_eq!(rest, back.into_iter().chain(401..=COUNT).collect::<Vec<_>>());
        receiver.nothing_comes().await;
        is_empty(&node).await;
        node.stop().await;
        store.close().unwrap();
        assert_eq!(store.queues(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_disk_is_counted_and_found() {
    let node = small_broker(journal("found", true)).await;
    fill(&node, "sender", 1..=COUNT).await;
    goes_to_disk(&node).await;
    let on_disk = snapshot(&node).on_disk;
    assert!((COUNT as usize - 32..COUNT as usize).contains(&on_disk), "{on_disk}");
    let sender = ProducerId::new(&SessionId::new(&ConnectionId::new("sender"), 1), 1);
    for number in [1, 400, COUNT] {
        let id = MessageId::new(sender.clone(), number);
        let insight = node.watch().queue_insight(&orders(), Some(&id)).unwrap();
        let Some(Sought::Waiting(found)) = insight.sought else { panic!("{:?}", insight.sought) };
        assert_eq!(found.message.message_id(), Some(id));
        assert!(!insight.full, "nobody waits");
    }
    let nobody = MessageId::new(sender, COUNT + 1);
    let insight = node.watch().queue_insight(&orders(), Some(&nobody)).unwrap();
    assert!(matches!(insight.sought, Some(Sought::NotFound { searched_all: true })));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_may_keep_of_one_queue_bounds_that_queue_only() {
    let pattern = DestinationPattern::parse("queue://orders").unwrap();
    let policy = DestinationPolicy {
        memory_limit: Some(LIMIT),
        store_limit: Some(200 * 1024),
        ..DestinationPolicy::new(pattern)
    };
    let limits = Limits { policies: vec![policy], ..Limits::default() };
    let node = keeping_broker(limits, journal("bounded", true)).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let answers: Vec<i32> =
        (1..=COUNT).map(|number| sender.submit(&order(&sender, number))).collect();
    until("producers wait", || {
        let all = node.watch().destinations();
        all.iter().any(|one| one.parked > 0).then_some(())
    })
    .await;
    let mut other = Wire::opened(&node, "other").await;
    let bills = Destination::queue("bills");
    let bill = MessageFields { persistent: true, ..other.message(&bills, 1, SIZE) };
    let billed = other.submit(&bill);
    other.answer(billed).await.unwrap();
    assert!(snapshot(&node).waiting < COUNT as usize);
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 10).await;
    takes(&mut receiver, 1..=COUNT).await;
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
    is_empty(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_queues_give_memory_back_when_others_want_it() {
    // Ten queues may each hold more than a fifth of this.
    let limits = Limits { memory: 1024 * 1024, ..Limits::default() };
    let node = keeping_broker(limits, journal("idle", true)).await;
    let mut sender = Wire::opened(&node, "sender").await;
    for queue in 0..10 {
        let address = Destination::queue(format!("idle.{queue}"));
        let fields = |number: i64| MessageFields {
            persistent: true,
            ..sender.message(&address, queue * 1_000 + number, SIZE)
        };
        let messages: Vec<MessageFields> = (0..100).map(fields).collect();
        let answers: Vec<i32> = messages.iter().map(|fields| sender.submit(fields)).collect();
        for answer in answers {
            sender.answer(answer).await.unwrap();
        }
    }
    // What is on no disk finds room, too.
    let passing = Destination::topic("passing");
    let mut reader = Wire::opened(&node, "reader").await;
    reader.consume(1, &passing, 1_000).await;
    for number in 0..100 {
        sender.send(&passing, number, SIZE);
    }
    assert_eq!(reader.numbers(100).await, (0..100).collect::<Vec<_>>());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_takes_what_it_has_on_disk_with_it() {
    let store = journal("deleted", true);
    let node = small_broker(Arc::clone(&store)).await;
    fill(&node, "sender", 1..=COUNT).await;
    let mut operator = Wire::opened(&node, "operator").await;
    let deletion = ferrymq_openwire::commands::DestinationInfo {
        destination: Some(orders()),
        operation_type: 1,
        ..Default::default()
    };
    operator.ask(Command::DestinationInfo(deletion)).await.unwrap();
    fill(&node, "late sender", COUNT + 1..=COUNT + 60).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 10).await;
    takes(&mut receiver, COUNT + 1..=COUNT + 60).await;
    receiver.nothing_comes().await;
    node.stop().await;
    assert!(store.queues().is_empty(), "{:?}", store.queues());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_a_long_queue_takes_a_few_megabytes() {
    let node = keeping_broker(Limits::default(), journal("default", true)).await;
    let mut sender = Wire::opened(&node, "sender").await;
    let mut answers = Vec::new();
    for number in 1..=200 {
        let fields =
            MessageFields { persistent: true, ..sender.message(&orders(), number, 128 * 1024) };
        answers.push(sender.submit(&fields));
    }
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
    until("it goes to disk", || (snapshot(&node).memory <= 8 << 20).then_some(())).await;
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 10).await;
    takes(&mut receiver, 1..=200).await;
    node.stop().await;
}
