//! What a durable subscription keeps may be more than memory is for: beyond a few messages it is on
//! disk, once for all subscriptions, and comes back in order when somebody takes it up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use ferrymq::config::{DestinationPolicy, Limits};
use ferrymq::node::Node;
use ferrymq::routing::DurableSnapshot;
use ferrymq_client::{AckMode, ConnectOptions, Connection, ConsumerOptions, OutgoingMessage};
use ferrymq_network::destination_pattern::DestinationPattern;
use ferrymq_openwire::commands::{ConnectionInfo, ConsumerInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{TransactionId, XaTransactionId};
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_store::contract::Store;
use ferrymq_store::journal::{Journal, Options, Sync};
use ferrymq_store::memory::MemoryStore;
use ferrymq_store::volume::Directory;
use support::{Ferry, FerrySetup, Native, PATIENCE, destination};
use tokio::time::Instant;
use wire::{Wire, keeping_broker, number_of, until};

const SIZE: usize = 2048;
/// What the broker may hold in memory: 64 messages.
const MEMORY: u64 = 128 * 1024;
/// Fifteen times as many.
const COUNT: i64 = 1_000;

fn news() -> Destination {
    Destination::topic("news")
}

fn journal(name: &str) -> Arc<dyn Store> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("long_subscriptions").join(name);
    let _ = std::fs::remove_dir_all(&path);
    let directory = Arc::new(Directory::take(&path).expect("a directory of our own"));
    let options = Options { segment_bytes: 4 << 20, sync: Sync::Never, ..Options::new(1) };
    Arc::new(Journal::open(directory, &options).expect("a sound journal").0)
}

async fn small_broker(store: Arc<dyn Store>) -> Node {
    keeping_broker(Limits { memory: MEMORY, ..Limits::default() }, store).await
}

/// A persistent message with properties to select by: `rare` in one of 97.
fn piece(sender: &Wire, topic: &Destination, number: i64) -> MessageFields {
    let mut properties = Properties::default();
    properties.insert("rare", Value::Int(i32::from(number % 97 == 0)));
    MessageFields {
        persistent: true,
        marshalled_properties: Some(properties.encode()),
        ..sender.message(topic, number, SIZE)
    }
}

async fn publish(node: &Node, topic: &Destination, numbers: impl Iterator<Item = i64>) {
    let mut sender = Wire::opened(node, "sender").await;
    let mut answers = Vec::new();
    for number in numbers {
        answers.push(sender.submit(&piece(&sender, topic, number)));
    }
    for answer in answers {
        sender.answer(answer).await.unwrap();
    }
}

/// Makes a subscription of a client that goes away.
async fn leave_behind(node: &Node, client: &str) {
    let mut reader = Wire::opened(node, client).await;
    reader.subscribe(1, "s", &news(), 10).await;
    reader.ask(Wire::remove(reader.consumer_id(1).into(), -1)).await.unwrap();
}

fn kept(node: &Node, client: &str) -> DurableSnapshot {
    let all = node.watch().durable_subscriptions();
    let found = all.into_iter().find(|one| one.name.client == client);
    found.unwrap_or_else(|| panic!("{client} has no subscription"))
}

async fn takes(reader: &mut Wire, numbers: impl Iterator<Item = i64>) {
    for expected in numbers {
        let dispatch = reader.dispatch().await;
        assert_eq!(number_of(&dispatch), expected);
        reader.settle(&dispatch);
    }
}

