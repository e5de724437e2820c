//! Non-persistent messages for which there is no memory wait on disk, in a temporary store. They
//! hold up nobody, keep their order, and are gone when the broker is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq::node::{Node, OpenSpool};
use ferrymq_client::{Consumer, OutgoingMessage, Producer, ProducerOptions};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use ferrymq_store::contract::Store;
use ferrymq_store::memory::MemoryStore;
use support::{Ferry, FerrySetup, Native, PATIENCE, destination, get, until};
use wire::{Wire, spooling_broker};

const BODY: usize = 10_000;

fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("spooled_queues").join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// A broker that may hold 4 MiB, with a folder.
fn small(name: &str, data: &Path, more: &str) -> FerrySetup {
    Ferry::named(name)
        .admin()
        .configure(&format!("[broker]\ndata_dir = \"{}\"", data.display()))
        .configure("[store]\nsync = \"never\"\nsegment_size = \"4MiB\"")
        .configure(&format!("[system_usage]\nmemory_limit = \"4MiB\"\n{more}"))
}

async fn passing(client: &Native, to: &str) -> Producer {
    let options = ProducerOptions::to(destination(to)).persistent(false);
    client.session.producer(options).await.unwrap()
}

/// Sends messages that begin with their numbers, each confirmed before the next.
async fn send(producer: &Producer, numbers: impl Iterator<Item = u32>) {
    for number in numbers {
        let message = OutgoingMessage::text(format!("{number:<BODY$}"));
        producer.send(message).await.expect("a broker that takes it");
    }
}

async fn receive(consumer: &Consumer, numbers: impl Iterator<Item = u32>) {
    for expected in numbers {
        let delivery = consumer.receive_within(PATIENCE).await.expect("a living consumer");
        let text = delivery
            .unwrap_or_else(|| panic!("no message {expected}"))
            .text()
            .expect("a body")
            .expect("a text");
        assert_eq!(text.trim_end(), expected.to_string());
    }
}

/// Bytes of all files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len())).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_memory_is_taken_kept_in_order_and_given_back() {
    let data = folder("long");
    let mut broker = small("long", &data, "").start();
    let client = Native::connect(broker.url()).await;
    send(&passing(&client, "queue://long").await, 0..8_000).await;
    // 80 MB; persistent ones are not held up either.
    client.send_numbers("queue://kept", 0, 100).await;
    let resident = broker.process.status_number("VmHWM");
    println!("80 MB in a broker of 4 MiB: {resident} kB resident");
    assert!(resident < 60_000, "it took {resident} kB");
    let spooled = bytes_in(&data.join("tmp"));
    assert!(spooled > 70_000_000, "{spooled} bytes are spooled");

    let other = Native::connect(broker.url()).await;
    let consumer = other.consumer("queue://long").await;
    receive(&consumer, 0..8_000).await;
    until("the disk is given back", PATIENCE, || {
        (bytes_in(&data.join("tmp")) <= 6 * 8 * 1024 * 1024).then_some(())
    });

    // What is spooled ends with the broker, and what is persistent does not.
    send(&passing(&client, "queue://long").await, 0..2_000).await;
    broker.process.kill();
    broker.restart();
    assert_eq!(bytes_in(&data.join("tmp")), 0);
    let client = Native::connect(broker.url()).await;
    let kept = client.consumer("queue://kept").await;
    assert_eq!(support::numbers(&kept, 100).await, (0..100).collect::<Vec<_>>());
    support::nothing_comes(&client.consumer("queue://long").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_temporary_store_holds_up_those_who_need_it_and_nobody_else() {
    let data = folder("full");
    let broker = small("full", &data, "temp_limit = \"16MiB\"").start();
    let (sender, other) =
        (Native::connect(broker.url()).await, Native::connect(broker.url()).await);
    let producer = passing(&sender, "queue://long").await;
    let sending = tokio::spawn(async move { send(&producer, 0..4_000).await });
    broker.process.log_line("the limit", |line| {
        line.contains("a limit is reached: producers wait") && line.contains("limit=\"temp\"")
    });
    let persistent = other.producer("queue://kept").await;
    send(&persistent, 0..500).await;
    let kept = other.consumer("queue://kept").await;
    receive(&kept, 0..500).await;
    assert!(!sending.is_finished(), "40 MB went into 20");
    let metrics = get(&broker.admin(), "/metrics").body;
    assert!(metrics.contains("\nferrymq_limit_reached{limit=\"temp\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\nferrymq_temp_limit_bytes 16777216\n"), "{metrics}");
    let consumer = other.consumer("queue://long").await;
    receive(&consumer, 0..4_000).await;
    sending.await.unwrap();
    broker.process.log_line("its end", |line| {
        line.contains("not reached any more") && line.contains("limit=\"temp\"")
    });
}

/// A broker in this process with so much memory.
async fn node(memory: u64) -> (Node, Arc<MemoryStore>) {
    let limits = Limits { memory, ..Limits::default() };
    let spool = Arc::new(MemoryStore::default());
    let spooled = Arc::clone(&spool);
    let open: OpenSpool = Arc::new(move || Ok(Arc::clone(&spooled) as Arc<dyn Store>));
    let node = spooling_broker(limits, Arc::new(MemoryStore::default()), open).await;
    (node, spool)
}

fn orders() -> Destination {
    Destination::queue("orders")
}

/// Every third one is persistent; `rare` is one of 97.
fn order(sender: &Wire, number: i64) -> MessageFields {
    let mut properties = Properties::default();
    properties.insert("rare", Value::Int(i32::from(number % 97 == 0)));
    MessageFields {
        persistent: number % 3 == 0,
        marshalled_properties: Some(properties.encode()),
        ..sender.message(&orders(), number, 2_000)
    }
}

async fn fill(node: &Node, numbers: std::ops::RangeInclusive<i64>) {
    let mut sender = Wire::opened(node, "sender").await;
    for number in numbers {
        let answer = sender.submit(&order(&sender, number));
        sender.answer(answer).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_are_persistent_and_those_that_are_not_keep_one_order() {
    let (node, spool) = node(128 * 1024).await;
    fill(&node, 1..=1_000).await;
    assert!(!spool.queues().is_empty(), "something is spooled");
    let on_disk = node.watch().destinations().iter().map(|one| one.on_disk).sum::<usize>();
    assert!(on_disk > 800, "{on_disk} are on disk");

    // Who selects little finds it; who goes away gives back what it has not settled.
    let mut chooser = Wire::opened(&node, "chooser").await;
    let mut asked = chooser.consumer(1, &orders(), 5);
    asked.selector = Some("rare = 1".into());
    chooser.ask(asked.into()).await.unwrap();
    for expected in (1..=10).map(|n| n * 97) {
        let dispatch = chooser.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), expected);
        if expected < 500 {
            chooser.settle(&dispatch);
        }
        if expected == 970 {
            break;
        }
    }
    let mut taster = Wire::opened(&node, "taster").await;
    taster.consume(1, &orders(), 50).await;
    assert_eq!(taster.numbers(10).await, (1..=10).collect::<Vec<_>>());
    taster.crash();
    chooser.crash();
    let mut receiver = Wire::opened(&node, "receiver").await;
    until("they are gone", PATIENCE, || {
        let all = node.watch().destinations();
        (all.iter().all(|one| one.in_flight == 0)).then_some(())
    });
    receiver.consume(1, &orders(), 20).await;
    let mut came = Vec::new();
    for _ in 0..1_000 - 5 {
        let dispatch = receiver.dispatch().await;
        came.push(wire::number_of(&dispatch));
        receiver.settle(&dispatch);
    }
    let left: Vec<i64> = (1..=1_000).filter(|n| n % 97 != 0 || *n > 500).collect();
    assert_eq!(came, left);
    receiver.nothing_comes().await;
    until("nothing is left anywhere", PATIENCE, || {
        let empty = spool.queues().iter().all(|queue| queue.messages == 0);
        let memory: u64 = node.watch().destinations().iter().map(|one| one.memory).sum();
        (empty && memory == 0).then_some(())
    });
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_in_a_transaction_is_spooled_when_it_is_committed() {
    let (node, spool) = node(256 * 1024).await;
    fill(&node, 1..=300).await;
    let mut sender = Wire::opened(&node, "transacted").await;
    for round in 0..20 {
        let within = sender.local(round + 1);
        sender.ask(sender.step(Some(within.clone()), 0)).await.unwrap();
        for number in 0..10 {
            let number = 301 + round * 10 + number;
            let fields =
                MessageFields { transaction_id: Some(within.clone()), ..order(&sender, number) };
            let answer = sender.submit(&fields);
            sender.answer(answer).await.unwrap();
        }
        sender.ask(sender.step(Some(within), 2)).await.unwrap();
    }
    assert!(spool.queues().iter().map(|queue| queue.messages).sum::<u64>() > 200);
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 20).await;
    for expected in 1..=500 {
        let dispatch = receiver.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), expected);
        receiver.settle(&dispatch);
    }
    receiver.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spooled_message_that_expires_is_not_delivered() {
    let (node, spool) = node(128 * 1024).await;
    fill(&node, 1..=200).await;
    let mut sender = Wire::opened(&node, "hasty").await;
    let now = node.watch().now_millis();
    for number in 201..=260 {
        let fields = MessageFields {
            persistent: false,
            expiration: now + 1_500,
            ..sender.message(&orders(), number, 2_000)
        };
        let answer = sender.submit(&fields);
        sender.answer(answer).await.unwrap();
    }
    fill(&node, 261..=300).await;
    assert!(!spool.queues().is_empty());
    until("their time is over", PATIENCE, || {
        (node.watch().now_millis() > now + 1_600).then_some(())
    });
    let mut receiver = Wire::opened(&node, "receiver").await;
    receiver.consume(1, &orders(), 20).await;
    for expected in (1..=200).chain(261..=300) {
        let dispatch = receiver.dispatch().await;
        assert_eq!(wire::number_of(&dispatch), expected);
        receiver.settle(&dispatch);
    }
    receiver.nothing_comes().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_a_limit_of_its_own_spools_beyond_it() {
    let data = folder("own");
    let policy = "[[destination_policy]]\nmatch = \"queue://small\"\nmemory_limit = \"1MiB\"";
    let broker = Ferry::named("own")
        .configure(&format!("[broker]\ndata_dir = \"{}\"", data.display()))
        .configure(policy)
        .start();
    let client = Native::connect(broker.url()).await;
    send(&passing(&client, "queue://small").await, 0..1_000).await;
    assert!(bytes_in(&data.join("tmp")) > 5_000_000);
    let other = Native::connect(broker.url()).await;
    receive(&other.consumer("queue://small").await, 0..1_000).await;
    let _ = other.consumer("queue://small").await.receive_within(Duration::ZERO).await;
}