async fn is_empty(node: &Node, store: &dyn Store) {
    until("nothing is left", || {
        let waiting: usize = node
            .watch()
            .durable_subscriptions()
            .iter()
            .map(|one| one.waiting + one.in_flight)
            .sum();
        let stored: u64 = store.queues().iter().map(|queue| queue.messages).sum();
        (waiting == 0 && stored == 0 && node.status().memory == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_subscriptions_take_no_memory_and_get_everything_in_order() {
    for (name, store) in
        [("journal", journal("offline")), ("memory", Arc::new(MemoryStore::default()) as _)]
    {
        let node = small_broker(Arc::clone(&store)).await;
        for client in ["a", "b", "c"] {
            leave_behind(&node, client).await;
        }
        publish(&node, &news(), 1..=COUNT).await;
        let stored: u64 = store.queues().iter().map(|queue| queue.messages).max().unwrap();
        assert_eq!(stored, COUNT as u64, "{name}");
        for client in ["a", "b", "c"] {
            let kept = kept(&node, client);
            assert_eq!(kept.waiting, COUNT as usize, "{name}");
            assert!(kept.on_disk > COUNT as usize - 64, "{name}: {}", kept.on_disk);
        }
        assert!(node.status().memory <= MEMORY, "{name}: {}", node.status().memory);

        // One after the other, one of them in two goes.
        for client in ["b", "a"] {
            let mut reader = Wire::opened(&node, client).await;
            reader.subscribe(1, "s", &news(), 20).await;
            if client == "a" {
                takes(&mut reader, 1..=300).await;
                // What it had and did not settle comes again.
                let last = number_of(&reader.dispatch().await);
                assert_eq!(last, 301);
                reader.ask(Wire::remove(reader.consumer_id(1).into(), -1)).await.unwrap();
                drop(reader);
                reader = Wire::opened(&node, client).await;
                reader.subscribe(1, "s", &news(), 20).await;
                // With what came when the other one had all.
                takes(&mut reader, 301..=COUNT + 1).await;
            } else {
                takes(&mut reader, 1..=COUNT).await;
                reader.nothing_comes().await;
                // What comes now comes at once.
                publish(&node, &news(), std::iter::once(COUNT + 1)).await;
                takes(&mut reader, std::iter::once(COUNT + 1)).await;
            }
            reader.nothing_comes().await;
            reader.unsubscribe("s").await.unwrap_err();
            reader.ask(Wire::remove(reader.consumer_id(1).into(), -1)).await.unwrap();
            reader.unsubscribe("s").await.unwrap();
        }
        // The last one takes what is on disk with it.
        let mut reader = Wire::opened(&node, "c").await;
        reader.unsubscribe("s").await.unwrap();
        is_empty(&node, &*store).await;
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_reads_next_to_nothing_of_them() {
    let store = journal("restart");
    let node = small_broker(Arc::clone(&store)).await;
    leave_behind(&node, "a").await;
    leave_behind(&node, "b").await;
    publish(&node, &news(), 1..=COUNT).await;
    // What a prepared branch has acknowledged is its own.
    let mut reader = Wire::opened(&node, "a").await;
    reader.subscribe(1, "s", &news(), 5).await;
    let branch = TransactionId::Xa(XaTransactionId {
        format_id: 7,
        global_transaction_id: Some(vec![1].into()),
        branch_qualifier: Some(vec![2].into()),
    });
    reader.ask(reader.step(Some(branch.clone()), 0)).await.unwrap();
    for expected in 1..=2 {
        let dispatch = reader.dispatch().await;
        assert_eq!(number_of(&dispatch), expected);
        let id = dispatch.message.as_ref().unwrap().message_id();
        let ack = ferrymq_openwire::commands::MessageAck {
            consumer_id: dispatch.consumer_id.clone(),
            destination: dispatch.destination.clone(),
            transaction_id: Some(branch.clone()),
            ack_type: 2,
            first_message_id: id.clone(),
            last_message_id: id,
            message_count: 1,
            ..Default::default()
        };
        reader.ask(ack.into()).await.unwrap();
    }
    reader.ask(reader.step(Some(branch.clone()), 7)).await.unwrap();
    let prepared = reader.request(reader.step(Some(branch.clone()), 1));
    reader.number_answered(prepared).await;
    node.stop().await;

    let node = small_broker(Arc::clone(&store)).await;
    assert!(node.status().memory <= MEMORY, "{}", node.status().memory);
    assert_eq!(kept(&node, "b").waiting, COUNT as usize);
    assert!(kept(&node, "b").on_disk > COUNT as usize - 64);
    let mut one = Wire::opened(&node, "a").await;
    one.subscribe(1, "s", &news(), 10).await;
    takes(&mut one, 3..=COUNT).await;
    one.nothing_comes().await;
    one.ask(one.step(Some(branch), 4)).await.unwrap();
    takes(&mut one, 1..=2).await;
    let mut other = Wire::opened(&node, "b").await;
    other.subscribe(1, "s", &news(), 1_000).await;
    takes(&mut other, 1..=COUNT).await;
    is_empty(&node, &*store).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_with_a_limit_of_its_own_is_not_held_up_by_who_is_offline() {
    let pattern = DestinationPattern::parse("topic://news").unwrap();
    let policy =
        DestinationPolicy { memory_limit: Some(32 * 1024), ..DestinationPolicy::new(pattern) };
    let limits = Limits { policies: vec![policy], ..Limits::default() };
    let store = journal("limited");
    let node = keeping_broker(limits, Arc::clone(&store)).await;
    leave_behind(&node, "a").await;
    publish(&node, &news(), 1..=COUNT).await;
    assert!(kept(&node, "a").on_disk > COUNT as usize - 32);
    let mut reader = Wire::opened(&node, "a").await;
    reader.subscribe(1, "s", &news(), 10).await;
    takes(&mut reader, 1..=COUNT).await;
    is_empty(&node, &*store).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_publishers_and_a_slow_reader_of_several_topics_lose_and_double_nothing() {
    let store = journal("many");
    let node = small_broker(Arc::clone(&store)).await;
    let all = Destination::topic("many.>");
    let mut reader = Wire::opened(&node, "slow").await;
    reader.subscribe(1, "s", &all, 7).await;
    let topics: Vec<Destination> =
        (0..4).map(|n| Destination::topic(format!("many.{n}"))).collect();
    let node = Arc::new(node);
    let mut publishing = tokio::task::JoinSet::new();
    for (n, topic) in topics.iter().cloned().enumerate() {
        let node = Arc::clone(&node);
        publishing.spawn(async move {
            let mut sender = Wire::opened(&node, &format!("sender {n}")).await;
            for number in 0..400 {
                let answer = sender.submit(&piece(&sender, &topic, n as i64 * 1_000 + number));
                if number % 16 == 0 {
                    sender.answer(answer).await.unwrap();
                }
            }
            let last = sender.submit(&piece(&sender, &topic, n as i64 * 1_000 + 400));
            sender.answer(last).await.unwrap();
        });
    }
    let mut next = [0_i64; 4];
    for round in 0..4 * 401 {
        let dispatch = reader.dispatch().await;
        let number = number_of(&dispatch);
        let of = usize::try_from(number / 1_000).unwrap();
        assert_eq!(number % 1_000, next[of], "from sender {of}");
        next[of] += 1;
        reader.settle(&dispatch);
        if round == 500 {
            // It goes, and comes back.
            reader.ask(Wire::remove(reader.consumer_id(1).into(), -1)).await.unwrap();
            let mut seen = 0;
            while reader.dispatch_soon().await.is_some() {
                seen += 1;
            }
            assert!(seen <= 7);
            reader.subscribe(2, "s", &all, 7).await;
        }
    }
    while publishing.join_next().await.is_some_and(|done| done.is_ok()) {}
    reader.nothing_comes().await;
    is_empty(&node, &*store).await;
    Arc::into_inner(node).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_own_connection_published_while_nobody_was_there_is_not_for_it() {
    let store = journal("local");
    let node = small_broker(Arc::clone(&store)).await;
    let asked = |reader: &Wire, number| ConsumerInfo {
        subscription_name: Some("s".into()),
        no_local: true,
        ..reader.consumer(number, &news(), 10)
    };
    let mut first = Wire::opened(&node, "a").await;
    first.ask(asked(&first, 1).into()).await.unwrap();
    first.ask(Wire::remove(first.consumer_id(1).into(), -1)).await.unwrap();
    first.crash();
    until("its name is free", || node.watch().connections().is_empty().then_some(())).await;
    // The same client over another connection.
    let mut reader = Wire::dial(&node, "").await;
    let info = ConnectionInfo { client_id: Some("a".into()), ..Wire::connection_info("a2") };
    reader.open_as(info).await.unwrap();
    for number in 1..=200 {
        let answer = reader.submit(&piece(&reader, &news(), number));
        reader.answer(answer).await.unwrap();
    }
    publish(&node, &news(), 201..=300).await;
    until("they are on disk", || (kept(&node, "a").on_disk > 200).then_some(())).await;
    reader.ask(asked(&reader, 2).into()).await.unwrap();
    takes(&mut reader, 201..=300).await;
    is_empty(&node, &*store).await;
    node.stop().await;
}

const BODY: usize = 1024;

fn keeping(folder: &str) -> FerrySetup {
    Ferry::named("news").configure(&format!("[broker]\ndata_dir = \"{folder}\""))
}

fn segments(folder: &str) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".segment")).count()
}

/// `FERRYMQ_BACKLOG` sets how many messages it is tried with.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a million messages: --release, 1 GB of disk and half a minute"]
async fn half_a_million_messages_for_who_is_offline_are_no_burden() {
    let count: u32 =
        std::env::var("FERRYMQ_BACKLOG").ok().and_then(|n| n.parse().ok()).unwrap_or(500_000);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("long_subscriptions").join("half");
    let _ = std::fs::remove_dir_all(&folder);
    let folder = folder.to_str().unwrap();
    let broker = keeping(folder).start();
    let idle = broker.process.status_number("VmRSS");
    let options = || ConsumerOptions::new(destination("topic://news")).durable("s");
    let connect = async |client: &str| {
        let options = ConnectOptions::system().client_id(client);
        let connection = Connection::connect(broker.url(), options).await.unwrap();
        (connection.session(AckMode::Auto), connection)
    };
    for client in ["a", "b"] {
        let (session, connection) = connect(client).await;
        session.consumer(options()).await.unwrap().close();
        connection.close().await.unwrap();
    }
    let sender = Native::connect(broker.url()).await;
    let producer = sender.producer("topic://news").await;
    let began = Instant::now();
    let mut receipts = std::collections::VecDeque::new();
    for number in 0..count {
        let message = OutgoingMessage::text(format!("{number:<BODY$}"));
        receipts.push_back(producer.submit(message).await.expect("a way out"));
        if receipts.len() >= 4096 {
            receipts.pop_front().unwrap().confirmed().await.expect("a confirmation");
        }
    }
    for receipt in receipts {
        receipt.confirmed().await.expect("a confirmation");
    }
    let over = broker.process.status_number("VmRSS").saturating_sub(idle);
    println!("{count} kept for two in {:?}; {over} kB over {idle} kB", began.elapsed());
    assert!(over <= 64 * 1024, "{over} kB over idle");
    for client in ["a", "b"] {
        let began = Instant::now();
        let (session, _connection) = connect(client).await;
        let consumer = session.consumer(options()).await.unwrap();
        for expected in 0..count {
            let delivery = consumer.receive_within(PATIENCE).await.expect("a living consumer");
            let text = delivery.expect("a message").text().expect("a body").expect("a text");
            assert_eq!(text.trim_end(), expected.to_string());
        }
        println!("{client} has all in {:?}", began.elapsed());
    }
    let over = broker.process.status_number("VmHWM").saturating_sub(idle);
    println!("at most {over} kB over {idle} kB");
    support::until("the disk is given back", PATIENCE, || (segments(folder) <= 5).then_some(()));
    broker.terminate();
}
